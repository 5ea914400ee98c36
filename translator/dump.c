/* SPDX-License-Identifier: Apache-2.0 */
/* What -d shows of units. */
#include "translator/source.h"

#include <stdio.h>
#include <string.h>

enum { DUMP_INSNS = 16 }; /* most bytes of an instruction */

bool dump_wanted(LogCategory category, uint64_t pc)
{
    if (!log_enabled(category)) {
        return false;
    }
    for (unsigned i = 0; i < tr.config.n_dfilter; i++) {
        if (pc >= tr.config.dfilter[i].lo && pc <= tr.config.dfilter[i].hi) {
            return true;
        }
    }
    return tr.config.n_dfilter == 0;
}

const char *dump_symbol(uint64_t pc, char *text, size_t size)
{
    uint64_t offset = 0;
    const char *name = tr.config.symbol ? tr.config.symbol(tr.config.opaque, pc, &offset) : NULL;

    if (!name) {
        snprintf(text, size, "%#llx", (unsigned long long)pc);
    } else if (offset) {
        snprintf(text, size, "%#llx %s+%#llx", (unsigned long long)pc, name,
                 (unsigned long long)offset);
    } else {
        snprintf(text, size, "%#llx %s", (unsigned long long)pc, name);
    }
    return text;
}

const char *dump_unit_name(const TrUnit *unit, char *text, size_t size)
{
    const char *tier = unit->region ? "region" : "jit";
    uint64_t offset = 0;
    const char *name =
        tr.config.symbol ? tr.config.symbol(tr.config.opaque, unit->pc, &offset) : NULL;

    if (name) {
        snprintf(text, size, "%s+%#llx [%s]", name, (unsigned long long)offset, tier);
    } else {
        snprintf(text, size, "%#llx [%s]", (unsigned long long)unit->pc, tier);
    }
    return text;
}

/* Bytes as a number per instruction word, most significant first, as manuals print them. */
static void hex(const uint8_t *bytes, unsigned n, char *text)
{
    for (unsigned i = 0; i < n; i++) {
        sprintf(text + 2 * i, "%02x", bytes[n - 1 - i]);
    }
}

static unsigned dump_insn(LogCategory category, const TrUnit *unit, uint64_t pc)
{
    uint8_t bytes[DUMP_INSNS];
    char text[128] = "", code[2 * DUMP_INSNS + 1] = "";
    size_t n = source_bytes(unit, pc, bytes, tr.frontend->max_insn);
    unsigned length = n ? tr.frontend->disassemble(pc, bytes, n, text, sizeof(text)) : 0;

    if (length) {
        hex(bytes, length, code);
        log_line(category, "  %#12llx  %-8s  %s\n", (unsigned long long)pc, code, text);
    }
    return length;
}

void dump_code(LogCategory category, const TrUnit *unit)
{
    char name[256];

    log_line(category, "unit %s, %u insns\n", dump_symbol(unit->pc, name, sizeof(name)),
             unit->n_insns);
    for (unsigned i = 0; i < unit->n_spans; i++) {
        uint64_t pc = unit->spans[i].pc, end = pc + unit->spans[i].size;

        while (pc < end) {
            unsigned length = dump_insn(category, unit, pc);

            if (!length) {
                break;
            }
            pc += length;
        }
    }
}

void dump_guest(const TrUnit *unit)
{
    if (dump_wanted(LOG_in, unit->pc)) {
        dump_code(LOG_in, unit);
    }
}

/* The log's lines are bounded, an IR dump is not. */
static void write_text(LogCategory category, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        log_line(category, "%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void dump_ir(LogCategory category, const IrFunc *f)
{
    if (dump_wanted(category, f->pc)) {
        write_text(category, ir_print(f, f->arena));
    }
}

void dump_work(void *work)
{
    const DumpWork *w = work;

    log_mask |= UINT32_C(1) << LOG_in | UINT32_C(1) << LOG_opt;
    dump_code(LOG_in, w->unit);
    write_text(LOG_opt, ir_print(w->f, w->f->arena));
}

void dump_host(const TrUnit *unit)
{
    if (dump_wanted(LOG_out, unit->pc) && tr.backend->dump) {
        log_line(LOG_out, "host code of unit %#llx, %u bytes\n", (unsigned long long)unit->pc,
                 unit->code.size);
        tr.backend->dump(&unit->code, log_fd());
    }
}

void dump_enter(const TrVcpu *v)
{
    char text[4096];

    if (dump_wanted(LOG_exec, v->vcpu.pc)) {
        log_line(LOG_exec, "enter %s\n", dump_symbol(v->vcpu.pc, text, sizeof(text)));
    }
    if (dump_wanted(LOG_cpu, v->vcpu.pc)) {
        tr.frontend->dump(&v->vcpu, text, sizeof(text));
        log_line(LOG_cpu, "%s", text);
    }
}
