/* SPDX-License-Identifier: Apache-2.0 */
/* ir/opt/loops.h - the natural loops of a function, inner ones before those around them. */
#ifndef KETCH_IR_OPT_LOOPS_H
#define KETCH_IR_OPT_LOOPS_H

#include "ir/cfg.h"

typedef struct IrLoop {
    IrBlockId header;
    uint32_t n_blocks;
    bool *has; /* by block */
} IrLoop;

typedef struct IrLoops {
    uint32_t n;
    IrLoop *loop;
} IrLoops;

IrLoops ir_loops(const IrFunc *f, const IrCfg *cfg);

#endif
