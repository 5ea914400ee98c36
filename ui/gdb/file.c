/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vFile: files of the guest for gdb, which so finds the program and its libraries where the guest
 * finds them.  Numbers of errors, flags and struct stat are the protocol's own ("File-I/O Remote
 * Protocol Extension" in gdb's manual).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ownfd.h"
#include "ui/gdb/stub.h"

enum { PIECE = (GDB_PACKET - 64) / 2, UNKNOWN_ERROR = 9999, NAME_TOO_LONG = 91 };

static const struct {
    int gdb, host;
} open_flags[] = {
    { 0x1, O_WRONLY }, { 0x2, O_RDWR },    { 0x8, O_APPEND },
    { 0x200, O_CREAT }, { 0x400, O_TRUNC }, { 0x800, O_EXCL },
};

/* The first 34 are the same everywhere. */
static int file_error(int error)
{
    return error == ENAMETOOLONG ? NAME_TOO_LONG : error <= EROFS ? error : UNKNOWN_ERROR;
}

static void put_result(GdbSession *s, long result)
{
    if (result < 0) {
        gdb_putf(&s->out, "F-1,%x", (unsigned)file_error(errno));
    } else {
        gdb_putf(&s->out, "F%lx", result);
    }
}

static void put_error(GdbSession *s, int error)
{
    errno = error;
    put_result(s, -1);
}

/* A path in hexadecimal; *args moves behind it. */
static bool path_of(const char **args, char path[GDB_PATH])
{
    size_t n = gdb_unhex(*args, path, GDB_PATH - 1);

    path[n] = '\0';
    *args += 2 * n;
    return n > 0 && n < GDB_PATH - 1 && strlen(path) == n;
}

/* The host's descriptor for ours; -1 when it is not open. */
static int descriptor(const GdbSession *s, uint64_t fd)
{
    return fd < GDB_FILES ? s->file[fd] - 1 : -1;
}

void gdb_file_setfs(GdbSession *s, const char *args)
{
    (void)args;
    put_result(s, 0);
}

void gdb_file_open(GdbSession *s, const char *args)
{
    char path[GDB_PATH];
    uint64_t flags, mode;
    int host = O_CLOEXEC | O_NOCTTY, slot = 0, fd;

    if (!path_of(&args, path) || *args++ != ',' || !gdb_number_then(&args, &flags, ',') ||
        !gdb_number(&args, &mode)) {
        put_error(s, EINVAL);
        return;
    }
    for (size_t i = 0; i < sizeof(open_flags) / sizeof(open_flags[0]); i++) {
        host |= flags & (uint64_t)open_flags[i].gdb ? open_flags[i].host : 0;
    }
    while (slot < GDB_FILES && s->file[slot]) {
        slot++;
    }
    if (slot == GDB_FILES) {
        put_error(s, EMFILE);
        return;
    }
    fd = ownfd_take(s->target->open_file(path, host, (int)mode & 0777));
    s->file[slot] = fd + 1;
    put_result(s, fd < 0 ? -1 : slot);
}

void gdb_file_close(GdbSession *s, const char *args)
{
    uint64_t fd;

    if (!gdb_number(&args, &fd) || descriptor(s, fd) < 0) {
        put_error(s, EBADF);
        return;
    }
    ownfd_close(descriptor(s, fd));
    s->file[fd] = 0;
    put_result(s, 0);
}

static void put_data(GdbSession *s, const void *bytes, long n)
{
    put_result(s, n);
    if (n >= 0) {
        gdb_put(&s->out, ";");
        gdb_put_binary(&s->out, bytes, (size_t)n);
    }
}

void gdb_file_pread(GdbSession *s, const char *args)
{
    char bytes[PIECE];
    uint64_t fd, n, offset;

    if (!gdb_number_then(&args, &fd, ',') || !gdb_number_then(&args, &n, ',') ||
        !gdb_number(&args, &offset)) {
        put_error(s, EINVAL);
        return;
    }
    put_data(s, bytes,
             pread(descriptor(s, fd), bytes, n < PIECE ? n : PIECE, (off_t)offset));
}

void gdb_file_pwrite(GdbSession *s, const char *args)
{
    uint64_t fd, offset;

    if (!gdb_number_then(&args, &fd, ',') || !gdb_number_then(&args, &offset, ',')) {
        put_error(s, EINVAL);
        return;
    }
    put_result(s, pwrite(descriptor(s, fd), args, (size_t)(s->in.data + s->in.n - args),
                         (off_t)offset));
}

/* Appends `n` bytes of a number, the highest first. */
static uint8_t *big_endian(uint8_t *to, uint64_t value, unsigned n)
{
    for (unsigned i = n; i-- > 0;) {
        *to++ = (uint8_t)(value >> 8 * i);
    }
    return to;
}

void gdb_file_fstat(GdbSession *s, const char *args)
{
    uint8_t bytes[64], *to = bytes;
    struct stat st;
    uint64_t fd;

    if (!gdb_number(&args, &fd)) {
        put_error(s, EINVAL);
        return;
    }
    if (fstat(descriptor(s, fd), &st) < 0) {
        put_result(s, -1);
        return;
    }
    to = big_endian(to, 0, 4); /* of the file system, which only the protocol knows */
    to = big_endian(to, st.st_ino, 4);
    to = big_endian(to, st.st_mode & (S_IFMT | 0777), 4);
    to = big_endian(to, st.st_nlink, 4);
    to = big_endian(to, st.st_uid, 4);
    to = big_endian(to, st.st_gid, 4);
    to = big_endian(to, 0, 4);
    to = big_endian(to, (uint64_t)st.st_size, 8);
    to = big_endian(to, (uint64_t)st.st_blksize, 8);
    to = big_endian(to, (uint64_t)st.st_blocks, 8);
    to = big_endian(to, (uint64_t)st.st_atime, 4);
    to = big_endian(to, (uint64_t)st.st_mtime, 4);
    to = big_endian(to, (uint64_t)st.st_ctime, 4);
    put_data(s, bytes, to - bytes);
}

void gdb_file_readlink(GdbSession *s, const char *args)
{
    char path[GDB_PATH], target[GDB_PATH];

    if (!path_of(&args, path)) {
        put_error(s, EINVAL);
        return;
    }
    put_data(s, target, s->target->read_link(path, target, sizeof(target)));
}

void gdb_file_unlink(GdbSession *s, const char *args)
{
    char path[GDB_PATH];

    if (!path_of(&args, path)) {
        put_error(s, EINVAL);
        return;
    }
    put_result(s, s->target->remove_file(path));
}

void gdb_close_files(GdbSession *s)
{
    for (int i = 0; i < GDB_FILES; i++) {
        if (s->file[i]) {
            ownfd_close(s->file[i] - 1);
            s->file[i] = 0;
        }
    }
}
