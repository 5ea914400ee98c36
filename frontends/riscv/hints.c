/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that a program may use to be faster and that change nothing: Zihintpause, Zawrs
 * (waiting may end at any time), Zicbop. */
#include "frontends/riscv/riscv.h"

#define HINT(name, Args)                                                                           \
    bool rv_##name(Rv *c, const Args *a)                                                           \
    {                                                                                              \
        (void)c, (void)a;                                                                          \
        return true;                                                                               \
    }

HINT(pause, RvPause)
HINT(wrs_nto, RvWrsNto)
HINT(wrs_sto, RvWrsSto)
HINT(prefetch_i, RvPrefetchI)
HINT(prefetch_r, RvPrefetchR)
HINT(prefetch_w, RvPrefetchW)
