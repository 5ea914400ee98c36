/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --profile. */
#include "translator/report.h"

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
};

double report_percent(uint64_t part, uint64_t whole)
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
        const TrUnit *unit = profile_unit(s);

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
        dprintf(r->fd, "  %5.1f %%  %s\n", report_percent(profile.place[p], r->total), text[p]);
    }
}

uint64_t report_exits(const TrUnit *unit)
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
                    report_percent(row->samples, r->total), row->samples, row->unit->n_insns,
                    row->unit->code.size, report_exits(row->unit), row->name);
        } else {
            dprintf(r->fd, "%5.1f %% %9" PRIu64 "    (code gone: the code cache was emptied)  %s\n",
                    report_percent(row->samples, r->total), row->samples, row->name);
        }
    }
}

/* ---- Functions ---- */

typedef struct Function {
    const char *name; /* NULL: not known */
    uint64_t samples;
} Function;

typedef struct Functions {
    Function *list;
    size_t n, cap;
} Functions;

static void add_function(Functions *all, uint64_t pc, uint64_t samples)
{
    uint64_t offset;
    const char *name =
        tr.config.symbol ? tr.config.symbol(tr.config.opaque, pc, &offset) : NULL;

    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 256;
        Function *more = realloc(all->list, cap * sizeof(*more));

        if (!more) {
            return;
        }
        all->list = more;
        all->cap = cap;
    }
    all->list[all->n++] = (Function){ name, samples };
}

/* Where code of a guest instruction starts. */
typedef struct Start {
    uint32_t host;
    uint64_t pc;
} Start;

static int by_host(const void *a, const void *b)
{
    const Start *x = a, *y = b;

    return x->host < y->host ? -1 : x->host > y->host;
}

/* Sorted; one more at the end that nothing comes after.  NULL when out of memory. */
static Start *find_starts(const ProfileUnit *p, size_t *n)
{
    Start *start = calloc(p->n_lines + 1, sizeof(*start));

    *n = 0;
    for (unsigned i = 0; start && i < p->n_lines; i++) {
        if (p->lines[i].host != BE_NOWHERE) {
            start[(*n)++] = (Start){ p->lines[i].host, p->lines[i].pc };
        }
    }
    if (start) {
        qsort(start, *n, sizeof(*start), by_host);
        start[*n].host = UINT32_MAX;
    }
    return start;
}

/* The samples of a unit by the guest instruction that they hit: it may be of another function. */
static void add_unit(Functions *all, const Row *row)
{
    uint64_t entry = (uint64_t)(uintptr_t)row->unit->code.entry, count = 0;
    size_t n, at = 0;
    Start *start = find_starts(row->unit->profile, &n);

    for (uint64_t i = 0; start && n && i < row->samples; i++) {
        uint64_t offset = row->sample[i].pc - entry;

        if (offset >= start[at + 1].host) {
            add_function(all, start[at].pc, count);
            count = 0;
        }
        while (offset >= start[at + 1].host) {
            at++;
        }
        count++;
    }
    if (count) {
        add_function(all, start[at].pc, count);
    }
    free(start);
}

static int by_name(const void *a, const void *b)
{
    const Function *x = a, *y = b;

    return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

static int by_share(const void *a, const void *b)
{
    const Function *x = a, *y = b;

    return x->samples < y->samples ? 1 : x->samples > y->samples ? -1 : by_name(a, b);
}

static void merge(Functions *all)
{
    size_t n = 0;

    qsort(all->list, all->n, sizeof(all->list[0]), by_name);
    for (size_t i = 0; i < all->n; i++) {
        if (n && by_name(&all->list[n - 1], &all->list[i]) == 0) {
            all->list[n - 1].samples += all->list[i].samples;
        } else {
            all->list[n++] = all->list[i];
        }
    }
    all->n = n;
    qsort(all->list, n, sizeof(all->list[0]), by_share);
}

static void print_functions(const Report *r)
{
    Functions all = { 0 };

    for (size_t i = 0; i < r->n; i++) {
        if (r->row[i].unit && r->row[i].unit->profile) {
            add_unit(&all, &r->row[i]);
        } else {
            add_function(&all, r->row[i].pc, r->row[i].samples);
        }
    }
    dprintf(r->fd, "\nHottest functions\n\n");
    if (all.n) {
        merge(&all);
    }
    for (size_t i = 0; i < all.n && i < SHOWN_FUNCTIONS && all.list[i].samples; i++) {
        dprintf(r->fd, "%5.1f %%  %s\n", report_percent(all.list[i].samples, r->total),
                all.list[i].name ? all.list[i].name : "(no symbol)");
    }
    free(all.list);
}

/* ---- All of it ---- */

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
                report_listing(&r, &r.row[i]);
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
