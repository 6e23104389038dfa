# Both programs begin here: RAM is initialised, then `otaru_start` of the program is called. Nothing
# in it is privileged, because the firmware runs in supervisor mode.
    .section .text.otaru_reset, "ax"
    .globl otaru_reset
otaru_reset:
    la   sp, stack_start
    la   t0, data_stored
    la   t1, data_start
    la   t2, data_end
1:  bgeu t1, t2, 2f
    lw   t3, 0(t0)
    sw   t3, 0(t1)
    addi t0, t0, 4
    addi t1, t1, 4
    j    1b
2:  la   t1, bss_start
    la   t2, bss_end
3:  bgeu t1, t2, 4f
    sw   zero, 0(t1)
    addi t1, t1, 4
    j    3b
4:  fence.i                  # code was copied to RAM
    call otaru_start
5:  j    5b
