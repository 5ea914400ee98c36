/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --profile. */
#include "translator/profile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SHOWN_UNITS = 30,    /* in the table */
    SHOWN_LISTINGS = 8,  /* with their code */
    SHOWN_FUNCTIONS = 20,
    NAME_SIZE = 256,
    GUEST_WIDTH = 34,
    IR_WIDTH = 46,
};

/* A row of the tables: a unit, or what is left of those whose code is gone. */
typedef struct Row {
    uint64_t pc;
    uint64_t samples;
    const TrUnit *unit;          /* NULL: gone */
    const ProfileSample *sample; /* of the unit: the first, in the order of host pcs */
    bool region;
    char name[NAME_SIZE];
} Row;

typedef struct Report {
    int fd;
    Row *row;
    size_t n;
    uint64_t total; /* samples */
} Report;

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* ---- Adding up ---- */

static int by_pc(const void *a, const void *b)
{
    const ProfileSample *x = a, *y = b;

    return x->pc < y->pc ? -1 : x->pc > y->pc;
}

static int by_samples(const void *a, const void *b)
{
    const Row *x = a, *y = b;

    return x->samples != y->samples ? (x->samples < y->samples ? 1 : -1)
                                    : (x->pc < y->pc ? -1 : x->pc > y->pc);
}

static Row *add_row(Report *r, uint64_t pc, bool region)
{
    Row *row = &r->row[r->n++];
    TrUnit what = { .pc = pc, .region = region };

    *row = (Row){ .pc = pc, .region = region };
    dump_unit_name(&what, row->name, sizeof(row->name));
    return row;
}

/* Samples lie in the order of their pcs, so those of a unit are neighbours. */
static void add_samples(Report *r, size_t n)
{
    const TrUnit *last = NULL;

    qsort(profile.sample, n, sizeof(profile.sample[0]), by_pc);
    for (size_t i = 0; i < n; i++) {
        const ProfileSample *s = &profile.sample[i];
        const TrUnit *unit = cache_find_host((const void *)(uintptr_t)s->pc);

        profile.place[s->place]++;
        if (unit && unit != last) {
            Row *row = add_row(r, unit->pc, unit->region);

            row->unit = unit;
            row->sample = s;
            last = unit;
        }
        if (unit) {
            r->row[r->n - 1].samples++;
        }
    }
}

static bool collect(Report *r)
{
    size_t n = atomic_load(&profile.n);

    n = n < PROFILE_SAMPLES ? n : PROFILE_SAMPLES;
    r->row = calloc(n + profile.n_gone + 1, sizeof(*r->row));
    if (!r->row) {
        return false;
    }
    add_samples(r, n);
    for (size_t i = 0; i < profile.n_gone; i++) {
        const ProfileGone *g = &profile.gone[i];

        add_row(r, g->pc, g->region)->samples = g->samples;
    }
    for (unsigned p = 0; p < PROFILE_PLACE_COUNT; p++) {
        r->total += profile.place[p];
    }
    qsort(r->row, r->n, sizeof(*r->row), by_samples);
    return true;
}

/* ---- Tables ---- */

static void print_places(const Report *r)
{
    static const char *const text[] = {
#define P(name, what) what,
        PROFILE_PLACES(P)
#undef P
    };
    struct timespec t = { 0, 0 };

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    dprintf(r->fd, "Profile of process %d: %" PRIu64 " samples in %.2f s of processor time\n\n",
            getpid(), r->total, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
    for (unsigned p = 0; p < PROFILE_PLACE_COUNT; p++) {
        dprintf(r->fd, "  %5.1f %%  %s\n", percent(profile.place[p], r->total), text[p]);
    }
}

static uint64_t exits_taken(const TrUnit *unit)
{
    uint64_t sum = 0;

    for (unsigned i = 0; unit && unit->profile && i < unit->profile->n_exits; i++) {
        sum += unit->profile->exits[i].count;
    }
    return sum;
}

static void print_units(const Report *r)
{
    dprintf(r->fd, "\nHottest units (a unit is named by its first instruction)\n\n"
                   "   time   samples  guest insns  host bytes    exits taken  unit\n");
    for (size_t i = 0; i < r->n && i < SHOWN_UNITS; i++) {
        const Row *row = &r->row[i];

        if (row->unit) {
            dprintf(r->fd, "%5.1f %% %9" PRIu64 " %12u %11u %14" PRIu64 "  %s\n",
                    percent(row->samples, r->total), row->samples, row->unit->n_insns,
                    row->unit->code.size, exits_taken(row->unit), row->name);
        } else {
            dprintf(r->fd, "%5.1f %% %9" PRIu64 "    (code gone: the code cache was emptied)  %s\n",
                    percent(row->samples, r->total), row->samples, row->name);
        }
    }
}

/* Cuts "+0x10 [jit]" off. */
static size_t function_length(const Row *row)
{
    return strcspn(row->name, "+ ");
}

static int by_function(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    size_t n = function_length(x), m = function_length(y);
    int order = strncmp(x->name, y->name, n < m ? n : m);

    return order ? order : n < m ? -1 : n > m;
}

static void print_functions(const Report *r)
{
    Row *sum = calloc(r->n + 1, sizeof(*sum));
    size_t n = 0;

    if (!sum) {
        return;
    }
    memcpy(sum, r->row, r->n * sizeof(*sum));
    qsort(sum, r->n, sizeof(*sum), by_function);
    for (size_t i = 0; i < r->n; i++) {
        if (n && by_function(&sum[n - 1], &sum[i]) == 0) {
            sum[n - 1].samples += sum[i].samples;
        } else {
            sum[n++] = sum[i];
        }
    }
    qsort(sum, n, sizeof(*sum), by_samples);
    dprintf(r->fd, "\nHottest functions (code of a region that lies in another function counts here)\n\n");
    for (size_t i = 0; i < n && i < SHOWN_FUNCTIONS; i++) {
        dprintf(r->fd, "%5.1f %%  %.*s\n", percent(sum[i].samples, r->total),
                (int)function_length(&sum[i]), sum[i].name);
    }
    free(sum);
}

/* ---- Exits ---- */

/* Length 0: it is not there any more. */
static FeShape shape_at(uint64_t pc, char *text, size_t size)
{
    uint8_t bytes[16];
    bool writable;
    size_t n = tr.config.fetch(tr.config.opaque, pc, bytes, tr.frontend->max_insn, &writable);

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
    FeShape shape = shape_at(e->pc, text, sizeof(text));
    const TrUnit *to = e->target ? cache_find(e->target, unit->mode) : NULL;

    if (to) {
        dump_unit_name(to, name, sizeof(name));
    } else if (e->target) {
        dump_symbol(e->target, name, sizeof(name));
    }
    dprintf(r->fd, "  %14" PRIu64 "  %5.1f %%  %-14s %#" PRIx64 "  %s%s%s\n", e->count,
            percent(e->count, all), why_left(e, &shape, unit->region), e->pc, text,
            name[0] ? "  -> " : "", name);
}

/* The most frequent first; changes their order. */
static void print_exits(const Report *r, const TrUnit *unit)
{
    ProfileUnit *p = unit->profile;
    uint64_t all = exits_taken(unit);

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

static void find_starts(Listing *l)
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
        dprintf(l->r->fd, "%5.1f ", percent(h->samples, l->r->total));
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

/* The rows of one guest instruction: IR lines [from, to) and the host code of them. */
static void print_group(const Listing *l, unsigned from, unsigned to)
{
    const ProfileLine *line = l->p->lines;
    char text[128] = "", guest[160] = "";
    unsigned ir = from;
    size_t n_printed = 0;

    if (!line[from].text) {
        shape_at(line[from].pc, text, sizeof(text));
        snprintf(guest, sizeof(guest), "%#" PRIx64 "  %s", line[from].pc, text);
    }
    for (unsigned i = from; i < to; i++) {
        if (line[i].host == BE_NOWHERE) {
            continue;
        }
        for (size_t k = host_at(l, line[i].host);
             k < l->n_host && l->host[k].offset < end_of_line(l, i); k++) {
            while (ir < i && !line[ir].text) {
                ir++;
            }
            print_row(l, n_printed++ ? "" : guest, ir <= i && line[ir].text ? line[ir].text : "",
                      &l->host[k]);
            ir += ir <= i;
        }
    }
    for (; ir < to; ir++) {
        if (line[ir].text) {
            print_row(l, n_printed++ ? "" : guest, line[ir].text, NULL);
        }
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

static void print_listing(const Report *r, const Row *row)
{
    Listing l = { .r = r, .row = row, .p = row->unit->profile };

    dprintf(r->fd, "\n==== %s at %#" PRIx64 ": %.1f %% of the time, %u guest instructions, %u bytes\n",
            row->name, row->pc, percent(row->samples, r->total), row->unit->n_insns,
            row->unit->code.size);
    print_exits(r, row->unit);
    l.starts = calloc(l.p->n_lines + 1, sizeof(l.starts[0]));
    if (l.starts && tr.backend->disassemble &&
        tr.backend->disassemble(&row->unit->code, add_host, &l)) {
        find_starts(&l);
        add_samples_to_host(&l);
        print_code(&l);
    }
    free(l.host);
    free(l.starts);
}

/* ---- */

static void print_traps(const Report *r)
{
    dprintf(r->fd, "\nLeft translated code for the run loop\n\n");
    for (unsigned t = 0; t < IR_TRAP_COUNT; t++) {
        uint64_t n = atomic_load(&profile.trap[t]);

        if (n) {
            dprintf(r->fd, "%12" PRIu64 "  %s\n", n, ir_trap_name((IrTrap)t));
        }
    }
}

static int open_report(void)
{
    const char *path = tr.config.profile;
    int fd = path[0] ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

    return fd >= 0 ? fd : log_fd();
}

void tr_profile_print(void)
{
    Report r = { 0 };

    if (!profile.on) {
        return;
    }
    pthread_mutex_lock(&tr.lock);
    profile.on = false; /* later samples are nobody's */
    r.fd = open_report();
    if (collect(&r)) {
        print_places(&r);
        print_traps(&r);
        print_functions(&r);
        print_units(&r);
        for (size_t i = 0, shown = 0; i < r.n && shown < SHOWN_LISTINGS; i++) {
            if (r.row[i].unit && r.row[i].unit->profile) {
                print_listing(&r, &r.row[i]);
                shown++;
            }
        }
    }
    free(r.row);
    if (r.fd != log_fd()) {
        close(r.fd);
    }
    pthread_mutex_unlock(&tr.lock);
}
