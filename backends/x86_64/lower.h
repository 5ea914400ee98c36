/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/lower.h - one function per shape of lowering, named by rules.def.
 *
 * Contract:   on entry nothing is locked and the insn's operands have locations; when it returns
 *             the result has one.  Uses come first, then x64_end_uses(), then the result's
 *             register, then code.
 */
#ifndef KETCH_BACKENDS_X86_64_LOWER_H
#define KETCH_BACKENDS_X86_64_LOWER_H

#include "backends/x86_64/gen.h"

enum { X64_DIV_SIGNED = 1, X64_DIV_REM = 2 };
enum { X64_COUNT_LEADING, X64_COUNT_TRAILING, X64_COUNT_ONES };
enum { X64_FSIGN_FLIP, X64_FSIGN_CLEAR };
enum { X64_MAX = 1, X64_NAN_WINS = 2 };
enum { X64_ROUND_DYN = 4, X64_ROUND_QUIET = 8 }; /* roundsd: by MXCSR; never inexact */

#define RULE(op, fn, arg) RULE_FN(fn);
#include "backends/x86_64/rules.def"

/* Calls the reference evaluator. */
RULE_FN(lower_eval);

/* roundsd's number for a rounding mode but RMM */
unsigned x64_round_imm(unsigned rm);

/* An f2f from or to F16 that the host can do, and its code */
bool x64_half_inline(const IrInsn *i);
void x64_convert_half(X64Gen *g, const IrInsn *i, IrRef ref);

/* Decrements the unit's counter. */
void x64_emit_counter(X64Gen *g);

/* Looks whether the pages of the unit are where they were. */
void x64_emit_guard(X64Gen *g);

/* Calls C function `fn` of the backend with the vcpu, an immediate and up to three operands (0:
 * none); the result, when `ref` is not 0, in its register. */
void x64_call_fn(X64Gen *g, unsigned fn, uint64_t imm, const IrRef arg[3], IrRef ref);

#endif
