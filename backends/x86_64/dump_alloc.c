/* SPDX-License-Identifier: Apache-2.0 */
/* -d ra: after each op, which value each register holds and which slots are not stored yet. */
#include <stdarg.h>
#include <stdio.h>

#include "backends/x86_64/dump.h"
#include "backends/x86_64/gen.h"
#include "base/log.h"

static const char *const reg_names[X64_REGS] = {
    "rax",  "rcx",  "rdx",  "rbx",  "rsp",   "rbp",   "rsi",   "rdi",   "r8",    "r9",    "r10",
    "r11",  "r12",  "r13",  "r14",  "r15",   "xmm0",  "xmm1",  "xmm2",  "xmm3",  "xmm4",  "xmm5",
    "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
};

typedef struct Line {
    char text[2048];
    size_t n;
} Line;

/* Appends; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void put(Line *line, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line->text + line->n, sizeof(line->text) - line->n, fmt, ap);
    va_end(ap);
    line->n += n > 0 ? (size_t)n : 0;
    if (line->n >= sizeof(line->text)) {
        line->n = sizeof(line->text) - 1;
    }
}

void x64_dump_block(const X64Gen *g, IrBlockId block)
{
    log_line(LOG_ra, "registers of block %u, unit %#llx\n", block, (unsigned long long)g->f->pc);
}

void x64_dump_alloc(const X64Gen *g, IrRef ref)
{
    const IrInsn *i = ir_insn(g->f, ref);
    Line line = { .n = 0 };

    if (i->op == IR_OP_insn || i->op == IR_OP_const) {
        return; /* nothing moves */
    }
    put(&line, "  %04zx  %%%u %-9s", (size_t)(g->e.p - g->e.start), ref, ir_op_info[i->op].name);
    for (unsigned r = 0; r < X64_REGS; r++) {
        if (g->s.reg_val[r]) {
            put(&line, " %s=%%%u", reg_names[r], g->s.reg_val[r]);
        }
    }
    put(&line, " | not stored:");
    for (unsigned s = 0; s < g->f->guest->n_slots; s++) {
        if (g->s.slot_val[s] && g->s.slot_flag[s] & X64_DIRTY) {
            put(&line, " %s=%%%u", g->f->guest->slots[s].name, g->s.slot_val[s]);
        }
    }
    log_line(LOG_ra, "%s\n", line.text);
}
