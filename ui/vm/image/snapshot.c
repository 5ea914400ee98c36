/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image snapshot` */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "ui/vm/image/image.h"

typedef struct SnapshotOptions {
    char *apply, *create, *remove;
    gboolean list, quiet, no_lock;
} SnapshotOptions;

static int create(Block *b, const char *name)
{
    ImageSnapshot s = { .name = name };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    s.date_s = (uint64_t)now.tv_sec;
    s.date_ns = (uint32_t)now.tv_nsec;
    return image_snapshot_create(b, &s);
}

static int change(Block *b, const SnapshotOptions *o)
{
    return o->create  ? create(b, o->create)
           : o->apply ? image_snapshot_apply(b, o->apply)
                      : image_snapshot_delete(b, o->remove);
}

static const char *reason(int r)
{
    return r == -ENOENT   ? "there is no such snapshot"
           : r == -ERANGE ? "the image's refcounts are too narrow for that many snapshots"
                          : g_strerror(-r);
}

static int snapshot(const SnapshotOptions *o, const char *path)
{
    const char *name = o->create ? o->create : o->apply ? o->apply : o->remove;
    /* No other format has snapshots: this is no guess. */
    ImageOpen how = { .format = "qcow2", .writable = name != NULL, .no_lock = o->no_lock };
    GError *error = NULL;
    Block *b = image_open(path, &how, &error);
    int r = 0, closed;

    if (!b) {
        return image_failed("snapshot", error, 1);
    }
    if (name) {
        r = change(b, o);
    } else if (!o->quiet) {
        image_print_snapshots(b);
    }
    closed = block_close(b);
    r = r < 0 ? r : closed;
    if (r < 0) {
        fprintf(stderr, "ketch image snapshot: %s: '%s': %s\n", path, name ? name : "", reason(r));
    }
    return r < 0;
}

int action_snapshot(int argc, char **argv)
{
    SnapshotOptions o = { 0 };
    const GOptionEntry entries[] = {
        { "list", 'l', 0, G_OPTION_ARG_NONE, &o.list, "list them (what is done without options)",
          NULL },
        { "apply", 'a', 0, G_OPTION_ARG_STRING, &o.apply, "take the disk back to it",
          "NAME" },
        { "create", 'c', 0, G_OPTION_ARG_STRING, &o.create, "make one", "NAME" },
        { "delete", 'd', 0, G_OPTION_ARG_STRING, &o.remove, "delete it", "NAME" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock, "list even while others write it",
          NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!image_options(&argc, &argv, entries, 1, 1, &status)) {
        return status;
    }
    if (o.list + !!o.apply + !!o.create + !!o.remove > 1) {
        fputs("ketch image snapshot: one of -l, -a, -c and -d at a time\n", stderr);
        return 1;
    }
    return snapshot(&o, argv[1]);
}
