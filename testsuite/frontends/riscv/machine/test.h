/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/frontends/riscv/machine/test.h - what programs without an operating system share: they
 * start in M at 0x80000000, print to the UART, and end with the test device.  Each trap that M takes
 * is printed ("trap CAUSE at EPC tval TVAL status S"), then goes on behind the instruction; the same in
 * S ("strap ...").
 */
#define UART 0x10000000
#define ACLINT 0x2000000
#define FINISHER 0x100000
#define PASS 0x5555

/* Prints a string; everything but ra is kept. */
.macro say text:vararg
    .pushsection .rodata
9991: .asciz \text
    .popsection
    addi sp, sp, -16
    sd a0, 0(sp)
    la a0, 9991b
    call puts
    ld a0, 0(sp)
    addi sp, sp, 16
.endm

/* Prints a register in hexadecimal. */
.macro hex reg
    addi sp, sp, -16
    sd a0, 0(sp)
    mv a0, \reg
    call puthex
    ld a0, 0(sp)
    addi sp, sp, 16
.endm

/* "NAME VALUE" of a CSR. */
.macro show csr
    say "\csr "
    csrr s11, \csr
    hex s11
    say "\n"
.endm

/* From M: goes on behind this in privilege `mpp`, with the same sp. */
.macro drop_to mpp
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, \mpp << 11
    csrs mstatus, t0
    la t0, 9992f
    csrw mepc, t0
    mret
9992:
.endm

/* From S or U: back to M, by an ecall that the handler knows. */
.macro back_to_m
    li a7, 0x4d
    ecall
.endm

.macro finish
    li t0, FINISHER
    li t1, PASS
    sw t1, 0(t0)
9993: j 9993b
.endm

/* Lets S and U access all of memory. */
.macro open_pmp
    li t0, -1
    srli t0, t0, 10
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
.endm
