/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that a program may use to be faster and that change nothing: Zihintpause, Zawrs
 * (waiting may end at any time), Zicbop.  A hart that waits for another one lets the other threads of
 * the host go first: there may be fewer processors than harts. */
#include "frontends/riscv/riscv.h"

#define HINT(name, Args)                                                                           \
    bool rv_##name(Rv *c, const Args *a)                                                           \
    {                                                                                              \
        (void)c, (void)a;                                                                          \
        return true;                                                                               \
    }

HINT(prefetch_i, RvPrefetchI)
HINT(prefetch_r, RvPrefetchR)
HINT(prefetch_w, RvPrefetchW)

bool rv_pause(Rv *c, const RvPause *a)
{
    (void)a;
    if (c->machine) {
        ir_call(c->b, RV_HELPER_pause, 0, 0, 0);
    }
    return true;
}

/* The reservation ends, as it may at any time: so what is between LR and here need not be alone. */
bool rv_wrs_nto(Rv *c, const RvWrsNto *a)
{
    (void)a;
    ir_set(c->b, RV_SLOT_resaddr, rv_imm(c, -1));
    return rv_pause(c, NULL);
}

bool rv_wrs_sto(Rv *c, const RvWrsSto *a)
{
    (void)a;
    return rv_wrs_nto(c, NULL);
}
