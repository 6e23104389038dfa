@ memcpy and its relatives in the instructions of a Cortex-M0, without a stack.
    .syntax unified
    .thumb

@ Copies from the end to the beginning, so that r0 stays what is returned; words if everything is aligned.
    .section .text.memcpy, "ax"
    .global memcpy, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8
    .global memmove, __aeabi_memmove, __aeabi_memmove4, __aeabi_memmove8
    .type memcpy, %function
    .thumb_func
memcpy:
    .thumb_func
__aeabi_memcpy:
    .thumb_func
__aeabi_memcpy4:
    .thumb_func
__aeabi_memcpy8:
    movs r3, r0
    orrs r3, r1
    orrs r3, r2
    lsls r3, r3, #30
    bne 1f
0:  subs r2, r2, #4
    blo 2f
    ldr r3, [r1, r2]
    str r3, [r0, r2]
    b 0b
1:  subs r2, r2, #1
    blo 2f
    ldrb r3, [r1, r2]
    strb r3, [r0, r2]
    b 1b
2:  bx lr
    .size memcpy, . - memcpy

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
    bhs memcpy
    mov r12, r0
    adds r2, r0, r2
0:  cmp r0, r2
    beq 1f
    ldrb r3, [r1]
    strb r3, [r0]
    adds r0, r0, #1
    adds r1, r1, #1
    b 0b
1:  mov r0, r12
    bx lr
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
    movs r3, r2
    movs r2, r1
    movs r1, r3
    .thumb_func
memset:
0:  subs r2, r2, #1
    blo 1f
    strb r1, [r0, r2]
    b 0b
1:  bx lr
    .size memset, . - memset

    .section .text.memcmp, "ax"
    .global memcmp, bcmp
    .type memcmp, %function
    .thumb_func
memcmp:
    .thumb_func
bcmp:
    adds r2, r0, r2
    mov r12, r2
    subs r1, r1, r0
0:  cmp r0, r12
    beq 1f
    ldrb r2, [r0]
    ldrb r3, [r0, r1]
    adds r0, r0, #1
    subs r2, r2, r3
    beq 0b
    movs r0, r2
    bx lr
1:  movs r0, #0
    bx lr
    .size memcmp, . - memcmp
