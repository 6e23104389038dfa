@ Vector table behind the initial stack pointer (link.x). No interrupt is enabled here; a fault in the
@ bootloader resets, and the record makes the next boot go on where this one stopped.
    .syntax unified
    .thumb

    .section .vectors, "a"
    .word start
    .word fault
    .word fault
    .word fault
    .word fault
    .word fault
    .word 0, 0, 0, 0
    .word fault
    .word fault
    .word 0
    .word fault
    .word fault

    .section .text.fault, "ax"
    .type fault, %function
    .thumb_func
fault:
    ldr r0, =0xE000ED0C
    ldr r1, =0x05FA0004
    dsb
    str r1, [r0]
0:  b 0b
    .ltorg
    .size fault, . - fault

    .section .text.memcpy, "ax"
    .global memcpy, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8
    .type memcpy, %function
    .thumb_func
memcpy:
    .thumb_func
__aeabi_memcpy:
    .thumb_func
__aeabi_memcpy4:
    .thumb_func
__aeabi_memcpy8:
    mov r3, r0
0:  subs r2, r2, #4
    blo 1f
    ldr r12, [r1], #4
    str r12, [r3], #4
    b 0b
1:  adds r2, r2, #4
2:  subs r2, r2, #1
    it lo
    bxlo lr
    ldrb r12, [r1], #1
    strb r12, [r3], #1
    b 2b
    .size memcpy, . - memcpy

    .section .text.memmove, "ax"
    .global memmove, __aeabi_memmove, __aeabi_memmove4, __aeabi_memmove8
    .type memmove, %function
    .thumb_func
memmove:
    .thumb_func
__aeabi_memmove:
    .thumb_func
__aeabi_memmove4:
    .thumb_func
__aeabi_memmove8:
    cmp r0, r1
    bls memcpy
0:  subs r2, r2, #1
    it lo
    bxlo lr
    ldrb r12, [r1, r2]
    strb r12, [r0, r2]
    b 0b
    .size memmove, . - memmove

    .section .text.memset, "ax"
    .global __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8
    .global __aeabi_memset, __aeabi_memset4, __aeabi_memset8, memset
    .type memset, %function
    .thumb_func
__aeabi_memclr:
    .thumb_func
__aeabi_memclr4:
    .thumb_func
__aeabi_memclr8:
    movs r2, #0
    .thumb_func
__aeabi_memset:
    .thumb_func
__aeabi_memset4:
    .thumb_func
__aeabi_memset8:
    mov r3, r2
    mov r2, r1
    mov r1, r3
    .thumb_func
memset:
    mov r3, r0
0:  subs r2, r2, #1
    it lo
    bxlo lr
    strb r1, [r3], #1
    b 0b
    .size memset, . - memset

    .section .text.memcmp, "ax"
    .global memcmp, bcmp
    .type memcmp, %function
    .thumb_func
memcmp:
    .thumb_func
bcmp:
    mov r3, r0
0:  movs r0, #0
    subs r2, r2, #1
    it lo
    bxlo lr
    ldrb r0, [r3], #1
    ldrb r12, [r1], #1
    subs r0, r0, r12
    beq 0b
    bx lr
    .size memcmp, . - memcmp
