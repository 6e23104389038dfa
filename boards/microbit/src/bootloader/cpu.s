@ Vector table behind the initial stack pointer (bootloader.x): reset, then every exception and every
@ interrupt of the chip. A Cortex-M0 has no register that moves it, so what comes while a firmware runs
@ is passed on. While the bootloader runs a fault resets, and the record makes the next boot go on.
    .syntax unified
    .thumb

    .section .vectors, "a"
    .word reset
    .rept 46
    .word forward
    .endr

    .section .text.reset, "ax"
    .global reset
    .type reset, %function
    .thumb_func
reset:
    ldr r0, =0x20003FFC
    movs r1, #0
    str r1, [r0]
    ldr r0, =data_start
    ldr r1, =data_stored
    ldr r2, =data_end
    subs r2, r2, r0
    bl memcpy
    ldr r0, =bss_start
    ldr r1, =bss_end
    subs r1, r1, r0
    bl __aeabi_memclr
    bl start
    .type fault, %function
    .thumb_func
fault:
    ldr r0, =0xE000ED0C
    ldr r1, =0x05FA0004
    dsb
    str r1, [r0]
0:  b 0b

@ The CPU has saved r0 to r3 and r12; lr, which says how to return, stays as it is.
    .type forward, %function
    .thumb_func
forward:
    ldr r0, =0x20003FFC
    ldr r0, [r0]
    cmp r0, #0
    beq fault
    mrs r1, ipsr
    lsls r1, r1, #2
    ldr r0, [r0, r1]
    bx r0
    .ltorg
    .size reset, . - reset
