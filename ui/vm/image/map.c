/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image map` */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ui/vm/image/image.h"

typedef struct MapOptions {
    char *format, *output, *start, *most;
    gboolean no_lock;
} MapOptions;

/* One run of the disk, perhaps put together from several extents. */
typedef struct Piece {
    uint64_t start;
    BlockExtent e;
} Piece;

static bool continues(const Piece *p, const BlockExtent *e)
{
    return p->e.depth == e->depth && p->e.allocated == e->allocated && p->e.zero == e->zero &&
           p->e.data == e->data && p->e.compressed == e->compressed &&
           p->e.has_host_offset == e->has_host_offset &&
           (!e->has_host_offset || p->e.host_offset + p->e.length == e->host_offset);
}

static const char *layer_name(Block *b, unsigned depth)
{
    BlockInfo info;

    while (depth-- > 0 && block_backing(b)) {
        b = block_backing(b);
    }
    return block_info(b, &info) < 0 ? "" : info.path;
}

/* Says no where a table of offsets cannot be right. */
static bool print_human(Block *b, const Piece *p)
{
    if (p->e.data && !p->e.has_host_offset) {
        fputs("ketch image map: the image has compressed clusters: --output=json shows them\n",
              stderr);
        return false;
    }
    if (p->e.data && !p->e.zero) {
        printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", p->start, p->e.length,
               p->e.host_offset, layer_name(b, p->e.depth));
    }
    return true;
}

static void print_json(const Piece *p, bool first, bool last)
{
    static const char *const no_yes[] = { "false", "true" };

    printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, \"present\": %s, "
           "\"zero\": %s, \"data\": %s", first ? "[" : "", p->start, p->e.length, p->e.depth,
           no_yes[p->e.allocated], no_yes[p->e.zero], no_yes[p->e.data]);
    if (p->e.has_host_offset) {
        printf(", \"offset\": %" PRIu64, p->e.host_offset);
    }
    printf("}%s\n", last ? "]" : ",");
}

static bool print_piece(Block *b, const Piece *p, bool json, bool *first, bool last)
{
    if (json) {
        print_json(p, *first, last);
        *first = false;
        return true;
    }
    return print_human(b, p);
}

static int map(Block *b, uint64_t start, uint64_t end, bool json)
{
    Piece p = { 0 };
    bool first = true;

    if (!json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    for (uint64_t at = start; at < end;) {
        BlockExtent e;
        int r = block_status(b, at, end - at, &e);

        if (r < 0) {
            return r;
        }
        if (p.e.length && continues(&p, &e)) {
            p.e.length += e.length;
        } else {
            if (p.e.length && !print_piece(b, &p, json, &first, false)) {
                return 1;
            }
            p = (Piece){ at, e };
        }
        at += e.length;
    }
    if (p.e.length == 0 && json) {
        puts("[]");
    }
    return p.e.length && !print_piece(b, &p, json, &first, true);
}

static bool parse_range(const MapOptions *o, uint64_t *start, uint64_t *most, GError **error)
{
    *start = 0;
    *most = UINT64_MAX;
    if ((o->start && !image_size_parse(o->start, start)) ||
        (o->most && !image_size_parse(o->most, most))) {
        g_set_error(error, IMAGE_ERROR, 0, "--start-offset and --max-length are sizes");
        return false;
    }
    return true;
}

static int map_file(const MapOptions *o, const char *path)
{
    ImageOpen how = { .format = o->format, .no_lock = o->no_lock, .backing = true };
    GError *error = NULL;
    uint64_t start, most, size;
    bool json;
    Block *b;
    int r, closed;

    if (!image_output(o->output, &json, &error) || !parse_range(o, &start, &most, &error) ||
        !(b = image_open(path, &how, &error))) {
        return image_failed("map", error, 1);
    }
    size = block_size(b);
    r = map(b, MIN(start, size), MIN(start, size) + MIN(most, size - MIN(start, size)), json);
    closed = block_close(b);
    r = r != 0 ? r : closed;
    return r < 0 ? image_failed_errno("map", path, r, 1) : r;
}

int action_map(int argc, char **argv)
{
    MapOptions o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "raw or qcow2 (guessed)", "FORMAT" },
        { "output", 0, 0, G_OPTION_ARG_STRING, &o.output, "human or json", "HOW" },
        { "start-offset", 's', 0, G_OPTION_ARG_STRING, &o.start, "where to begin", "SIZE" },
        { "max-length", 'l', 0, G_OPTION_ARG_STRING, &o.most, "how much to look at", "SIZE" },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock, "even while others write it", NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    return image_options(&argc, &argv, entries, 1, 1, &status) ? map_file(&o, argv[1]) : status;
}
