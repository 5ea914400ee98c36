/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image check` */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ui/monitor/build.h"
#include "ui/vm/image/image.h"
#include "ui/vm/image/json.h"

/* The exit statuses of `qemu-img check`. */
enum { CLEAN = 0, NOT_DONE = 1, CORRUPT = 2, LEAKS = 3, NO_CHECK = 63 };

typedef struct CheckOptions {
    char *format, *output, *repair;
    gboolean quiet, no_lock;
} CheckOptions;

static bool parse_repair(const char *text, ImageRepair *repair, GError **error)
{
    *repair = !text                  ? IMAGE_REPAIR_NONE
              : !strcmp(text, "all") ? IMAGE_REPAIR_ALL
                                     : IMAGE_REPAIR_LEAKS;
    if (text && strcmp(text, "all") != 0 && strcmp(text, "leaks") != 0) {
        g_set_error(error, IMAGE_ERROR, 0, "-r is leaks or all, not '%s'", text);
        return false;
    }
    return true;
}

static void print_share(const ImageCheck *c)
{
    double total = (double)c->total_clusters, allocated = (double)c->allocated_clusters;

    if (c->total_clusters && c->allocated_clusters) {
        printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, "
               "%0.2f%% compressed clusters\n",
               c->allocated_clusters, c->total_clusters, allocated * 100.0 / total,
               (double)c->fragmented_clusters * 100.0 / allocated,
               (double)c->compressed_clusters * 100.0 / allocated);
    }
    if (c->image_end_offset) {
        printf("Image end offset: %" PRIu64 "\n", c->image_end_offset);
    }
}

static void print_result(const ImageCheck *c)
{
    if (!c->corruptions && !c->leaks) {
        puts("No errors were found on the image.");
    }
    if (c->corruptions) {
        printf("\n%" PRIu64 " errors were found on the image.\nData may be corrupted, or further "
               "writes to the image may corrupt it.\n", c->corruptions);
    }
    if (c->leaks) {
        printf("\n%" PRIu64 " leaked clusters were found on the image.\nThis means waste of disk "
               "space, but no harm to data.\n", c->leaks);
    }
    print_share(c);
}

static void put_unless_0(JsonBuilder *j, const char *name, uint64_t value)
{
    if (value) {
        build_num(j, name, value);
    }
}

static void print_json(const ImageCheck *c, const ImageCheck *fixed, const char *path)
{
    JsonBuilder *j = json_builder_new();

    json_builder_begin_object(j);
    build_num(j, "image-end-offset", c->image_end_offset);
    build_num(j, "total-clusters", c->total_clusters);
    build_num(j, "check-errors", 0);
    put_unless_0(j, "corruptions", c->corruptions);
    put_unless_0(j, "corruptions-fixed", fixed->corruptions_fixed);
    put_unless_0(j, "leaks", c->leaks);
    put_unless_0(j, "leaks-fixed", fixed->leaks_fixed);
    put_unless_0(j, "allocated-clusters", c->allocated_clusters);
    put_unless_0(j, "fragmented-clusters", c->fragmented_clusters);
    put_unless_0(j, "compressed-clusters", c->compressed_clusters);
    build_str(j, "filename", path);
    build_str(j, "format", "qcow2");
    json_builder_end_object(j);
    json_print(j);
    g_object_unref(j);
}

static void say(void *opaque, const char *text)
{
    (void)opaque;
    fprintf(stderr, "%s\n", text);
}

/* Checks; after a repair once more, and that result counts. */
static int check_twice(Block *b, ImageRepair repair, bool quiet, ImageCheck *fixed, ImageCheck *c)
{
    int r;

    *fixed = (ImageCheck){ .message = quiet ? NULL : say };
    r = image_check(b, repair, fixed);
    *c = *fixed;
    if (r == 0 && (fixed->leaks_fixed || fixed->corruptions_fixed)) {
        if (!quiet) {
            printf("The following inconsistencies were found and repaired:\n\n    %" PRIu64
                   " leaked clusters\n    %" PRIu64 " corruptions\n\nDouble checking the fixed "
                   "image now...\n", fixed->leaks_fixed, fixed->corruptions_fixed);
        }
        *c = (ImageCheck){ .message = quiet ? NULL : say };
        r = image_check(b, IMAGE_REPAIR_NONE, c);
    }
    return r;
}

static int check(const CheckOptions *o, const char *path)
{
    ImageOpen how = { .format = o->format, .check = true, .no_lock = o->no_lock };
    ImageRepair repair;
    ImageCheck fixed, c;
    GError *error = NULL;
    bool json;
    Block *b;
    int r, closed;

    if (!image_output(o->output, &json, &error) || !parse_repair(o->repair, &repair, &error)) {
        return image_failed("check", error, NOT_DONE);
    }
    how.writable = repair != IMAGE_REPAIR_NONE;
    how.format = how.format || !how.writable ? how.format : "qcow2"; /* no other can be repaired */
    b = image_open(path, &how, &error);
    if (!b) {
        return image_failed("check", error, NOT_DONE);
    }
    r = check_twice(b, repair, o->quiet || json, &fixed, &c);
    closed = block_close(b);
    r = r < 0 ? r : closed;
    if (r == -ENOTSUP) {
        fputs("ketch image check: an image of this format cannot be checked\n", stderr);
        return NO_CHECK;
    }
    if (r < 0) {
        return image_failed_errno("check", path, r, NOT_DONE);
    }
    if (json) {
        print_json(&c, &fixed, path);
    } else if (!o->quiet) {
        print_result(&c);
    }
    return c.corruptions ? CORRUPT : c.leaks ? LEAKS : CLEAN;
}

int action_check(int argc, char **argv)
{
    CheckOptions o = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o.format, "qcow2 (guessed, but with -r)",
          "FORMAT" },
        { "repair", 'r', 0, G_OPTION_ARG_STRING, &o.repair, "leaks, or all errors", "WHAT" },
        { "output", 0, 0, G_OPTION_ARG_STRING, &o.output, "human or json", "HOW" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "print nothing", NULL },
        { "force-share", 'U', 0, G_OPTION_ARG_NONE, &o.no_lock, "even while others write it", NULL },
        G_OPTION_ENTRY_NULL,
    };
    int status;

    return image_options(&argc, &argv, entries, 1, 1, &status) ? check(&o, argv[1]) : status;
}
