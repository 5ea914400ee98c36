/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image create`, and the options of new images. */
#include <stdio.h>
#include <string.h>

#include "ui/vm/image/image.h"

/* ---- -o name=value,... ---- */

typedef bool SetFn(ImageCreate *c, const char *value);

static bool parse_bool(const char *value, bool *to)
{
    *to = !strcmp(value, "on");
    return *to || !strcmp(value, "off");
}

static bool set_backing_file(ImageCreate *c, const char *value)
{
    c->backing_path = value;
    return true;
}

static bool set_backing_format(ImageCreate *c, const char *value)
{
    c->backing_format = value;
    return true;
}

static bool set_cluster_size(ImageCreate *c, const char *value)
{
    return image_size_parse(value, &c->cluster_size);
}

static bool set_compat(ImageCreate *c, const char *value)
{
    c->version = !strcmp(value, "0.10") || !strcmp(value, "v2")  ? 2
                 : !strcmp(value, "1.1") || !strcmp(value, "v3") ? 3
                                                                 : 0;
    return c->version != 0;
}

static bool set_compression(ImageCreate *c, const char *value)
{
    return image_compression_parse(value, &c->compression);
}

static bool set_extended(ImageCreate *c, const char *value)
{
    return parse_bool(value, &c->extended_l2);
}

static bool set_lazy(ImageCreate *c, const char *value)
{
    return parse_bool(value, &c->lazy_refcounts);
}

static bool set_preallocation(ImageCreate *c, const char *value)
{
    static const char *const names[] = { "off", "metadata", "falloc", "full" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(value, names[i])) {
            c->preallocation = (ImagePreallocation)i;
            return true;
        }
    }
    return false;
}

static bool set_refcount_bits(ImageCreate *c, const char *value)
{
    uint64_t bits;

    if (!image_size_parse(value, &bits) || bits > 64) {
        return false;
    }
    c->refcount_bits = (unsigned)bits;
    return true;
}

static bool set_size(ImageCreate *c, const char *value)
{
    return image_size_parse(value, &c->size);
}

static const struct {
    const char *name, *kind, *help;
    SetFn *set;
    bool of_raw;
} options[] = {
    { "backing_file", "FILE", "what is not written is read from there", set_backing_file, false },
    { "backing_fmt", "FORMAT", "its format", set_backing_format, false },
    { "cluster_size", "SIZE", "512 to 2M (65536)", set_cluster_size, false },
    { "compat", "0.10|1.1", "version 2 or 3 of the format (1.1)", set_compat, false },
    { "compression_type", "zlib|zstd", "of clusters written with convert -c (zlib)",
      set_compression, false },
    { "extended_l2", "on|off", "32 parts of a cluster are allocated by themselves (off)",
      set_extended, false },
    { "lazy_refcounts", "on|off", "whoever writes may put off refcounts (off)", set_lazy, false },
    { "preallocation", "off|metadata|falloc|full", "space that is taken at once (off)",
      set_preallocation, true },
    { "refcount_bits", "BITS", "1 to 64 (16)", set_refcount_bits, false },
    { "size", "SIZE", "of the disk", set_size, true },
};

void image_create_options_help(const char *format)
{
    puts("Supported options:");
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].of_raw || strcmp(format, "raw") != 0) {
            char *left = g_strdup_printf("%s=<%s>", options[i].name, options[i].kind);

            printf("  %-40s - %s\n", left, options[i].help);
            g_free(left);
        }
    }
}

static bool set_option(ImageCreate *c, const char *name, const char *value, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (strcmp(name, options[i].name) != 0) {
            continue;
        }
        if (!options[i].of_raw && !strcmp(c->format, "raw")) {
            g_set_error(error, IMAGE_ERROR, 0, "a raw image has no %s", name);
            return false;
        }
        if (!value || !options[i].set(c, value)) {
            g_set_error(error, IMAGE_ERROR, 0, "%s is %s, not '%s'", name, options[i].kind,
                        value ? value : "");
            return false;
        }
        return true;
    }
    g_set_error(error, IMAGE_ERROR, 0, "unknown option '%s'; `-o help` lists them", name);
    return false;
}

bool image_create_options(const char *given, ImageCreate *c, char **text, GError **error)
{
    char *rest = *text = g_strdup(given ? given : "");

    while (*rest) {
        char *name = rest, *end = strchr(rest, ','), *value;

        rest = end ? end + 1 : rest + strlen(rest);
        if (end) {
            *end = '\0';
        }
        value = strchr(name, '=');
        if (value) {
            *value++ = '\0';
        }
        if (!set_option(c, name, value, error)) {
            return false;
        }
    }
    return true;
}

/* "Formatting ..." */
static void describe(const ImageCreate *c)
{
    printf("Formatting '%s', fmt=%s", c->path, c->format);
    if (strcmp(c->format, "qcow2") == 0) {
        printf(" cluster_size=%" G_GUINT64_FORMAT " extended_l2=%s compression_type=%s",
               c->cluster_size ? c->cluster_size : 65536, c->extended_l2 ? "on" : "off",
               image_compression_name(c->compression));
    }
    printf(" size=%" G_GUINT64_FORMAT, c->size);
    if (c->backing_path) {
        printf(" backing_file=%s backing_fmt=%s", c->backing_path, c->backing_format);
    }
    if (strcmp(c->format, "qcow2") == 0) {
        printf(" lazy_refcounts=%s refcount_bits=%u", c->lazy_refcounts ? "on" : "off",
               c->refcount_bits ? c->refcount_bits : 16);
    }
    puts("");
}

/* ---- create ---- */

typedef struct Create {
    char *format, *options, *backing, *backing_format;
    gboolean quiet, unsafe;
} Create;

/* The name of a backing file is relative to the folder of the image that names it. */
static bool size_of_backing(const ImageCreate *c, uint64_t *size, GError **error)
{
    ImageOpen how = { .format = c->backing_format };
    char *folder = g_path_get_dirname(c->path);
    char *path = g_path_is_absolute(c->backing_path)
                     ? g_strdup(c->backing_path)
                     : g_build_filename(folder, c->backing_path, NULL);
    Block *b = image_open(path, &how, error);

    if (b) {
        *size = block_size(b);
    }
    g_free(folder);
    g_free(path);
    return b && block_close(b) == 0;
}

static bool complete(const Create *o, ImageCreate *c, const char *size, GError **error)
{
    uint64_t below = 0;

    c->backing_path = o->backing ? o->backing : c->backing_path;
    c->backing_format = o->backing_format ? o->backing_format : c->backing_format;
    if (size && !image_size_parse(size, &c->size)) {
        g_set_error(error, IMAGE_ERROR, 0, "'%s' is not a size (a number with K, M, G, T, P or E)",
                    size);
        return false;
    }
    if (c->backing_path && !c->backing_format) {
        g_set_error(error, IMAGE_ERROR, 0, "the format of the backing file must be given (-F)");
        return false;
    }
    if (c->backing_path && !o->unsafe && !size_of_backing(c, &below, error)) {
        return false;
    }
    c->size = c->size == UINT64_MAX && c->backing_path && !o->unsafe ? below : c->size;
    if (c->size == UINT64_MAX) {
        g_set_error(error, IMAGE_ERROR, 0, "the size of the disk must be given");
        return false;
    }
    return true;
}

static int create(const Create *o, const char *path, const char *size)
{
    ImageCreate c = { .path = path, .format = o->format ? o->format : "raw", .size = UINT64_MAX };
    GError *error = NULL;
    char *text = NULL;
    bool ok = image_create_options(o->options, &c, &text, &error) &&
              complete(o, &c, size, &error);

    if (ok && !o->quiet) {
        describe(&c);
    }
    ok = ok && image_create(&c, &error);
    g_free(text);
    return ok ? 0 : image_failed("create", error, 1);
}

int action_create(int argc, char **argv)
{
    Create o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "raw or qcow2 (raw)", "FORMAT" },
        { "options", 'o', 0, G_OPTION_ARG_STRING, &o.options, "name=value,...; `help` lists them",
          "OPTIONS" },
        { "backing", 'b', 0, G_OPTION_ARG_FILENAME, &o.backing, "the backing file", "FILE" },
        { "backing-format", 'F', 0, G_OPTION_ARG_STRING, &o.backing_format, "its format", "FORMAT" },
        { "backing-unsafe", 'u', 0, G_OPTION_ARG_NONE, &o.unsafe,
          "do not look at the backing file", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    if (!image_options(&argc, &argv, entries, 0, 2, &status)) {
        return status;
    }
    if (o.options && !strcmp(o.options, "help")) {
        image_create_options_help(o.format ? o.format : "raw");
        return 0;
    }
    if (argc < 2) {
        fputs("ketch image create: which file?\n", stderr);
        return 1;
    }
    return create(&o, argv[1], argc > 2 ? argv[2] : NULL);
}
