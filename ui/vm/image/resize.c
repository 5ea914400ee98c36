/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image resize` */
#include <errno.h>
#include <stdio.h>

#include "ui/vm/image/image.h"

typedef struct Resize {
    char *format;
    gboolean shrink, quiet;
} Resize;

/* SIZE, +SIZE or -SIZE. */
static bool new_size(const char *text, uint64_t now, uint64_t *size)
{
    bool more = text[0] == '+', less = text[0] == '-';

    if (!image_size_parse(text + (more || less), size) || (less && *size > now) ||
        (more && *size > INT64_MAX - now)) {
        return false;
    }
    *size = more ? now + *size : less ? now - *size : *size;
    return true;
}

static int change(Block *b, const Resize *o, const char *text)
{
    uint64_t size;

    if (!new_size(text, block_size(b), &size)) {
        fprintf(stderr, "ketch image resize: '%s' is not a size\n", text);
        return 1;
    }
    if (size < block_size(b) && !o->shrink) {
        fputs("ketch image resize: shrinking loses what is behind the new end; --shrink does it\n",
              stderr);
        return 1;
    }
    return block_resize(b, size);
}

static int resize(const Resize *o, const char *path, const char *text)
{
    ImageOpen how = { .format = o->format, .writable = true };
    GError *error = NULL;
    Block *b = image_open(path, &how, &error);
    int r, closed;

    if (!b) {
        return image_failed("resize", error, 1);
    }
    r = change(b, o, text);
    closed = block_close(b);
    r = r != 0 ? r : closed;
    if (r < 0) {
        return r == -ENOTSUP ? image_failed_errno("resize", "an image with snapshots", r, 1)
                             : image_failed_errno("resize", path, r, 1);
    }
    if (r == 0 && !o->quiet) {
        puts("Image resized.");
    }
    return r;
}

int action_resize(int argc, char **argv)
{
    Resize o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "raw or qcow2, to be given", "FORMAT" },
        { "shrink", 0, 0, G_OPTION_ARG_NONE, &o.shrink, "even if that loses data", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        G_OPTION_ENTRY_NULL,
    };
    /* -SIZE would look like an option. */
    const char *size = argc > 2 && argv[argc - 1][0] == '-' && g_ascii_isdigit(argv[argc - 1][1])
                           ? argv[--argc]
                           : NULL;
    int status;

    if (!image_options(&argc, &argv, entries, size ? 1 : 2, size ? 1 : 2, &status)) {
        return status;
    }
    return resize(&o, argv[1], size ? size : argv[2]);
}
