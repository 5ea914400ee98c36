/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/host/block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* QEMU's rights, as bits of its permissions, and where the bytes of its locks are. */
enum {
    RIGHT_READ = 0,
    RIGHT_WRITE = 1,
    RIGHT_RESIZE = 3,
    RIGHTS = 4,
    LOCK_HAVE = 100, /* + right: held by who has it */
    LOCK_DENY = 200, /* + right: held by who forbids it to others */
};

enum { DIRECT_ALIGN = 4096, ZERO_CHUNK = 1 << 20, IOV_AT_ONCE = 64 };

struct BlockFile {
    int fd;
    int direct_fd; /* -1: none; the same file with O_DIRECT */
    bool is_device;
    bool no_sync;
    _Atomic bool no_fallocate; /* learnt: the file system cannot */
};

static GQuark file_error(void)
{
    return g_quark_from_static_string("ketch-block-file");
}

/* ---- the lock ---- */

static int lock_byte(int fd, short type, off_t byte, int command)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    if (fcntl(fd, command, &l) < 0) {
        return -errno;
    }
    return command == F_OFD_GETLK ? l.l_type != F_UNLCK : 0;
}

/* Takes a set of rights and denials, then looks whether anybody else's are against it: two that
 * come at the same time may both be refused, never both let in. */
static int lock_take(int fd, unsigned have, unsigned deny)
{
    int r = 0;

    for (int i = 0; i < RIGHTS && r == 0; i++) {
        r = have >> i & 1 ? lock_byte(fd, F_RDLCK, LOCK_HAVE + i, F_OFD_SETLK) : 0;
        r = r == 0 && deny >> i & 1 ? lock_byte(fd, F_RDLCK, LOCK_DENY + i, F_OFD_SETLK) : r;
    }
    for (int i = 0; i < RIGHTS && r == 0; i++) {
        r = have >> i & 1 ? lock_byte(fd, F_WRLCK, LOCK_DENY + i, F_OFD_GETLK) : 0;
        r = r == 0 && deny >> i & 1 ? lock_byte(fd, F_WRLCK, LOCK_HAVE + i, F_OFD_GETLK) : r;
    }
    return r;
}

static bool lock_file(const BlockFile *f, const char *name, bool read_only, GError **error)
{
    unsigned writing = 1u << RIGHT_WRITE | 1u << RIGHT_RESIZE;
    int r = lock_take(f->fd, 1u << RIGHT_READ | (read_only ? 0 : writing), writing);

    if (r > 0) {
        g_set_error(error, file_error(), 0, "%s is in use: another process %s", name,
                    read_only ? "writes it (-U reads it all the same)" : "has it open");
        return false;
    }
    /* File systems without locks: as everywhere, the user has to take care. */
    if (r < 0 && r != -EINVAL && r != -ENOLCK && r != -EOPNOTSUPP) {
        g_set_error(error, file_error(), 0, "%s cannot be locked: %s", name, g_strerror(-r));
        return false;
    }
    return true;
}

/* ---- opening ---- */

static int open_path(const BlockFileOptions *o)
{
    int flags = O_CLOEXEC | O_NOCTTY | (o->read_only ? O_RDONLY : O_RDWR);

    return o->path ? open(o->path, flags | (o->create ? O_CREAT : 0), 0644) : o->fd;
}

static bool check_kind(BlockFile *f, const char *name, bool read_only, GError **error)
{
    struct stat st;
    int flags = fcntl(f->fd, F_GETFL);

    if (fstat(f->fd, &st) < 0 || flags < 0) {
        g_set_error(error, file_error(), 0, "%s: %s", name, g_strerror(errno));
        return false;
    }
    f->is_device = S_ISBLK(st.st_mode);
    if (!f->is_device && !S_ISREG(st.st_mode)) {
        g_set_error(error, file_error(), 0, "%s is neither a file nor a block device", name);
        return false;
    }
    if ((flags & O_ACCMODE) == O_WRONLY || (!read_only && (flags & O_ACCMODE) != O_RDWR)) {
        g_set_error(error, file_error(), 0, "%s was not opened for %s", name,
                    read_only ? "reading" : "reading and writing");
        return false;
    }
    return true;
}

static void open_direct(BlockFile *f, bool read_only)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
    f->direct_fd = open(path, O_CLOEXEC | O_DIRECT | (read_only ? O_RDONLY : O_RDWR));
}

BlockFile *block_file_open(const BlockFileOptions *o, GError **error)
{
    BlockFile *f = g_new0(BlockFile, 1);
    char *name = o->path ? g_strdup(o->path) : g_strdup_printf("fd:%d", o->fd);
    bool ok;

    f->no_sync = o->no_sync;
    f->direct_fd = -1;
    f->fd = open_path(o);
    ok = f->fd >= 0;
    if (!ok) {
        g_set_error(error, file_error(), 0, "%s: %s", name,
                    o->path ? g_strerror(errno) : "no such file descriptor");
    }
    ok = ok && check_kind(f, name, o->read_only, error) &&
         (o->no_lock || lock_file(f, name, o->read_only, error));
    if (ok && o->create && !f->is_device && ftruncate(f->fd, 0) < 0) {
        g_set_error(error, file_error(), 0, "%s cannot be emptied: %s", name, g_strerror(errno));
        ok = false;
    }
    if (ok && o->direct) {
        open_direct(f, o->read_only);
    }
    g_free(name);
    if (!ok) {
        block_file_close(f);
        return NULL;
    }
    return f;
}

void block_file_close(BlockFile *f)
{
    if (f && f->direct_fd >= 0) {
        close(f->direct_fd);
    }
    if (f && f->fd >= 0) {
        close(f->fd);
    }
    g_free(f);
}

/* ---- transfer ---- */

static bool aligned(uint64_t offset, const struct iovec *iov, int n)
{
    uint64_t all = offset;

    for (int i = 0; i < n; i++) {
        all |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
    }
    return all % DIRECT_ALIGN == 0;
}

static int choose_fd(const BlockFile *f, uint64_t offset, const struct iovec *iov, int n)
{
    return f->direct_fd >= 0 && aligned(offset, iov, n) ? f->direct_fd : f->fd;
}

/* Takes `done` bytes off the front of an iovec array; returns how many entries are used up. */
static int advance(struct iovec *iov, int n, size_t done)
{
    int i = 0;

    while (i < n && done >= iov[i].iov_len) {
        done -= iov[i++].iov_len;
    }
    if (i < n) {
        iov[i].iov_base = (char *)iov[i].iov_base + done;
        iov[i].iov_len -= done;
    }
    return i;
}

static void clear(const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    }
}

/* At most IOV_AT_ONCE entries, all of their bytes. */
static int transfer(const BlockFile *f, uint64_t offset, struct iovec *iov, int n, bool write)
{
    int fd = choose_fd(f, offset, iov, n);

    while (n > 0) {
        ssize_t r = write ? pwritev(fd, iov, n, (off_t)offset) : preadv(fd, iov, n, (off_t)offset);
        int used;

        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return -errno;
        }
        if (r == 0 && write) {
            return -ENOSPC;
        }
        if (r == 0) { /* the end: advance() leaves empty entries behind as well */
            clear(iov, n);
            return 0;
        }
        offset += (uint64_t)r;
        used = advance(iov, n, (size_t)r);
        iov += used;
        n -= used;
        fd = n > 0 ? choose_fd(f, offset, iov, n) : fd;
    }
    return 0;
}

static int transfer_all(const BlockFile *f, uint64_t offset, const struct iovec *iov, int n,
                        bool write)
{
    struct iovec part[IOV_AT_ONCE];

    while (n > 0) {
        int count = 0, r;
        uint64_t bytes = 0;

        while (n > 0 && count < IOV_AT_ONCE) {
            part[count] = *iov++;
            bytes += part[count].iov_len;
            count += part[count].iov_len > 0;
            n--;
        }
        if (offset > INT64_MAX - bytes) {
            return -EFBIG;
        }
        r = transfer(f, offset, part, count, write);
        if (r < 0) {
            return r;
        }
        offset += bytes;
    }
    return 0;
}

int block_file_readv(BlockFile *f, uint64_t offset, const struct iovec *iov, int n)
{
    return transfer_all(f, offset, iov, n, false);
}

int block_file_writev(BlockFile *f, uint64_t offset, const struct iovec *iov, int n)
{
    return transfer_all(f, offset, iov, n, true);
}

int block_file_read(BlockFile *f, uint64_t offset, void *data, size_t bytes)
{
    struct iovec iov = { data, bytes };

    return transfer_all(f, offset, &iov, 1, false);
}

int block_file_write(BlockFile *f, uint64_t offset, const void *data, size_t bytes)
{
    struct iovec iov = { (void *)(uintptr_t)data, bytes };

    return transfer_all(f, offset, &iov, 1, true);
}

int block_file_sync(BlockFile *f)
{
    return f->no_sync || fdatasync(f->fd) == 0 ? 0 : -errno;
}

/* ---- space ---- */

static int fallocate_range(BlockFile *f, int mode, uint64_t offset, uint64_t bytes)
{
    int r;

    if (f->no_fallocate && mode) {
        return -EOPNOTSUPP;
    }
    do {
        r = fallocate(f->fd, mode, (off_t)offset, (off_t)bytes);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        f->no_fallocate = true;
    }
    return r < 0 ? -errno : 0;
}

static int write_zeros(BlockFile *f, uint64_t offset, uint64_t bytes)
{
    size_t room = MIN(bytes, ZERO_CHUNK);
    char *zeros = g_malloc0(room);
    int r = 0;

    while (bytes > 0 && r == 0) {
        size_t n = MIN(bytes, room);

        r = block_file_write(f, offset, zeros, n);
        offset += n;
        bytes -= n;
    }
    g_free(zeros);
    return r;
}

int block_file_zero(BlockFile *f, uint64_t offset, uint64_t bytes, bool unmap)
{
    int r = -EOPNOTSUPP;

    if (unmap) {
        r = fallocate_range(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
    }
    if (r < 0) {
        r = fallocate_range(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, bytes);
    }
    return r < 0 ? write_zeros(f, offset, bytes) : 0;
}

int block_file_punch(BlockFile *f, uint64_t offset, uint64_t bytes)
{
    int r = fallocate_range(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);

    return r == -EIO ? r : 0;
}

int block_file_allocate(BlockFile *f, uint64_t offset, uint64_t bytes)
{
    return f->is_device ? 0 : fallocate_range(f, 0, offset, bytes);
}

int block_file_truncate(BlockFile *f, uint64_t size)
{
    uint64_t have;

    if (f->is_device) {
        int r = block_file_size(f, &have);

        return r < 0 ? r : size <= have ? 0 : -ENOSPC;
    }
    return size > INT64_MAX ? -EFBIG : ftruncate(f->fd, (off_t)size) < 0 ? -errno : 0;
}

/* ---- what is there ---- */

int block_file_size(BlockFile *f, uint64_t *size)
{
    struct stat st;

    if (f->is_device) {
        return ioctl(f->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
    }
    if (fstat(f->fd, &st) < 0) {
        return -errno;
    }
    *size = (uint64_t)st.st_size;
    return 0;
}

uint64_t block_file_disk_size(BlockFile *f)
{
    struct stat st;
    uint64_t size;

    if (f->is_device) {
        return block_file_size(f, &size) < 0 ? 0 : size;
    }
    return fstat(f->fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

int block_file_hole(BlockFile *f, uint64_t offset, uint64_t bytes, bool *hole, uint64_t *length)
{
    off_t data = lseek(f->fd, (off_t)offset, SEEK_DATA);
    off_t end = (off_t)(offset + bytes);

    if (data < 0 && errno != ENXIO) { /* the file system cannot tell: all of it is data */
        *hole = false;
        *length = bytes;
        return 0;
    }
    *hole = data != (off_t)offset;
    if (*hole) {
        end = data < 0 ? end : MIN(end, data);
    } else {
        off_t next = lseek(f->fd, (off_t)offset, SEEK_HOLE);

        end = next < 0 ? end : MIN(end, next);
    }
    /* Another process may have changed it between the two. */
    *length = MAX((uint64_t)end - offset, 1);
    return 0;
}
