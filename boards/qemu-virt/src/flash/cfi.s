# Programs up to 512 words inside one block of 2 KiB of a flash part (buffered program). Stands in RAM and
# calls nothing: the part may be the one that the program executes from, and it answers no reads
# until the last two instructions before the return.
#
# A part is two chips of 16 bits side by side: each gets every command, both answer.
# a0: address of the first word, a1: words in RAM, a2: their number (1 to 512). Returns the status.
    .section .ramtext.otaru_cfi_program, "ax"
    .globl otaru_cfi_program
    .balign 4
otaru_cfi_program:
    beqz a2, 8f
    li   t4, 0x00800080      # ready
    srli t0, a0, 11
    slli t0, t0, 11          # commands go to the start of the block
    li   t1, 0x00e800e8      # begin a buffered program
    sw   t1, 0(t0)
    li   t3, 1000000         # looks before the part counts as stuck
1:  lw   t2, 0(t0)
    and  t1, t2, t4
    beq  t1, t4, 2f
    addi t3, t3, -1
    bnez t3, 1b
    j    7f
2:  addi t1, a2, -1          # number of words less one
    slli t3, t1, 16
    or   t1, t1, t3
    sw   t1, 0(t0)
3:  lw   t1, 0(a1)
    sw   t1, 0(a0)
    addi a1, a1, 4
    addi a0, a0, 4
    addi a2, a2, -1
    bnez a2, 3b
    li   t1, 0x00d000d0      # confirm
    sw   t1, 0(t0)
    li   t3, 1000000
4:  lw   t2, 0(t0)
    and  t1, t2, t4
    beq  t1, t4, 7f
    addi t3, t3, -1
    bnez t3, 4b
7:  li   t1, 0x00500050      # clear the status
    sw   t1, 0(t0)
    li   t1, 0x00ff00ff      # answer reads again
    sw   t1, 0(t0)
    mv   a0, t2
    ret
8:  li   a0, 0x00800080
    ret
