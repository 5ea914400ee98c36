/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image info` */
#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ui/monitor/build.h"
#include "ui/vm/image/image.h"
#include "ui/vm/image/json.h"

/* ---- text ---- */

static void print_size(const char *what, uint64_t size, bool exact)
{
    char *text = image_size_text(size);

    printf("%s: %s", what, text);
    printf(exact ? " (%" PRIu64 " bytes)\n" : "\n", size);
    g_free(text);
}

void image_print_snapshots(Block *b)
{
    GString *text = g_string_new(NULL);

    image_snapshot_table(b, text);
    fputs(text->str, stdout);
    g_string_free(text, TRUE);
}

static void print_details(const ImageQcow2Info *q)
{
    const char *const no_yes[] = { "false", "true" };

    puts("Format specific information:");
    printf("    compat: %s\n", q->version == 2 ? "0.10" : "1.1");
    printf("    compression type: %s\n", image_compression_name(q->compression));
    if (q->version > 2) {
        printf("    lazy refcounts: %s\n", no_yes[q->lazy_refcounts]);
    }
    printf("    refcount bits: %u\n", q->refcount_bits);
    if (q->version > 2) {
        printf("    corrupt: %s\n    extended l2: %s\n", no_yes[q->corrupt], no_yes[q->extended_l2]);
    }
}

static void print_info(Block *b, const BlockInfo *info)
{
    ImageQcow2Info q;

    printf("image: %s\nfile format: %s\n", info->path, info->format);
    print_size("virtual size", info->virtual_size, true);
    print_size("disk size", info->disk_size, false);
    if (info->dirty) {
        puts("cleanly shut down: no");
    }
    if (info->cluster_size) {
        printf("cluster_size: %" PRIu64 "\n", info->cluster_size);
    }
    if (info->backing_path) {
        printf("backing file: %s", info->backing_path);
        if (g_strcmp0(info->backing_path, info->backing_full) != 0) {
            printf(" (actual path: %s)", info->backing_full);
        }
        puts("");
    }
    if (info->backing_format) {
        printf("backing file format: %s\n", info->backing_format);
    }
    image_print_snapshots(b);
    if (image_qcow2_info(b, &q)) {
        print_details(&q);
    }
}

/* ---- JSON ---- */

static void build_snapshots(JsonBuilder *j, Block *b)
{
    ImageSnapshot s;

    for (unsigned i = 0; image_snapshot(b, i, &s); i++) {
        if (i == 0) {
            json_builder_set_member_name(j, "snapshots");
            json_builder_begin_array(j);
        }
        json_builder_begin_object(j);
        if (s.icount != UINT64_MAX) {
            build_num(j, "icount", s.icount);
        }
        build_num(j, "vm-clock-nsec", s.vm_clock_ns % 1000000000);
        build_str(j, "name", s.name);
        build_num(j, "date-sec", s.date_s);
        build_num(j, "date-nsec", s.date_ns);
        build_num(j, "vm-clock-sec", s.vm_clock_ns / 1000000000);
        build_str(j, "id", s.id);
        build_num(j, "vm-state-size", s.vm_state_size);
        json_builder_end_object(j);
    }
    if (image_snapshot(b, 0, &s)) {
        json_builder_end_array(j);
    }
}

static void build_details(JsonBuilder *j, Block *b)
{
    ImageQcow2Info q;

    if (!image_qcow2_info(b, &q)) {
        return;
    }
    json_builder_set_member_name(j, "format-specific");
    json_builder_begin_object(j);
    build_str(j, "type", "qcow2");
    json_builder_set_member_name(j, "data");
    json_builder_begin_object(j);
    build_str(j, "compat", q.version == 2 ? "0.10" : "1.1");
    build_str(j, "compression-type", image_compression_name(q.compression));
    if (q.version > 2) {
        build_bool(j, "lazy-refcounts", q.lazy_refcounts);
    }
    build_num(j, "refcount-bits", q.refcount_bits);
    if (q.version > 2) {
        build_bool(j, "corrupt", q.corrupt);
        build_bool(j, "extended-l2", q.extended_l2);
    }
    json_builder_end_object(j);
    json_builder_end_object(j);
}

static void build_info(JsonBuilder *j, Block *b, const BlockInfo *info)
{
    json_builder_begin_object(j);
    if (info->backing_format) {
        build_str(j, "backing-filename-format", info->backing_format);
    }
    build_snapshots(j, b);
    build_num(j, "virtual-size", info->virtual_size);
    build_str(j, "filename", info->path);
    if (info->cluster_size) {
        build_num(j, "cluster-size", info->cluster_size);
    }
    build_str(j, "format", info->format);
    build_num(j, "actual-size", info->disk_size);
    build_details(j, b);
    if (info->backing_path) {
        build_str(j, "full-backing-filename", info->backing_full);
        build_str(j, "backing-filename", info->backing_path);
    }
    build_bool(j, "dirty-flag", info->dirty);
    json_builder_end_object(j);
}

/* ---- the action ---- */

typedef struct Info {
    char *format, *output;
    gboolean chain, no_lock;
} Info;

static bool show(const Info *o, const char *path, JsonBuilder *j, GError **error)
{
    ImageOpen how = { .format = o->format, .no_lock = o->no_lock, .backing = o->chain };
    Block *b = image_open(path, &how, error), *layer;
    BlockInfo info;

    if (!b) {
        return false;
    }
    for (layer = b; layer; layer = o->chain ? block_backing(layer) : NULL) {
        if (block_info(layer, &info) < 0) {
            continue;
        }
        if (j) {
            build_info(j, layer, &info);
        } else {
            printf("%s", layer == b ? "" : "\n");
            print_info(layer, &info);
        }
    }
    return block_close(b) == 0;
}

static int info_of(const Info *o, const char *path)
{
    GError *error = NULL;
    JsonBuilder *j = NULL;
    bool json, ok = image_output(o->output, &json, &error);

    if (ok && json) {
        j = json_builder_new();
        if (o->chain) {
            json_builder_begin_array(j);
        }
    }
    ok = ok && show(o, path, j, &error);
    if (j && o->chain) {
        json_builder_end_array(j);
    }
    if (ok && j) {
        json_print(j);
    }
    if (j) {
        g_object_unref(j);
    }
    return ok ? 0 : image_failed("info", error, 1);
}

int action_info(int argc, char **argv)
{
    Info o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "raw or qcow2 (guessed)", "FORMAT" },
        { "output", 0, 0, G_OPTION_ARG_STRING, &o.output, "human or json", "HOW" },
        { "backing-chain", 0, 0, G_OPTION_ARG_NONE, &o.chain,
          "the backing files, too (needs -f)", NULL },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock, "even while others write it", NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    return image_options(&argc, &argv, entries, 1, 1, &status) ? info_of(&o, argv[1]) : status;
}
