/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ownfd.h"
#include "userland/semihosting/calls.h"

enum { CONSOLE_FILES = 3, CHUNK = 4096, MODES = 12 };

/* ":semihosting-features": SHFB, then the bits: exit_extended is there, and ":tt" opened with "a" is
 * standard error. */
static const char features[] = { 'S', 'H', 'F', 'B', 3 };

/* ---- The table ---- */

void files_init(Semihost *s)
{
    for (int i = 0; i < SEMIHOST_FILES; i++) {
        atomic_init(&s->file[i], i < CONSOLE_FILES ? FILE_CONSOLE : FILE_NONE);
    }
}

static void close_descriptor(int fd)
{
    if (fd > STDERR_FILENO) {
        ownfd_close(fd);
    }
}

void files_end(Semihost *s)
{
    for (int i = 0; i < SEMIHOST_FILES; i++) {
        close_descriptor(atomic_load(&s->file[i]));
    }
}

/* Takes the descriptor; the guest's number for it. */
static int64_t add(Semihost *s, int fd)
{
    if (fd < 0) {
        return -errno;
    }
    fd = fd > STDERR_FILENO ? ownfd_take(fd) : fd;
    for (int i = CONSOLE_FILES; i < SEMIHOST_FILES; i++) {
        int none = FILE_NONE;

        if (atomic_compare_exchange_strong(&s->file[i], &none, fd)) {
            return i;
        }
    }
    close_descriptor(fd);
    return -EMFILE;
}

/* A descriptor, FILE_CONSOLE or FILE_NONE. */
static int find(const Call *c, uint64_t number)
{
    return number < SEMIHOST_FILES ? atomic_load(&c->s->file[number]) : FILE_NONE;
}

/* ---- Opening and closing ---- */

/* fopen()'s r, rb, r+, r+b, w, ... */
static int flags_of(uint64_t mode)
{
    static const int create[3] = { 0, O_CREAT | O_TRUNC, O_CREAT | O_APPEND };

    return create[mode / 4] | (mode & 2 ? O_RDWR : mode < 4 ? O_RDONLY : O_WRONLY) | O_CLOEXEC;
}

static int open_features(uint64_t mode)
{
    int fd = mode < 2 ? memfd_create("semihosting-features", MFD_CLOEXEC) : -1;

    if (mode >= 2) {
        errno = EACCES;
    } else if (fd >= 0 && pwrite(fd, features, sizeof(features), 0) != sizeof(features)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_path(const char *path, uint64_t mode)
{
    if (strcmp(path, ":tt") == 0) {
        return (int)(mode / 4); /* STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO */
    }
    return strcmp(path, ":semihosting-features") == 0 ? open_features(mode)
                                                      : open(path, flags_of(mode), 0644);
}

int64_t call_open(Call *c)
{
    int error = 0;
    char *path = call_string(c, c->a[0], c->a[2], PATH_MAX - 1, &error);
    int64_t r = path && c->a[1] < MODES ? add(c->s, open_path(path, c->a[1])) : path ? -EINVAL : -error;

    free(path);
    return r;
}

int64_t call_close(Call *c)
{
    int fd = c->a[0] < SEMIHOST_FILES ? atomic_exchange(&c->s->file[c->a[0]], FILE_NONE) : FILE_NONE;

    close_descriptor(fd);
    return fd == FILE_NONE ? -EBADF : 0;
}

/* ---- Reading and writing: the result is how many bytes are left ---- */

static ssize_t put(const Call *c, int fd, const char *bytes, size_t n)
{
    if (fd != FILE_CONSOLE) {
        return write(fd, bytes, n);
    }
    c->s->target->console_write(c->thread, bytes, n);
    return (ssize_t)n;
}

int64_t call_write(Call *c)
{
    int fd = find(c, c->a[0]);
    uint64_t left = c->a[2], at = c->a[1];
    char bytes[CHUNK];

    while (fd != FILE_NONE && left) {
        size_t n = left < CHUNK ? left : CHUNK;
        ssize_t done = c->s->target->read(c->thread, at, bytes, n) ? put(c, fd, bytes, n) : -1;

        if (done <= 0) {
            break;
        }
        left -= (uint64_t)done;
        at += (uint64_t)done;
    }
    return (int64_t)left;
}

static ssize_t get(const Call *c, int fd, char *bytes, size_t n)
{
    int byte;

    if (fd != FILE_CONSOLE) {
        return read(fd, bytes, n);
    }
    byte = c->s->target->console_read(c->thread);
    bytes[0] = (char)byte;
    return byte >= 0 ? 1 : byte == SEMIHOST_LATER ? -1 : 0;
}

/* A terminal or a pipe that has nothing yet: waiting for it here would keep the machine from stopping. */
static bool would_wait(int fd)
{
    struct pollfd poller = { .fd = fd, .events = POLLIN };

    return fd >= 0 && poll(&poller, 1, 0) == 0;
}

int64_t call_read(Call *c)
{
    int fd = find(c, c->a[0]);
    uint64_t left = c->a[2], at = c->a[1];
    char bytes[CHUNK];

    while (fd != FILE_NONE && left) {
        size_t n = left < CHUNK ? left : CHUNK;
        ssize_t done = would_wait(fd) ? -1 : get(c, fd, bytes, n);

        if (done < 0 && left == c->a[2] && (fd == FILE_CONSOLE || would_wait(fd))) {
            return CALL_AGAIN;
        }
        if (done <= 0 || !c->s->target->write(c->thread, at, bytes, (size_t)done)) {
            break;
        }
        left -= (uint64_t)done;
        at += (uint64_t)done;
        if ((size_t)done < n) {
            break;
        }
    }
    return (int64_t)left;
}

/* ---- The rest ---- */

int64_t call_istty(Call *c)
{
    int fd = find(c, c->a[0]);

    return fd == FILE_NONE ? -EBADF : fd == FILE_CONSOLE || isatty(fd);
}

int64_t call_seek(Call *c)
{
    int fd = find(c, c->a[0]);

    return fd == FILE_NONE ? -EBADF : fd == FILE_CONSOLE ? -ESPIPE : lseek(fd, (off_t)c->a[1], SEEK_SET) < 0 ? -errno : 0;
}

int64_t call_flen(Call *c)
{
    int fd = find(c, c->a[0]);
    struct stat st;

    return fd == FILE_NONE ? -EBADF : fd == FILE_CONSOLE ? -EINVAL : fstat(fd, &st) < 0 ? -errno : st.st_size;
}

/* The same name for the same number, as long as the process lives. */
int64_t call_tmpnam(Call *c)
{
    char path[64];
    size_t n = (size_t)snprintf(path, sizeof(path), "/tmp/ketch-%x%02x", (unsigned)getpid(),
                                (unsigned)c->a[1] & 0xff) + 1;

    return c->a[2] < n ? -ENOSPC : c->s->target->write(c->thread, c->a[0], path, n) ? 0 : -EFAULT;
}

int64_t call_remove(Call *c)
{
    int error = 0;
    char *path = call_string(c, c->a[0], c->a[1], PATH_MAX - 1, &error);
    int64_t r = !path ? -error : remove(path) < 0 ? -errno : 0;

    free(path);
    return r;
}

int64_t call_rename(Call *c)
{
    int error = 0;
    char *from = call_string(c, c->a[0], c->a[1], PATH_MAX - 1, &error);
    char *to = from ? call_string(c, c->a[2], c->a[3], PATH_MAX - 1, &error) : NULL;
    int64_t r = !to ? -error : rename(from, to) < 0 ? -errno : 0;

    free(from);
    free(to);
    return r;
}
