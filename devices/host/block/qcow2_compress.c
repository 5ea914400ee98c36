/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed clusters: deflate without a header, or a zstd frame. */
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "devices/host/block/qcow2.h"

/* The window that QEMU writes, and the only one that it reads. */
enum { WINDOW_BITS = -12, MEMORY_LEVEL = 9, ANY_WINDOW = -15 };

static size_t deflate_all(const void *data, size_t bytes, void *out, size_t room)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes, .next_out = out,
                   .avail_out = (uInt)room };
    int r = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY);

    if (r != Z_OK) {
        return 0;
    }
    r = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return r == Z_STREAM_END ? room - z.avail_out : 0;
}

static bool inflate_all(const void *data, size_t bytes, void *out, size_t room)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes, .next_out = out,
                   .avail_out = (uInt)room };
    int r = inflateInit2(&z, ANY_WINDOW);

    if (r != Z_OK) {
        return false;
    }
    r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* Z_BUF_ERROR: there was more to come than fits, as when the stream has no end. */
    return (r == Z_STREAM_END || r == Z_BUF_ERROR) && z.avail_out == 0;
}

static size_t zstd_all(const void *data, size_t bytes, void *out, size_t room)
{
    size_t n = ZSTD_compress(out, room, data, bytes, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(n) ? 0 : n;
}

/* The frame may be followed by the rest of its sector. */
static bool unzstd_all(const void *data, size_t bytes, void *out, size_t room)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = { data, bytes, 0 };
    ZSTD_outBuffer to = { out, room, 0 };
    size_t before, left = 1;

    while (z && to.pos < to.size && left != 0) {
        before = in.pos + to.pos;
        left = ZSTD_decompressStream(z, &to, &in);
        if (ZSTD_isError(left) || (in.pos + to.pos == before)) {
            break;
        }
    }
    ZSTD_freeDStream(z);
    return to.pos == to.size;
}

size_t image_compress(ImageCompression c, const void *data, size_t bytes, void *out, size_t room)
{
    return c == IMAGE_COMPRESSION_ZSTD ? zstd_all(data, bytes, out, room)
                                       : deflate_all(data, bytes, out, room);
}

bool qcow2_decompress(ImageCompression c, const void *data, size_t bytes, void *out, size_t room)
{
    return c == IMAGE_COMPRESSION_ZSTD ? unzstd_all(data, bytes, out, room)
                                       : inflate_all(data, bytes, out, room);
}
