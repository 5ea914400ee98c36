/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/opt/opt.h"

#ifdef KETCH_DEBUG
bool ir_opt_verifies = true;
#else
bool ir_opt_verifies;
#endif

const IrPass ir_passes[IR_PASS_COUNT] = {
#define PASS(name, level, summary) { #name, level, summary, ir_opt_##name },
#include "ir/opt/passes.def"
};

static void verify(const IrFunc *f, const char *when)
{
    size_t mark = arena_mark(f->arena);
    const char *error;

    if (ir_opt_verifies) {
        CHECK(ir_verify(f, &error), "%s: %s\n%s", when, error, ir_print(f, f->arena));
        arena_reset(f->arena, mark);
    }
}

bool ir_opt_run(IrFunc *f, unsigned level, uint64_t most)
{
    uint64_t work = 0;

    verify(f, "as made");
    for (unsigned k = 0; k < IR_PASS_COUNT; k++) {
        if (ir_passes[k].level == level) {
            work += f->n_insns + f->n_blocks;
            if (work > most) {
                return false;
            }
            ir_passes[k].run(f);
            verify(f, ir_passes[k].name);
        }
    }
    return true;
}
