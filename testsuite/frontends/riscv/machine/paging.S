/* SPDX-License-Identifier: Apache-2.0 */
/* Page tables, in the mode that PAGING_MODE says (8: Sv39, 9: Sv48, 10: Sv57): rights by privilege,
 * SUM, MXR, MPRV; accessed and dirty bits; large pages; fences; pages remapped under running code. */
#include "test.h"

#ifndef PAGING_MODE
#define PAGING_MODE 8
#endif
#define LEVELS (PAGING_MODE - 8 + 3)
#define V 1
#define R 2
#define W 4
#define X 8
#define U 16
#define G 32
#define A 64
#define D 128

.option norvc
/* The leaf of TEST becomes flags over `page`, or over `page2`. */
.macro leaf flags, to=page
    la t0, \to
    srli t0, t0, 2
    li t1, \flags
    or t0, t0, t1
    la t1, leaf_entry
    sd t0, 0(t1)
    sfence.vma
.endm

.macro show_leaf
    la t1, leaf_entry
    ld s1, 0(t1)
    andi s1, s1, 0xff
    say "leaf "
    hex s1
    say "\n"
.endm

/* load, store, fetch at s0 = TEST.  With SUM no fetch: after the load, QEMU lets S execute U's pages. */
.macro accesses fetch
    li s1, 0
    ld s1, 8(s0)
    hex s1
    sd s1, 16(s0)
    li s1, 0
  .if \fetch
    jalr s0
  .endif
    hex s1
    say "\n"
.endm

.macro from mpp, flags, fetch
    leaf \flags
    say "\mpp \flags\n"
    drop_to \mpp
    accesses \fetch
    back_to_m
    show_leaf
.endm

.macro bits mpp, more, fetch=1
    from \mpp, \more, \fetch
    from \mpp, V | \more, \fetch
    from \mpp, V | R | \more, \fetch
    from \mpp, V | W | \more, \fetch
    from \mpp, V | R | W | \more, \fetch
    from \mpp, V | X | \more, \fetch
    from \mpp, V | R | X | \more, \fetch
    from \mpp, V | W | X | \more, \fetch
    from \mpp, V | R | W | X | \more, \fetch
.endm

.text
.globl main
main:
    open_pmp
    /* The tables: one entry each down to level 2, which maps RAM and devices as 1 GiB pages twice: for S
     * as they are, for U from 0x100000000 on, and TEST. */
    la t0, tables
    li t1, LEVELS - 3
    la t2, level2
1:  beqz t1, 2f
    li t3, 4096
    add t3, t0, t3
    srli t4, t3, 2
    ori t4, t4, V
    sd t4, 0(t0)
    mv t0, t3
    addi t1, t1, -1
    j 1b
2:  /* t0: the table of level 2 */
    li t1, (0x00000000 >> 2) | V | R | W | A | D
    sd t1, 0(t0)
    li t1, (0x80000000 >> 2) | V | R | W | X | A | D
    sd t1, 16(t0)
    la t1, level1
    srli t1, t1, 2
    ori t1, t1, V
    sd t1, 24(t0)
    la t0, level1
    la t1, level0
    srli t1, t1, 2
    ori t1, t1, V
    sd t1, 0(t0)
    la t0, level0
    la t1, leaf_entry
    /* TEST is page 0 of the third GiB. */
    la t0, tables
    srli t0, t0, 12
    li t1, PAGING_MODE << 60
    or t0, t0, t1
    csrw satp, t0
    show satp
    sfence.vma
    li s0, 0xc0000000
    /* U cannot execute where S does: its code is in TEST only.  So from U nothing but TEST: it is
     * tried through MPRV. */
    bits 1, 0
    bits 1, U
    li t0, 1 << 18 /* SUM */
    csrs mstatus, t0
    bits 1, U, 0
    li t0, 1 << 18
    csrc mstatus, t0
    li t0, 1 << 19 /* MXR */
    csrs mstatus, t0
    bits 1, 0
    li t0, 1 << 19
    csrc mstatus, t0

    say "mprv\n"
.macro mprv mpp, flags
    leaf \flags
    say "mprv \mpp \flags "
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, \mpp << 11 | 1 << 17
    csrs mstatus, t0
    li s1, 0
    ld s1, 8(s0)
    sd s1, 16(s0)
    li t0, 1 << 17
    csrc mstatus, t0
    hex s1
    say "\n"
    show_leaf
.endm
    mprv 0, V | R | W
    mprv 0, V | R | W | U
    mprv 0, V | R | U
    mprv 0, V | X | U
    mprv 1, V | R | W
    mprv 1, V | R | W | U
    mprv 3, V

    say "not canonical\n"
    drop_to 1
    li s0, 1 << 63
    ld s1, 0(s0)
    sd s1, 0(s0)
    jalr s0
    li s0, 1 << (12 + 9 * LEVELS - 1)
    ld s1, 0(s0)
    back_to_m
    li s0, 0xc0000000

    say "misaligned over two pages, the second not there\n"
    leaf V | R | W | A | D
    drop_to 1
    li s2, 0xc0000ffd
    ld s1, 0(s2)
    sw s1, 0(s2)
    lh s1, 0(s2)
    hex s1
    say "\n"
    back_to_m

    say "large pages\n"
    la t0, level1
    li t1, (0x80000000 >> 2) | V | R | W | X | A | D
    sd t1, 8(t0)
    li t1, (0x80001000 >> 2) | V | R | W | X | A | D
    sd t1, 16(t0)
    sfence.vma
    drop_to 1
    la s2, value - 0x80000000 + 0xc0200000
    la s3, value
    li t0, 0x80000000 - 0xc0200000
    sub s2, s3, t0
    ld s1, 0(s2)
    hex s1
    say "\n"
    li s2, 0xc0400000
    ld s1, 0(s2)
    back_to_m

    say "remapped\n"
    leaf V | R | X | A | D
    drop_to 1
    jalr s0
    ld s2, 8(s0)
    hex s1
    hex s2
    back_to_m
    leaf V | R | X | A | D, page2
    drop_to 1
    jalr s0
    ld s2, 8(s0)
    hex s1
    hex s2
    say "\n"
    /* One page only, with its address; then with an ASID. */
    la t0, page
    srli t0, t0, 2
    ori t0, t0, V | R | X | A | D
    la t1, leaf_entry
    sd t0, 0(t1)
    sfence.vma s0
    jalr s0
    ld s2, 8(s0)
    hex s1
    hex s2
    say "\n"
    la t0, page2
    srli t0, t0, 2
    ori t0, t0, V | R | X | A | D
    sd t0, 0(t1)
    li t2, 0
    sfence.vma s0, t2
    jalr s0
    ld s2, 8(s0)
    hex s1
    hex s2
    say "\n"
    back_to_m

    say "code written through another mapping\n"
    leaf V | R | X | A | D
    drop_to 1
    jalr s0
    hex s1
    la t0, page
    li t1, 0x77700493 /* li s1, 0x777 */
    sw t1, 0(t0)
    fence.i
    jalr s0
    hex s1
    say "\n"
    back_to_m

    say "bare again\n"
    csrw satp, zero
    li t0, 15 << 60
    csrw satp, t0
    show satp
    drop_to 1
    ld s1, 0(s0)
    la s2, value
    ld s1, 0(s2)
    hex s1
    say "\n"
    back_to_m
    finish

.data
.balign 8
value: .dword 0x5555666677778888
.balign 4096
page:
    li s1, 0x111
    ret
    .dword 0xaaaaaaaa00000001
    .zero 4080
.balign 4096
page2:
    li s1, 0x222
    ret
    .dword 0xbbbbbbbb00000002
    .zero 4080
.balign 4096
tables: .if LEVELS > 3
    .zero 4096 * (LEVELS - 3)
    .endif
level2: .zero 4096
level1: .zero 4096
level0:
leaf_entry: .zero 4096
