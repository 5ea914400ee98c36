/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/opt/opt.h"

const IrPass ir_passes[IR_PASS_COUNT] = {
#define PASS(name, level, summary) { #name, level, summary, ir_opt_##name },
#include "ir/opt/passes.def"
};

bool ir_opt_run(IrFunc *f, unsigned level, uint64_t most)
{
    uint64_t work = 0;

    for (unsigned k = 0; k < IR_PASS_COUNT; k++) {
        if (ir_passes[k].level == level) {
            work += f->n_insns + f->n_blocks;
            if (work > most) {
                return false;
            }
            ir_passes[k].run(f);
        }
    }
    return true;
}
