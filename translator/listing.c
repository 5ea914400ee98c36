/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --profile for one unit: why it was left, and its code side by side. */
#include "translator/report.h"
#include "translator/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GUEST_WIDTH = 34,
    IR_WIDTH = 46,
};

/* ---- Exits ---- */

/* Length 0: it is not there any more. */
static FeShape shape_at(const TrUnit *unit, uint64_t pc, char *text, size_t size)
{
    uint8_t bytes[16];
    size_t n = source_bytes(unit, pc, bytes, tr.frontend->max_insn);

    text[0] = '\0';
    if (!n || !tr.frontend->disassemble(pc, bytes, n, text, size)) {
        return (FeShape){ .length = 0 };
    }
    return tr.frontend->shape(pc, bytes, n);
}

static const char *why_left(const ProfileExit *e, const FeShape *shape, bool region)
{
    if (e->op == IR_OP_exit_trap) {
        return ir_trap_name((IrTrap)e->flags);
    }
    if (e->flags & IR_EXIT_RET) {
        return "return";
    }
    if (e->op == IR_OP_exit_ind) {
        return e->flags & IR_EXIT_CALL ? "computed call" : "computed jump";
    }
    if (e->flags & IR_EXIT_CALL) {
        return "call";
    }
    if (shape->kind == FE_BRANCH) {
        return region ? "cold branch" : "branch";
    }
    return shape->kind == FE_JUMP ? "jump" : "end of unit";
}

static int by_count(const void *a, const void *b)
{
    const ProfileExit *x = a, *y = b;

    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

static void print_exit(const Report *r, const ProfileExit *e, const TrUnit *unit, uint64_t all)
{
    char text[128], name[NAME_SIZE] = "";
    FeShape shape = shape_at(unit, e->pc, text, sizeof(text));
    const TrUnit *to = e->target ? cache_find(e->target, unit->mode, unit->page) : NULL;

    if (to) {
        dump_unit_name(to, name, sizeof(name));
    } else if (e->target) {
        dump_symbol(e->target, name, sizeof(name));
    }
    dprintf(r->fd, "  %14" PRIu64 "  %5.1f %%  %-14s %#" PRIx64 "  %s%s%s\n", e->count,
            report_percent(e->count, all), why_left(e, &shape, unit->region), e->pc, text,
            name[0] ? "  -> " : "", name);
}

/* The most frequent first; changes their order. */
static void print_exits(const Report *r, const TrUnit *unit)
{
    ProfileUnit *p = unit->profile;
    uint64_t all = report_exits(unit);

    qsort(p->exits, p->n_exits, sizeof(p->exits[0]), by_count);
    dprintf(r->fd, "\n  why it was left:\n");
    for (unsigned i = 0; i < p->n_exits && p->exits[i].count; i++) {
        print_exit(r, &p->exits[i], unit, all);
    }
    if (!all) {
        dprintf(r->fd, "               0  through an exit\n");
    }
}

/* ---- Listings ---- */

/* Host instructions in the order of their addresses. */
typedef struct HostLine {
    uint32_t offset, size;
    uint64_t samples;
    char text[80];
} HostLine;

typedef struct Listing {
    const Report *r;
    const Row *row;
    const ProfileUnit *p;
    HostLine *host;
    size_t n_host, cap_host;
    uint32_t *starts; /* offsets at which code of some IR insn starts, sorted */
    size_t n_starts;
} Listing;

static void add_host(void *opaque, uint32_t offset, unsigned size, const char *text)
{
    Listing *l = opaque;
    HostLine *h;

    if (l->n_host == l->cap_host) {
        HostLine *more = realloc(l->host, (l->cap_host + 256) * sizeof(*more));

        if (!more) {
            return;
        }
        l->host = more;
        l->cap_host += 256;
    }
    h = &l->host[l->n_host++];
    *h = (HostLine){ .offset = offset, .size = size };
    snprintf(h->text, sizeof(h->text), "%s", text);
}

static void add_samples_to_host(Listing *l)
{
    uint64_t entry = (uint64_t)(uintptr_t)l->row->unit->code.entry;
    size_t at = 0;

    for (uint64_t i = 0; i < l->row->samples; i++) {
        uint64_t offset = l->row->sample[i].pc - entry;

        while (at + 1 < l->n_host && l->host[at + 1].offset <= offset) {
            at++;
        }
        if (at < l->n_host) {
            l->host[at].samples++;
        }
    }
}

static int by_offset(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void find_code(Listing *l)
{
    for (unsigned i = 0; i < l->p->n_lines; i++) {
        if (l->p->lines[i].host != BE_NOWHERE) {
            l->starts[l->n_starts++] = l->p->lines[i].host;
        }
    }
    l->starts[l->n_starts++] = l->p->cold;
    qsort(l->starts, l->n_starts, sizeof(l->starts[0]), by_offset);
}

/* Where the code that starts at `offset` ends: at the next start behind it. */
static uint32_t end_of(const Listing *l, uint32_t offset)
{
    for (size_t i = 0; i < l->n_starts; i++) {
        if (l->starts[i] > offset) {
            return l->starts[i];
        }
    }
    return l->p->cold;
}

static size_t host_at(const Listing *l, uint32_t offset)
{
    size_t i = 0;

    while (i < l->n_host && l->host[i].offset < offset) {
        i++;
    }
    return i;
}

static void print_row(const Listing *l, const char *guest, const char *ir, const HostLine *h)
{
    if (h && h->samples) {
        dprintf(l->r->fd, "%5.1f ", report_percent(h->samples, l->r->total));
    } else {
        dprintf(l->r->fd, "      ");
    }
    dprintf(l->r->fd, "%-*.*s | %-*s | %s\n", GUEST_WIDTH, GUEST_WIDTH, guest, IR_WIDTH, ir,
            h ? h->text : "");
}

/* Where the code of line `i` ends: where that of the next one of its block begins. */
static uint32_t end_of_line(const Listing *l, unsigned i)
{
    const ProfileLine *line = l->p->lines;

    for (unsigned k = i + 1; k < l->p->n_lines && line[k].block == line[i].block; k++) {
        if (line[k].host != BE_NOWHERE) {
            return line[k].host;
        }
    }
    return end_of(l, line[i].host);
}

/* Rows of one group: their guest column. */
typedef struct Guest {
    const TrUnit *unit;
    uint64_t pc, end; /* instructions left */
    char text[160];
} Guest;

/* The next instruction's text, or "". */
static const char *next_guest(Guest *g)
{
    char text[128];
    FeShape shape;

    g->text[0] = '\0';
    if (g->pc < g->end) {
        shape = shape_at(g->unit, g->pc, text, sizeof(text));
        snprintf(g->text, sizeof(g->text), "%#" PRIx64 "  %s", g->pc, text);
        g->pc = shape.length ? g->pc + shape.length : g->end;
    }
    return g->text;
}

/* The rows of one guest instruction, or several that were taken as one: IR lines [from, to) and the
 * host code of them. */
static void print_group(const Listing *l, unsigned from, unsigned to)
{
    const ProfileLine *line = l->p->lines;
    Guest guest = { l->row->unit, line[from].pc, line[from].pc + line[from].size, "" };
    unsigned ir = from;

    for (unsigned i = from; i < to; i++) {
        if (line[i].host == BE_NOWHERE) {
            continue;
        }
        for (size_t k = host_at(l, line[i].host);
             k < l->n_host && l->host[k].offset < end_of_line(l, i); k++) {
            while (ir < i && !line[ir].text) {
                ir++;
            }
            print_row(l, next_guest(&guest), ir <= i && line[ir].text ? line[ir].text : "",
                      &l->host[k]);
            ir += ir <= i;
        }
    }
    for (; ir < to; ir++) {
        if (line[ir].text) {
            print_row(l, next_guest(&guest), line[ir].text, NULL);
        }
    }
    while (guest.pc < guest.end) {
        print_row(l, next_guest(&guest), "", NULL);
    }
}

static void print_code(const Listing *l)
{
    const ProfileLine *line = l->p->lines;
    unsigned from = 0;

    dprintf(l->r->fd, "\n time %-*s | %-*s | host (%s)\n", GUEST_WIDTH, "guest", IR_WIDTH,
            "IR after the passes", tr.backend->name);
    for (unsigned to = 1; to <= l->p->n_lines; to++) {
        if (to < l->p->n_lines && line[to].text && line[to].block == line[from].block) {
            continue;
        }
        if (from == 0 || line[from].block != line[from - 1].block) {
            const IrBlock *b = &l->p->blocks[line[from].block];

            dprintf(l->r->fd, "      block %u%s\n", line[from].block,
                    b->depth > 1   ? ", inner loop"
                    : b->depth > 0 ? ", loop"
                                   : "");
        }
        print_group(l, from, to);
        from = to;
    }
    dprintf(l->r->fd, "      %s\n", "rarely taken paths");
    for (size_t k = host_at(l, l->p->cold); k < l->n_host; k++) {
        if (l->host[k].samples) {
            print_row(l, "", "", &l->host[k]);
        }
    }
}

void report_listing(const Report *r, const Row *row)
{
    Listing l = { .r = r, .row = row, .p = row->unit->profile };

    dprintf(r->fd, "\n==== %s at %#" PRIx64 ": %.1f %% of the time, %u guest instructions, %u bytes\n",
            row->name, row->pc, report_percent(row->samples, r->total), row->unit->n_insns,
            row->unit->code.size);
    print_exits(r, row->unit);
    l.starts = calloc(l.p->n_lines + 1, sizeof(l.starts[0]));
    if (l.starts && tr.backend->disassemble &&
        tr.backend->disassemble(&row->unit->code, add_host, &l)) {
        find_code(&l);
        add_samples_to_host(&l);
        print_code(&l);
    }
    free(l.host);
    free(l.starts);
}
