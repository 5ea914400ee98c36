/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/opt/opt.h - the optimisation passes.
 *
 * Every pass keeps what can be seen of a function from outside: at each op that may trap and at
 * each exit the guest state, memory, FP flags and rounding mode, and the order of accesses to
 * guest memory.  A verified function stays verified.
 *
 * A load may come to stand for several loads of the guest, no store between them, and is then at
 * the place of the first.  When a load of a function of level 2 faults, the guest must execute
 * the instructions from there one by one to see which of them faults.
 *
 * Level 1 is for units of one block and what the builder left there: linear in the number of insns,
 * a few nanoseconds each.  Level 2 is for regions.
 */
#ifndef KETCH_IR_OPT_OPT_H
#define KETCH_IR_OPT_OPT_H

#include "ir/ir.h"

typedef struct IrPass {
    const char *name;
    unsigned level;
    const char *summary;
    bool (*run)(IrFunc *f); /* true when it changed something */
} IrPass;

enum {
    IR_PASS_COUNT = 0
#define PASS(name, level, summary) +1
#include "ir/opt/passes.def"
};

extern const IrPass ir_passes[IR_PASS_COUNT];

/* ir_opt_run() verifies what it is given and what each pass makes of it.  Tests, --check and debug builds
 * set it. */
extern bool ir_opt_verifies;

/* Runs the passes of `level`.  The time that they take is counted in insns and blocks looked at, what
 * `f` has of them before each pass; when that comes to more than `most`, the rest is left out and
 * false is returned. */
bool ir_opt_run(IrFunc *f, unsigned level, uint64_t most);

/* One pass each; see passes.def. */
#define PASS(name, level, summary) bool ir_opt_##name(IrFunc *f);
#include "ir/opt/passes.def"

#endif
