/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/common/codebuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/check.h"

enum { CODE_ALIGN = 16, CODE_ROUND = 2 << 20, CODE_CHUNK = 64 << 10 };

#define CODE_MAX (UINT64_C(1) << 30)

struct CodeBuf {
    uint8_t *rw;
    uint8_t *rx;
    int copy; /* file between codebuf_fork_prepare() and its end: what the child will have */
    size_t size;
    size_t used;
    size_t start;    /* of the open reservation, and its size */
    size_t reserved;
    size_t touched;  /* bytes that touch() is done with; multiple of CODE_CHUNK */
};

/* Anonymous shared memory rather than a file: no descriptor that a guest could see or close, and
 * no limit on file sizes applies. */
static uint8_t *map_shared(size_t size)
{
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* The same pages at a second address (`where`, or anywhere when NULL), executable.  An old size
 * of 0 makes mremap() duplicate a shared mapping. */
static uint8_t *map_again(uint8_t *rw, size_t size, uint8_t *where)
{
    int flags = MREMAP_MAYMOVE | (where ? MREMAP_FIXED : 0);
    void *p = mremap(rw, 0, size, flags, where);

    if (p == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(p, size, PROT_READ | PROT_EXEC) != 0) {
        int error = errno;

        munmap(p, size);
        errno = error;
        return NULL;
    }
    return p;
}

CodeBuf *codebuf_new(size_t size)
{
    CodeBuf *buf;

    if (size == 0 || size > CODE_MAX) {
        errno = EINVAL;
        return NULL;
    }
    buf = calloc(1, sizeof(*buf));
    if (!buf) {
        return NULL;
    }
    buf->size = bits_align_up(size, CODE_ROUND);
    buf->rw = map_shared(buf->size);
    buf->rx = buf->rw ? map_again(buf->rw, buf->size, NULL) : NULL;
    if (!buf->rx) {
        int error = errno;

        codebuf_free(buf);
        errno = error;
        return NULL;
    }
    return buf;
}

void codebuf_free(CodeBuf *buf)
{
    if (!buf) {
        return;
    }
    if (buf->rx) {
        munmap(buf->rx, buf->size);
    }
    if (buf->rw) {
        munmap(buf->rw, buf->size);
    }
    free(buf);
}

/* Memory at `start`, many pages at a time: that is cheaper than a fault for each, and where code runs
 * the kernel then maps those around the one that is missed, too.  A hint. */
static void touch(CodeBuf *buf, size_t start)
{
    if (start >= buf->touched && start < buf->size) {
        size_t end = bits_align_up(start + 1, CODE_CHUNK);

        (void)madvise(buf->rw + buf->touched, end - buf->touched, MADV_POPULATE_WRITE);
        buf->touched = end;
    }
}

uint8_t *codebuf_reserve(CodeBuf *buf, size_t front, size_t size)
{
    size_t start = bits_align_up(buf->used + front, CODE_ALIGN);

    if (start > buf->size || size > buf->size - start) {
        return NULL;
    }
    touch(buf, start);
    buf->start = start;
    buf->reserved = size;
    return buf->rw + start;
}

const void *codebuf_commit(CodeBuf *buf, size_t size)
{
    CHECK(size <= buf->reserved, "%zu bytes of code in a reservation of %zu", size, buf->reserved);
    buf->reserved = 0;
    buf->used = buf->start + size;
    return buf->rx + buf->start;
}

uint8_t *codebuf_rw(const CodeBuf *buf, const void *rx)
{
    return buf->rw + ((const uint8_t *)rx - buf->rx);
}

const void *codebuf_rx(const CodeBuf *buf, const uint8_t *rw)
{
    return buf->rx + (rw - buf->rw);
}

bool codebuf_contains(const CodeBuf *buf, const void *rx)
{
    return (uintptr_t)rx - (uintptr_t)buf->rx < buf->size;
}

void codebuf_reset(CodeBuf *buf)
{
    buf->used = 0;
    buf->reserved = 0;
}

const void *codebuf_base(const CodeBuf *buf)
{
    return buf->rx;
}

size_t codebuf_used(const CodeBuf *buf)
{
    return buf->used;
}

size_t codebuf_size(const CodeBuf *buf)
{
    return buf->size;
}

/* ---- fork ---- */

/* A file is written much faster than fresh memory is touched; its descriptor is open only around
 * the fork.  A limit on file sizes may be in the way. */
static int copy_to_file(const CodeBuf *buf)
{
    struct rlimit limit;
    int fd;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < buf->size) {
        return -1;
    }
    fd = memfd_create("ketch-code", MFD_CLOEXEC);
    if (fd >= 0 && (ftruncate(fd, (off_t)buf->size) != 0 ||
                    pwrite(fd, buf->rw, buf->used, 0) != (ssize_t)buf->used)) {
        close(fd);
        return -1;
    }
    return fd;
}

void codebuf_fork_prepare(CodeBuf *buf, bool shared_files)
{
    buf->copy = shared_files ? -1 : copy_to_file(buf);
}

void codebuf_fork_parent(CodeBuf *buf)
{
    if (buf->copy >= 0) {
        close(buf->copy);
    }
}

bool codebuf_fork_child(CodeBuf *buf)
{
    bool full = buf->copy >= 0;
    int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (full ? 0 : MAP_ANONYMOUS);

    CHECK(mmap(buf->rw, buf->size, PROT_READ | PROT_WRITE, flags, buf->copy, 0) == buf->rw &&
              (full ? mmap(buf->rx, buf->size, PROT_READ | PROT_EXEC, flags, buf->copy, 0)
                    : map_again(buf->rw, buf->size, buf->rx)) == buf->rx,
          "code cache after fork: %s", strerror(errno));
    buf->touched = full ? buf->used / CODE_CHUNK * CODE_CHUNK : 0;
    if (!full) {
        codebuf_reset(buf);
        return false;
    }
    close(buf->copy);
    return true;
}
