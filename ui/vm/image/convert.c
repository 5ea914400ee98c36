/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image convert` */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ui/vm/image/copy.h"

typedef struct Convert {
    char *format, *out_format, *options, *backing, *backing_format, *snapshot, *cache, *from_cache,
        *sparse;
    gboolean compress, progress, quiet, no_create, no_lock, unordered;
    int threads;
} Convert;

static bool set_error(GError **error, const char *text)
{
    g_set_error_literal(error, IMAGE_ERROR, 0, text);
    return false;
}

static Block *open_from(const Convert *o, const char *path, GError **error)
{
    ImageOpen how = { .format = o->format, .no_lock = o->no_lock, .backing = true,
                      .cache = o->from_cache };
    Block *b = image_open(path, &how, error);
    const char *name = o->snapshot;
    int r;

    if (!b || !name) {
        return b;
    }
    name = g_str_has_prefix(name, "snapshot.") && strchr(name, '=') ? strchr(name, '=') + 1 : name;
    r = image_snapshot_show(b, name);
    if (r < 0) {
        g_set_error(error, IMAGE_ERROR, 0, "%s: snapshot '%s': %s", path, name, g_strerror(-r));
        r = block_close(b);
        return NULL;
    }
    return b;
}

static bool make_target(const Convert *o, ImageCreate *c, GError **error)
{
    char *text = NULL;
    bool ok = image_create_options(o->options, c, &text, error);

    c->backing_path = o->backing ? o->backing : c->backing_path;
    c->backing_format = o->backing_format ? o->backing_format : c->backing_format;
    if (ok && c->backing_path && !c->backing_format) {
        ok = set_error(error, "the format of the backing file must be given (-F)");
    }
    ok = ok && image_create(c, error);
    g_free(text);
    return ok;
}

static Block *open_to(const Convert *o, const char *path, const char *format, GError **error)
{
    ImageOpen how = { .format = format, .writable = true, .backing = true,
                      .cache = o->cache ? o->cache : "unsafe" };

    return image_open(path, &how, error);
}

/* Whether what was just made reads as zeros without being written. */
static bool made_of_zeros(const Convert *o, Block *to, const char *path)
{
    return !o->no_create && !block_backing(to) && g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static bool plan(const Convert *o, Copy *copy, const char *path, GError **error)
{
    ImageQcow2Info q;
    BlockInfo info;

    copy->bytes = block_size(copy->from);
    copy->to_is_zero = made_of_zeros(o, copy->to, path);
    copy->only_top = block_backing(copy->to) && o->backing;
    copy->threads = o->threads > 0 ? (unsigned)o->threads : (unsigned)g_get_num_processors();
    copy->sparse = 4096;
    if (o->sparse && !image_size_parse(o->sparse, &copy->sparse)) {
        return set_error(error, "-S is a size");
    }
    if (block_size(copy->to) < copy->bytes) {
        return set_error(error, "the target is smaller than the source");
    }
    if (o->compress && (!image_qcow2_info(copy->to, &q) || block_info(copy->to, &info) < 0)) {
        return set_error(error, "-c: only qcow2 can have compressed clusters (-O qcow2)");
    }
    if (o->compress) {
        copy->compress = true;
        copy->cluster = info.cluster_size;
        copy->compression = q.compression;
    }
    return true;
}

static int convert(const Convert *o, const char *from, const char *to)
{
    const char *format = o->out_format ? o->out_format : "raw";
    ImageProgress progress;
    GError *error = NULL;
    Copy copy = { .progress = &progress };
    int r, closed;

    copy.from = open_from(o, from, &error);
    if (copy.from) {
        ImageCreate c = { .path = to, .format = format, .size = block_size(copy.from) };

        copy.to = o->no_create || make_target(o, &c, &error) ? open_to(o, to, format, &error)
                                                             : NULL;
    }
    if (!copy.to || !plan(o, &copy, to, &error)) {
        closed = block_close(copy.from);
        closed = block_close(copy.to);
        return image_failed("convert", error, 1);
    }
    image_progress_begin(&progress, o->progress, o->quiet);
    r = copy_run(&copy);
    image_progress_end(&progress);
    closed = block_close(copy.to);
    r = r < 0 ? r : closed;
    closed = block_close(copy.from);
    r = r < 0 ? r : closed;
    return r < 0 ? image_failed_errno("convert", to, r, 1) : 0;
}

int action_convert(int argc, char **argv)
{
    Convert o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "of the source (guessed)", "FORMAT" },
        { "out-format", 'O', 0, G_OPTION_ARG_STRING, &o.out_format, "of the target (raw)", "FORMAT" },
        { "options", 'o', 0, G_OPTION_ARG_STRING, &o.options, "name=value,...; `help` lists them",
          "OPTIONS" },
        { "compress", 'c', 0, G_OPTION_ARG_NONE, &o.compress, "compress clusters", NULL },
        { "backing", 'B', 0, G_OPTION_ARG_FILENAME, &o.backing,
          "a backing file for the target: what the source has from its own is left out", "FILE" },
        { "backing-format", 'F', 0, G_OPTION_ARG_STRING, &o.backing_format, "its format", "FORMAT" },
        { "snapshot", 'l', 0, G_OPTION_ARG_STRING, &o.snapshot, "copy this snapshot", "NAME" },
        { "no-create", 'n', 0, G_OPTION_ARG_NONE, &o.no_create, "the target is there already", NULL },
        { "sparse", 'S', 0, G_OPTION_ARG_STRING, &o.sparse,
          "zeros of that size are left out (4k; 0: none)", "SIZE" },
        { "cache", 't', 0, G_OPTION_ARG_STRING, &o.cache, "of the target (unsafe)", "MODE" },
        { "source-cache", 'T', 0, G_OPTION_ARG_STRING, &o.from_cache, "of the source (writeback)",
          "MODE" },
        { "threads", 'm', 0, G_OPTION_ARG_INT, &o.threads, "that many (as there are processors)",
          "N" },
        { "unordered", 'W', 0, G_OPTION_ARG_NONE, &o.unordered, "has no effect", NULL },
        { "progress", 'p', 0, G_OPTION_ARG_NONE, &o.progress, "show it, terminal or not", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock,
          "even while others write the source", NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!image_options(&argc, &argv, entries, 0, 2, &status)) {
        return status;
    }
    if (o.options && !strcmp(o.options, "help")) {
        image_create_options_help(o.out_format ? o.out_format : "raw");
        return 0;
    }
    if (argc != 3) {
        fputs("ketch image convert: a source and a target, please\n", stderr);
        return 1;
    }
    return convert(&o, argv[1], argv[2]);
}
