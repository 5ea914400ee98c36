/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to images: checks that all formats share, then the format's own function. */
#include "devices/host/block/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/host/block/driver.h"

static const char *const compressions[IMAGE_COMPRESSION_COUNT] = { "zlib", "zstd" };

const char *image_compression_name(ImageCompression c)
{
    return compressions[c];
}

bool image_compression_parse(const char *name, ImageCompression *c)
{
    for (int i = 0; i < IMAGE_COMPRESSION_COUNT; i++) {
        if (!strcmp(name, compressions[i])) {
            *c = (ImageCompression)i;
            return true;
        }
    }
    return false;
}

char *image_size_text(uint64_t size)
{
    static const char units[] = "KMGTPE";
    double number = (double)size;
    int unit = -1;

    while (number >= 1000 && unit < 5) {
        number /= 1024;
        unit++;
    }
    return unit < 0 ? g_strdup_printf("%g B", number)
                    : g_strdup_printf("%.3g %ciB", number, units[unit]);
}

static void add_snapshot(GString *out, const ImageSnapshot *s)
{
    char date[32] = "", clock[48], icount[24] = "", *size = image_size_text(s->vm_state_size);
    time_t seconds = (time_t)s->date_s;
    uint64_t run = s->vm_clock_ns / 1000000000;
    struct tm tm;

    if (localtime_r(&seconds, &tm)) {
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    }
    snprintf(clock, sizeof(clock), "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64,
             run / 3600, run / 60 % 60, run % 60, s->vm_clock_ns / 1000000 % 1000);
    if (s->icount != UINT64_MAX) {
        snprintf(icount, sizeof(icount), "%" PRIu64, s->icount);
    }
    g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", s->id, s->name, size, date, clock,
                           icount);
    g_free(size);
}

void image_snapshot_table(Block *b, GString *out)
{
    ImageSnapshot s;

    for (unsigned i = 0; image_snapshot(b, i, &s); i++) {
        if (i == 0) {
            g_string_append_printf(out, "Snapshot list:\n%-9s %-16s %8s%20s%13s%11s\n", "ID", "TAG",
                                   "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
        }
        add_snapshot(out, &s);
    }
}

bool image_create(const ImageCreate *c, GError **error)
{
    const BlockDriver *driver = block_driver_find(c->format, error);
    BlockFileOptions options = { .path = c->path, .create = true };
    BlockFile *file;
    bool ok;

    if (!driver) {
        return false;
    }
    if (c->size > INT64_MAX) {
        g_set_error(error, BLOCK_ERROR, 0, "%s: a disk has at most 2^63 - 1 bytes", c->path);
        return false;
    }
    file = block_file_open(&options, error);
    ok = file && driver->create(file, c, error);
    block_file_close(file);
    return ok;
}

bool image_qcow2_info(Block *b, ImageQcow2Info *info)
{
    return b->driver->image && b->driver->image->qcow2_info(b, info);
}

int image_check(Block *b, ImageRepair repair, ImageCheck *result)
{
    if (!b->driver->image) {
        return -ENOTSUP;
    }
    return repair != IMAGE_REPAIR_NONE && b->read_only ? -EROFS
                                                       : b->driver->image->check(b, repair, result);
}

bool image_snapshot(Block *b, unsigned i, ImageSnapshot *snapshot)
{
    return b->driver->image && b->driver->image->snapshot(b, i, snapshot);
}

static int may_change(const Block *b)
{
    return !b->driver->image ? -ENOTSUP : b->read_only ? -EROFS : 0;
}

int image_snapshot_create(Block *b, const ImageSnapshot *snapshot)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_create(b, snapshot);
}

int image_snapshot_apply(Block *b, const char *id_or_name)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_apply(b, id_or_name);
}

int image_snapshot_delete(Block *b, const char *id_or_name)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->snapshot_delete(b, id_or_name);
}

int image_snapshot_show(Block *b, const char *id_or_name)
{
    return !b->driver->image ? -ENOTSUP
           : !b->read_only   ? -EINVAL
                             : b->driver->image->snapshot_show(b, id_or_name);
}

int image_vm_state_write(Block *b, uint64_t position, const struct iovec *iov, int n)
{
    int r = may_change(b);

    return r < 0 ? r
                 : b->driver->image->vm_state(b, position, block_iov_bytes(iov, n), iov, n, true);
}

int image_vm_state_read(Block *b, uint64_t position, const struct iovec *iov, int n)
{
    return !b->driver->image
               ? -ENOTSUP
               : b->driver->image->vm_state(b, position, block_iov_bytes(iov, n), iov, n, false);
}

int image_write_compressed(Block *b, uint64_t offset, const void *data, size_t compressed)
{
    int r = may_change(b);

    return r < 0 ? r : b->driver->image->write_compressed(b, offset, data, compressed);
}
