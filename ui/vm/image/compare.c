/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image compare` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ui/vm/image/image.h"

/* Exit statuses of `qemu-img compare`. */
enum { SAME = 0, DIFFERENT = 1, FAILED = 2 };

enum { CHUNK = 2 << 20 };

typedef struct Compare {
    char *format, *second_format;
    gboolean strict, progress, quiet, no_lock;
} Compare;

typedef struct Pair {
    Block *block[2];
    uint8_t *data[2];
    uint64_t common, all; /* bytes that both have, that one has */
    bool strict;
    uint64_t where;        /* of the difference */
    bool of_allocation;    /* that is what differs */
} Pair;

static int read_at(Block *b, uint64_t offset, void *data, size_t n)
{
    struct iovec iov = { data, n };

    return block_read(b, offset, &iov, 1);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* One stretch that is alike in each of the two; *n is its length. */
static int compare_stretch(Pair *p, uint64_t at, uint64_t most, uint64_t *n)
{
    BlockExtent e[2];
    int r = block_status(p->block[0], at, MIN(most, CHUNK), &e[0]);

    r = r < 0 ? r : block_status(p->block[1], at, e[0].length, &e[1]);
    if (r < 0) {
        return r;
    }
    *n = e[1].length;
    if (p->strict && e[0].allocated != e[1].allocated) {
        p->where = at;
        p->of_allocation = true;
        return DIFFERENT;
    }
    if (e[0].zero && e[1].zero) {
        return SAME;
    }
    for (int i = 0; i < 2 && r == 0; i++) {
        r = read_at(p->block[i], at, p->data[i], *n);
    }
    if (r == 0 && memcmp(p->data[0], p->data[1], *n) != 0) {
        p->where = at + first_difference(p->data[0], p->data[1], *n);
        return DIFFERENT;
    }
    return r;
}

/* What only the longer one has must be zeros. */
static int compare_rest(Pair *p, uint64_t at, uint64_t *n)
{
    Block *longer = block_size(p->block[0]) > p->common ? p->block[0] : p->block[1];
    BlockExtent e;
    int r = block_status(longer, at, MIN(p->all - at, CHUNK), &e);

    if (r < 0) {
        return r;
    }
    *n = e.length;
    if (e.zero) {
        return SAME;
    }
    memset(p->data[1], 0, *n);
    r = read_at(longer, at, p->data[0], *n);
    if (r == 0 && memcmp(p->data[0], p->data[1], *n) != 0) {
        p->where = at + first_difference(p->data[0], p->data[1], *n);
        return DIFFERENT;
    }
    return r;
}

static int compare_all(Pair *p, ImageProgress *progress)
{
    int r = SAME;

    for (uint64_t at = 0, n = 0; r == SAME && at < p->all; at += n) {
        r = at < p->common ? compare_stretch(p, at, p->common - at, &n) : compare_rest(p, at, &n);
        image_progress(progress, at, p->all);
    }
    return r;
}

static int compare(const Compare *o, Pair *p)
{
    uint64_t a = block_size(p->block[0]), b = block_size(p->block[1]);
    ImageProgress progress;
    int r;

    p->common = MIN(a, b);
    p->all = MAX(a, b);
    p->strict = o->strict;
    if (a != b && !o->quiet) {
        puts(o->strict ? "Strict mode: Image size mismatch!" : "Warning: Image size mismatch!");
    }
    if (a != b && o->strict) {
        return DIFFERENT;
    }
    image_progress_begin(&progress, o->progress, o->quiet);
    r = compare_all(p, &progress);
    image_progress_end(&progress);
    if (!o->quiet && r == SAME) {
        puts("Images are identical.");
    } else if (!o->quiet && r == DIFFERENT && p->of_allocation) {
        printf("Strict mode: Offset %" PRIu64 " allocation mismatch!\n", p->where);
    } else if (!o->quiet && r == DIFFERENT) {
        printf("Content mismatch at offset %" PRIu64 "!\n", p->where);
    }
    return r;
}

static int compare_files(const Compare *o, char **paths)
{
    const char *formats[2] = { o->format, o->second_format };
    GError *error = NULL;
    Pair p = { 0 };
    int r = 0, closed;

    for (int i = 0; i < 2; i++) {
        ImageOpen how = { .format = formats[i], .no_lock = o->no_lock, .backing = true };

        p.block[i] = image_open(paths[i], &how, &error);
        if (!p.block[i]) {
            closed = block_close(p.block[0]);
            return image_failed("compare", error, FAILED);
        }
        p.data[i] = g_malloc(CHUNK);
    }
    r = compare(o, &p);
    for (int i = 0; i < 2; i++) {
        g_free(p.data[i]);
        closed = block_close(p.block[i]);
        r = closed < 0 ? closed : r;
    }
    return r < 0 ? image_failed_errno("compare", paths[0], r, FAILED) : r;
}

int action_compare(int argc, char **argv)
{
    Compare o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "of the first (guessed)", "FORMAT" },
        { "second-format", 'F', 0, G_OPTION_ARG_STRING, &o.second_format,
          "of the second (guessed)", "FORMAT" },
        { "strict", 's', 0, G_OPTION_ARG_NONE, &o.strict,
          "sizes and what is allocated must be the same, too", NULL },
        { "progress", 'p', 0, G_OPTION_ARG_NONE, &o.progress, "show it, terminal or not", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock, "even while others write them",
          NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    return image_options(&argc, &argv, entries, 2, 2, &status) ? compare_files(&o, argv + 1)
                                                               : status;
}
