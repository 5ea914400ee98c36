/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/dump.h - host code and register allocation as text.
 */
#ifndef KETCH_BACKENDS_X86_64_DUMP_H
#define KETCH_BACKENDS_X86_64_DUMP_H

#include "backends/backend.h"
#include "backends/x86_64/gen.h"

void x64_dump(const BeCode *code, int fd);
bool x64_disassemble(const BeCode *code, BeTextFn *fn, void *opaque);

/* To the log, category ra: a block begins; what is where after the op `ref`. */
void x64_dump_block(const X64Gen *g, IrBlockId block);
void x64_dump_alloc(const X64Gen *g, IrRef ref);

#endif
