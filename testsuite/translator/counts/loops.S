# SPDX-License-Identifier: Apache-2.0
# Small guest loops whose host instructions counts_test counts; encode.py assembles them.
#
# LOOP name begins a loop at its first instruction; END ends it.  At the start a2 is the number of
# iterations (it must end the loop), a0, a1 and a3 point at memory of 64 KiB each, a4 to a7 and the
# other integer registers are small numbers, all floats are 1.5.
        .macro LOOP name
        .section .text.\name, "ax"
0:
        .endm
        .macro END
        ecall
        .endm
        .macro NEXT
        addi    a2, a2, -1
        bnez    a2, 0b
        .endm

LOOP memcpy_byte
        lbu     a5, 0(a0)
        addi    a0, a0, 1
        addi    a1, a1, 1
        sb      a5, -1(a1)
        NEXT
END
LOOP memcpy_word
        ld      a5, 0(a0)
        sd      a5, 0(a1)
        addi    a0, a0, 8
        addi    a1, a1, 8
        NEXT
END
LOOP memcpy_unrolled
        ld      a4, 0(a0)
        ld      a5, 8(a0)
        ld      a6, 16(a0)
        ld      a7, 24(a0)
        sd      a4, 0(a1)
        sd      a5, 8(a1)
        sd      a6, 16(a1)
        sd      a7, 24(a1)
        addi    a0, a0, 32
        addi    a1, a1, 32
        NEXT
END
LOOP memset_byte
        sb      a4, 0(a0)
        addi    a0, a0, 1
        NEXT
END
LOOP strlen
        lbu     a5, 0(a0)
        addi    a0, a0, 1
        addi    a2, a2, -1
        beqz    a2, 1f
        beqz    a5, 0b
1:
END
LOOP strcmp
        lbu     a4, 0(a0)
        lbu     a5, 0(a1)
        addi    a0, a0, 1
        addi    a1, a1, 1
        bne     a4, a5, 1f
        NEXT
1:
END
LOOP sum_words
        lw      a5, 0(a0)
        addi    a0, a0, 4
        addw    a4, a4, a5
        NEXT
END
LOOP sum_indexed
        slli    a5, a2, 3
        add     a5, a5, a0
        ld      a5, 0(a5)
        add     a4, a4, a5
        NEXT
END
LOOP sum_indexed_w
        sext.w  a5, a2
        slli    a5, a5, 2
        add     a5, a5, a0
        lw      a5, 0(a5)
        addw    a4, a4, a5
        NEXT
END
LOOP crc32_bit
        andi    a5, a4, 1
        negw    a5, a5
        srliw   a4, a4, 1
        and     a5, a5, a6
        xor     a4, a4, a5
        NEXT
END
LOOP crc32_table
        lbu     a5, 0(a0)
        addi    a0, a0, 1
        xor     a5, a5, a4
        andi    a5, a5, 255
        slli    a5, a5, 2
        add     a5, a5, a3
        lw      a5, 0(a5)
        srliw   a4, a4, 8
        xor     a4, a4, a5
        NEXT
END
LOOP hash_fnv
        lbu     a5, 0(a0)
        addi    a0, a0, 1
        xor     a4, a4, a5
        mul     a4, a4, a6
        NEXT
END
LOOP hash_djb
        lbu     a5, 0(a0)
        addi    a0, a0, 1
        slliw   a6, a4, 5
        addw    a4, a4, a6
        addw    a4, a4, a5
        NEXT
END
LOOP xorshift
        slli    a5, a4, 13
        xor     a4, a4, a5
        srli    a5, a4, 7
        xor     a4, a4, a5
        slli    a5, a4, 17
        xor     a4, a4, a5
        NEXT
END
LOOP lcg
        mul     a4, a4, a5
        add     a4, a4, a6
        NEXT
END
LOOP sha256_sigma
        srliw   a5, a4, 7
        slliw   a6, a4, 25
        or      a5, a5, a6
        srliw   a6, a4, 18
        slliw   a7, a4, 14
        or      a6, a6, a7
        xor     a5, a5, a6
        srliw   a6, a4, 3
        xor     a5, a5, a6
        addw    a4, a4, a5
        NEXT
END
LOOP sha256_sigma_zbb
        roriw   a5, a4, 7
        roriw   a6, a4, 18
        xor     a5, a5, a6
        srliw   a6, a4, 3
        xor     a5, a5, a6
        addw    a4, a4, a5
        NEXT
END
LOOP sha256_choose
        and     a5, a4, a6
        not     t1, a4
        and     t1, t1, a7
        xor     a5, a5, t1
        addw    a4, a4, a5
        NEXT
END
LOOP chacha_quarter
        addw    a4, a4, a5
        xor     a7, a7, a4
        slliw   t1, a7, 16
        srliw   a7, a7, 16
        or      a7, a7, t1
        addw    a6, a6, a7
        xor     a5, a5, a6
        slliw   t1, a5, 12
        srliw   a5, a5, 20
        or      a5, a5, t1
        NEXT
END
LOOP fib
        add     a6, a4, a5
        mv      a4, a5
        mv      a5, a6
        NEXT
END
LOOP addw_chain
        addw    a4, a4, a5
        addiw   a4, a4, 3
        subw    a4, a4, a6
        slliw   a4, a4, 1
        addw    a4, a4, a7
        NEXT
END
LOOP zero_extend
        addw    a4, a4, a5
        slli    a6, a4, 32
        srli    a6, a6, 32
        add     a7, a7, a6
        NEXT
END
LOOP zero_extend_zba
        addw    a4, a4, a5
        zext.w  a6, a4
        add     a7, a7, a6
        NEXT
END
LOOP zext_half
        slli    a5, a4, 48
        srli    a5, a5, 48
        add     a6, a6, a5
        addi    a4, a4, 77
        NEXT
END
LOOP index_unsigned
        slli    a5, a2, 32
        srli    a5, a5, 30
        add     a5, a5, a0
        lw      a5, 0(a5)
        add     a4, a4, a5
        NEXT
END
LOOP index_sh3add
        sh3add  a5, a2, a0
        ld      a5, 0(a5)
        add     a4, a4, a5
        NEXT
END
LOOP popcount
        srliw   a5, a4, 1
        and     a5, a5, a6
        subw    a4, a4, a5
        srliw   a5, a4, 2
        and     a4, a4, a7
        and     a5, a5, a7
        addw    a4, a4, a5
        NEXT
END
LOOP popcount_zbb
        cpop    a5, a4
        add     a6, a6, a5
        addi    a4, a4, 1
        NEXT
END
LOOP clz_zbb
        clz     a5, a4
        add     a6, a6, a5
        addi    a4, a4, 1
        NEXT
END
LOOP clear_lowest_bit
        addi    a5, a4, -1
        and     a4, a4, a5
        addi    a4, a4, 31
        NEXT
END
LOOP max
        ld      a5, 0(a0)
        addi    a0, a0, 8
        ble     a5, a4, 1f
        mv      a4, a5
1:      NEXT
END
LOOP max_zbb
        ld      a5, 0(a0)
        addi    a0, a0, 8
        max     a4, a4, a5
        NEXT
END
LOOP count_if
        ld      a5, 0(a0)
        addi    a0, a0, 8
        slt     a5, a5, a4
        add     a6, a6, a5
        NEXT
END
LOOP seqz_chain
        xor     a5, a4, a2
        seqz    a5, a5
        add     a6, a6, a5
        snez    a7, a6
        add     a4, a4, a7
        NEXT
END
LOOP divide
        divu    a5, a4, a6
        remu    a7, a4, a6
        add     a4, a5, a7
        NEXT
END
LOOP divide_by_10
        mulhu   a5, a4, a6
        srli    a5, a5, 3
        slli    a7, a5, 2
        add     a7, a7, a5
        slli    a7, a7, 1
        sub     a4, a4, a7
        NEXT
END
LOOP mulh_pair
        mul     a5, a4, a6
        mulhu   a7, a4, a6
        add     a4, a5, a7
        NEXT
END
LOOP list_walk
        sd      a0, 0(a0)
        ld      a0, 0(a0)
        NEXT
END
LOOP bubble_compare
        ld      a4, 0(a0)
        ld      a5, 8(a0)
        bge     a5, a4, 1f
        sd      a5, 0(a0)
        sd      a4, 8(a0)
1:      addi    a0, a0, 8
        NEXT
END
LOOP binary_search
        srli    a5, a4, 1
        slli    a6, a5, 3
        add     a6, a6, a0
        ld      a6, 0(a6)
        bltu    a6, a7, 1f
        mv      a4, a5
1:      addi    a4, a4, 100
        NEXT
END
LOOP nested
        li      a5, 4
1:      add     a4, a4, a5
        addi    a5, a5, -1
        bnez    a5, 1b
        NEXT
END
LOOP stack_slots
        addi    sp, a3, 256
        sd      a4, 8(sp)
        sd      a5, 16(sp)
        ld      a6, 8(sp)
        ld      a7, 16(sp)
        add     a4, a6, a7
        NEXT
END
LOOP state_machine
        li      a6, 2
        beq     a4, a6, 1f
        li      a6, 1
        beq     a4, a6, 2f
        li      a4, 1
        j       3f
1:      li      a4, 0
        j       3f
2:      li      a4, 2
3:      NEXT
END
LOOP atomic_add
        amoadd.d zero, a4, (a0)
        NEXT
END
LOOP atomic_swap
        amoswap.w.aqrl a5, a4, (a0)
        add     a4, a4, a5
        NEXT
END
LOOP lr_sc
1:      lr.w.aq a5, (a0)
        addw    a5, a5, a4
        sc.w.rl a6, a5, (a0)
        bnez    a6, 1b
        NEXT
END
LOOP lr_sc_cas
1:      lr.w.aqrl a5, (a0)
        bne     a5, a3, 2f
        sc.w.rl a6, a4, (a0)
        bnez    a6, 1b
2:      NEXT
END
LOOP lr_sc_cas_byte
1:      lr.w.aqrl a5, (a0)
        and     a6, a5, a3
        bne     a6, a1, 2f
        and     a6, a5, a7
        or      a6, a6, a4
        sc.w.rl a6, a6, (a0)
        bnez    a6, 1b
2:      NEXT
END
LOOP lr_sc_swap_byte
1:      lr.w.aqrl a5, (a0)
        and     a6, a5, a3
        or      a6, a6, a4
        sc.w.rl a6, a6, (a0)
        bnez    a6, 1b
        NEXT
END
LOOP fence_rw
        sd      a4, 0(a0)
        fence   rw, rw
        ld      a5, 8(a0)
        NEXT
END
LOOP saxpy
        flw     fa4, 0(a0)
        flw     fa5, 0(a1)
        fmadd.s fa5, fa4, fa0, fa5
        fsw     fa5, 0(a1)
        addi    a0, a0, 4
        addi    a1, a1, 4
        NEXT
END
LOOP daxpy
        fld     fa4, 0(a0)
        fld     fa5, 0(a1)
        fmadd.d fa5, fa4, fa0, fa5
        fsd     fa5, 0(a1)
        addi    a0, a0, 8
        addi    a1, a1, 8
        NEXT
END
LOOP dot
        fld     fa4, 0(a0)
        fld     fa5, 0(a1)
        fmadd.d fa0, fa4, fa5, fa0
        addi    a0, a0, 8
        addi    a1, a1, 8
        NEXT
END
LOOP matmul_inner
        fld     fa4, 0(a0)
        fld     fa5, 0(a1)
        addi    a0, a0, 8
        add     a1, a1, a6
        fmul.d  fa5, fa4, fa5
        fadd.d  fa0, fa0, fa5
        NEXT
END
LOOP horner
        fmul.d  fa1, fa1, fa0
        fadd.d  fa1, fa1, fa2
        fmul.d  fa1, fa1, fa0
        fadd.d  fa1, fa1, fa3
        NEXT
END
LOOP mandelbrot
        fmul.d  fa2, fa0, fa0
        fmul.d  fa3, fa1, fa1
        fadd.d  fa4, fa2, fa3
        flt.d   a5, fa6, fa4
        bnez    a5, 1f
1:      fmul.d  fa1, fa0, fa1
        fsub.d  fa0, fa2, fa3
        fadd.d  fa1, fa1, fa1
        fadd.d  fa0, fa0, fa5
        fadd.d  fa1, fa1, fa7
        NEXT
END
LOOP float_compare
        fld     fa4, 0(a0)
        addi    a0, a0, 8
        flt.d   a5, fa4, fa0
        add     a4, a4, a5
        NEXT
END
LOOP fp_min
        fld     fa4, 0(a0)
        addi    a0, a0, 8
        fmin.d  fa0, fa0, fa4
        NEXT
END
LOOP fp_convert
        fcvt.d.w fa4, a2
        fadd.d  fa0, fa0, fa4
        fcvt.w.d a5, fa0, rtz
        add     a4, a4, a5
        NEXT
END
LOOP fp_abs_neg
        fld     fa4, 0(a0)
        fabs.d  fa4, fa4
        fneg.d  fa4, fa4
        fsd     fa4, 0(a0)
        NEXT
END
LOOP fp_divide_sqrt
        fdiv.d  fa1, fa0, fa2
        fsqrt.d fa1, fa1
        fadd.d  fa0, fa0, fa1
        NEXT
END
LOOP sum_from_0
        slli    a5, a4, 3
        add     a5, a5, a0
        ld      a5, 0(a5)
        add     a6, a6, a5
        addi    a4, a4, 1
        NEXT
END
LOOP sum_pointer
        ld      a5, 0(a0)
        add     a6, a6, a5
        addi    a0, a0, 8
        NEXT
END
LOOP sum_structs
        mul     a5, a4, a7
        add     a5, a5, a0
        ld      a5, 8(a5)
        add     a6, a6, a5
        addi    a4, a4, 1
        NEXT
END
LOOP scale_indexed
        slli    a5, a4, 2
        add     a6, a5, a0
        lw      a6, 0(a6)
        add     a5, a5, a1
        sw      a6, 0(a5)
        addi    a4, a4, 1
        NEXT
END
LOOP constant_address
        auipc   a5, 1
        ld      a6, 16(a5)
        add     a4, a4, a6
        auipc   a7, 1
        addi    a7, a7, 8
        sd      a4, 0(a7)
        NEXT
END
LOOP constant_wide
        lui     a5, 0x12345
        addiw   a5, a5, 0x678
        add     a4, a4, a5
        NEXT
END
LOOP load_operand
        ld      a5, 0(a0)
        xor     a4, a4, a5
        lw      a6, 8(a0)
        addw    a7, a7, a6
        NEXT
END
LOOP load_compare
        ld      a5, 0(a0)
        beq     a5, a4, 1f
        NEXT
1:
END
LOOP memory_add
        lw      a5, 0(a0)
        addiw   a5, a5, 1
        sw      a5, 0(a0)
        NEXT
END
LOOP sign_extend_byte
        slli    a5, a4, 56
        srai    a5, a5, 56
        add     a6, a6, a5
        addi    a4, a4, 3
        NEXT
END
LOOP sign_extend_word
        add     a4, a4, a5
        sext.w  a6, a4
        add     a7, a7, a6
        NEXT
END
LOOP shift_of_word
        slliw   a5, a4, 4
        sraiw   a6, a5, 2
        addw    a4, a6, a4
        NEXT
END
LOOP zba
        sh1add  a5, a4, a6
        sh2add  a5, a5, a7
        sh3add  a4, a5, a4
        NEXT
END
LOOP zba_unsigned
        add.uw  a5, a4, a6
        sh2add.uw a5, a5, a7
        slli.uw a5, a5, 3
        add     a4, a4, a5
        NEXT
END
LOOP fma_shapes
        fmadd.d fa0, fa1, fa2, fa0
        fmsub.d fa3, fa1, fa2, fa3
        fnmsub.d fa4, fa1, fa2, fa4
        fnmadd.d fa5, fa1, fa2, fa5
        NEXT
END
LOOP fma_single
        fnmsub.s fa4, fa1, fa2, fa4
        NEXT
END
LOOP rotate_64
        srli    a5, a4, 14
        slli    a6, a4, 50
        or      a5, a5, a6
        add     a4, a4, a5
        NEXT
END
LOOP rotate_by_register
        sllw    a5, a4, a6
        negw    a7, a6
        srlw    a7, a4, a7
        or      a4, a5, a7
        NEXT
END
LOOP load_big_endian
        lbu     a4, 0(a0)
        lbu     a5, 1(a0)
        lbu     a6, 2(a0)
        lbu     a7, 3(a0)
        slliw   a4, a4, 24
        slli    a5, a5, 16
        slli    a6, a6, 8
        or      a4, a4, a5
        or      a6, a6, a7
        or      a4, a4, a6
        sw      a4, 0(a1)
        NEXT
END
LOOP known_count
        li      a5, 3
2:      lw      a6, 0(a0)
        add     a4, a4, a6
        addi    a0, a0, 4
        addi    a5, a5, -1
        bnez    a5, 2b
        NEXT
END
LOOP invariant
        mul     a5, a6, a7
        add     a4, a4, a5
        NEXT
END
LOOP same_value
        slli    a5, a4, 3
        add     a5, a5, a0
        slli    a6, a4, 3
        add     a6, a6, a0
        ld      a7, 0(a5)
        sd      a7, 8(a6)
        NEXT
END
