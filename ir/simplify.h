/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/simplify.h - local rewriting of pure ops: shared by the builder and the fold pass.
 *
 * Every rewrite replaces a value by one that is equal for all operands, never adds a value that
 * is not used at once, and makes the expression smaller in the order
 * (ops, width of operands, non-canonical operand order), so rewriting ends.
 */
#ifndef KETCH_IR_SIMPLIFY_H
#define KETCH_IR_SIMPLIFY_H

#include "ir/ir.h"

/*
 * `i` is pure and not in the function yet.  Returns a value of the function that equals it (new
 * ones are built where `b` stands), or 0; then *i may have become a cheaper op of the same value.
 */
IrRef ir_simplify(IrBuild *b, IrInsn *i);

/* Appends `i` where the builder stands, unless a simpler or an equal value will do. */
IrRef ir_emit(IrBuild *b, IrInsn i);

/* What an FP op may take in place of `ref`: the value behind an fcanon that it cannot see. */
IrRef ir_raw(const IrFunc *f, IrRef ref);

/* addr = x + constant: returns x and adds the constant to *disp, when it stays a 32-bit number. */
IrRef ir_fold_address(const IrFunc *f, IrRef addr, int64_t *disp);

/* Is the integer `ref` certainly the sign (zero) extension of its low `bits` bits? */
bool ir_is_sext(const IrFunc *f, IrRef ref, unsigned bits);
bool ir_is_zext(const IrFunc *f, IrRef ref, unsigned bits);

/* `imm` of the constant `value` of `type`. */
int64_t ir_const_imm(IrType type, uint64_t value);

#endif
