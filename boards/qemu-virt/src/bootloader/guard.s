# The way into the firmware and back. Reads this flash part while the firmware may program the other.
    .section .text.otaru_enter, "ax"
    .globl otaru_enter
otaru_enter:                 # a0: first instruction of the firmware
    # What it cannot reach, as naturally aligned powers of two: (base + length / 2 - 1) / 4. The first
    # one that matches counts.
    li   t0, 0x20007fff      # 0x80000000, 256 KiB: this program's RAM: nothing
    csrw pmpaddr0, t0
    li   t0, 0x00801fff      # 0x02000000, 64 KiB: the timer: reading
    csrw pmpaddr1, t0
    li   t0, 0x083fffff      # 0x20000000, 32 MiB: this flash part: reading, executing
    csrw pmpaddr2, t0
    li   t0, 0x000401ff      # 0x00100000, 4 KiB: the reset: nothing
    csrw pmpaddr3, t0
    li   t0, 0xffffffff      # the rest: everything
    csrw pmpaddr4, t0
    li   t0, 0x181d1918
    csrw pmpcfg0, t0
    li   t0, 0x1f
    csrw pmpcfg1, t0
    li   t0, 0x80            # the timer's interrupt alone
    csrw mie, t0
    csrw mideleg, zero
    csrw medeleg, zero
    csrw satp, zero
    li   t0, 0x1808          # back to machine mode, interrupts on: both cleared
    csrc mstatus, t0
    li   t0, 0x0800          # return to supervisor mode
    csrs mstatus, t0
    csrw mepc, a0
    fence.i
    mret

    .section .text.otaru_trap, "ax"
    .globl otaru_trap
    .balign 4
otaru_trap:
    csrrw sp, mscratch, sp   # the firmware's stack pointer waits in mscratch
    addi sp, sp, -64
    sw   ra, 0(sp)
    sw   t0, 4(sp)
    sw   t1, 8(sp)
    sw   t2, 12(sp)
    sw   t3, 16(sp)
    sw   t4, 20(sp)
    sw   t5, 24(sp)
    sw   t6, 28(sp)
    sw   a1, 32(sp)
    sw   a2, 36(sp)
    sw   a3, 40(sp)
    sw   a4, 44(sp)
    sw   a5, 48(sp)
    sw   a6, 52(sp)
    sw   a7, 56(sp)
    mv   a1, a7
    csrr a2, mcause
    csrr a3, mepc
    call otaru_trapped       # returns from a call of the firmware only
    csrr t0, mepc
    addi t0, t0, 4
    csrw mepc, t0
    li   a0, 0               # nothing of this program reaches the firmware
    lw   ra, 0(sp)
    lw   t0, 4(sp)
    lw   t1, 8(sp)
    lw   t2, 12(sp)
    lw   t3, 16(sp)
    lw   t4, 20(sp)
    lw   t5, 24(sp)
    lw   t6, 28(sp)
    lw   a1, 32(sp)
    lw   a2, 36(sp)
    lw   a3, 40(sp)
    lw   a4, 44(sp)
    lw   a5, 48(sp)
    lw   a6, 52(sp)
    lw   a7, 56(sp)
    addi sp, sp, 64
    csrrw sp, mscratch, sp
    mret

    .section .bss.otaru_trap_stack, "aw", @nobits
    .balign 16
    .skip 8192
    .globl otaru_trap_stack
otaru_trap_stack:
