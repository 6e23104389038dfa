@ Vector table behind the initial stack pointer (firmware.x). No interrupt is used; a fault resets.
    .syntax unified
    .thumb

    .section .vectors, "a"
    .word reset
    .rept 46
    .word fault
    .endr

    .section .text.reset, "ax"
    .global reset
    .type reset, %function
    .thumb_func
reset:
    bl firmware
    .global fault
    .type fault, %function
    .thumb_func
fault:
    ldr r0, =0xE000ED0C
    ldr r1, =0x05FA0004
    dsb
    str r1, [r0]
0:  b 0b
    .ltorg
    .size reset, . - reset
