/* SPDX-License-Identifier: Apache-2.0 */
/* The messages are those of the Linux kernel's documentation of 9P2000.L and of Plan 9's manual,
 * section 5. */
#include "devices/virtio/p9.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "devices/virtio/p9_xattr.h"

enum {
    MAX_FIDS = 4096,
    MAX_XATTRS = 64, /* of the fids */
    MAX_NAMES = 16, /* of one walk */
    HEADER = 7,     /* size, type, tag */
    LERROR = 7,
    QID_BYTES = 13,
    READ_HEADER = HEADER + 4,
    GETATTR_BASIC = 0x7ff,
};

/* Bits of Tsetattr. */
enum {
    SET_MODE = 1,
    SET_UID = 2,
    SET_GID = 4,
    SET_SIZE = 8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_ATIME_TO = 0x80,
    SET_MTIME_TO = 0x100,
};

typedef struct Fid {
    struct Fid *next;
    uint32_t number;
    int path; /* O_PATH, or open */
    int fd;   /* -1: not opened by the client */
    DIR *dir; /* with `fd` in it */
    P9Xattr *xattr; /* what is read and written is this, not the file */
} Fid;

struct P9 {
    int root, proc; /* the folder; /proc/self/fd, to open what is known by O_PATH */
    bool writable;
    Fid *fids;
    unsigned n_fids, n_xattrs;
};

/* ---- Messages ---- */

typedef struct In {
    const uint8_t *at;
    size_t left;
    bool bad; /* it was shorter than it must be */
} In;

typedef struct Out {
    uint8_t *start;
    size_t used, room;
    bool full;
} Out;

static uint64_t get(In *in, unsigned size)
{
    uint64_t value = 0;

    if (in->left < size) {
        in->bad = true;
        in->left = 0;
        return 0;
    }
    memcpy(&value, in->at, size);
    in->at += size;
    in->left -= size;
    return value;
}

static uint32_t get32(In *in)
{
    return (uint32_t)get(in, 4);
}

/* A string; one that does not fit is bad. */
static void get_string(In *in, char *text, size_t room)
{
    size_t length = (size_t)get(in, 2);

    if (length > in->left || length >= room || memchr(in->at, 0, length)) {
        in->bad = true;
        length = 0;
    }
    memcpy(text, in->at, length);
    text[length] = 0;
    in->at += length;
    in->left -= length;
}

static void get_text(In *in, char text[NAME_MAX + 1])
{
    get_string(in, text, NAME_MAX + 1);
}

static void put_bytes(Out *out, const void *bytes, size_t size)
{
    if (out->room - out->used < size) {
        out->full = true;
        return;
    }
    memcpy(out->start + out->used, bytes, size);
    out->used += size;
}

static void put(Out *out, unsigned size, uint64_t value)
{
    put_bytes(out, &value, size);
}

static void put_text(Out *out, const char *text)
{
    put(out, 2, strlen(text));
    put_bytes(out, text, strlen(text));
}

static void put_qid(Out *out, mode_t mode, uint64_t version, uint64_t inode)
{
    put(out, 1, S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 0x02 : 0);
    put(out, 4, version);
    put(out, 8, inode);
}

static int put_qid_of(Out *out, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return errno;
    }
    put_qid(out, st.st_mode, (uint64_t)st.st_mtime, st.st_ino);
    return 0;
}

/* ---- Fids ---- */

static Fid *find_fid(P9 *s, uint32_t number)
{
    Fid *f = s->fids;

    while (f && f->number != number) {
        f = f->next;
    }
    return f;
}

static void close_fid(P9 *s, Fid *f)
{
    if (f->xattr) {
        p9_xattr_free(f->xattr);
        s->n_xattrs--;
    }
    if (f->dir) {
        closedir(f->dir);
    } else if (f->fd >= 0) {
        close(f->fd);
    }
    if (f->path >= 0) {
        close(f->path);
    }
}

static bool clunk_fid(P9 *s, uint32_t number)
{
    for (Fid **at = &s->fids; *at; at = &(*at)->next) {
        Fid *f = *at;

        if (f->number == number) {
            *at = f->next;
            close_fid(s, f);
            free(f);
            s->n_fids--;
            return true;
        }
    }
    return false;
}

/* Takes `path`, also when it fails. */
static int new_fid(P9 *s, uint32_t number, int path)
{
    Fid *f = NULL;

    clunk_fid(s, number);
    if (s->n_fids < MAX_FIDS) {
        f = malloc(sizeof(*f));
    }
    if (!f) {
        close(path);
        return ENFILE;
    }
    *f = (Fid){ s->fids, number, path, -1, NULL, NULL };
    s->fids = f;
    s->n_fids++;
    return 0;
}

/* ---- Files ---- */

static bool is_name(const char *name)
{
    return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/');
}

/* -1 and errno. */
static int open_beneath(int folder, const char *name, int flags, mode_t mode)
{
    struct open_how how = { .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK),
                            .mode = flags & O_CREAT ? mode & 0777 : 0,
                            .resolve =
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

    if (flags & O_PATH) {
        how.flags &= ~(uint64_t)O_NONBLOCK;
    }
    if (!is_name(name)) {
        errno = ENOENT;
        return -1;
    }
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
}

/* O_PATH with O_NOFOLLOW gives a link itself, which RESOLVE_NO_SYMLINKS allows as the last
 * component. */
static int lookup(int folder, const char *name)
{
    return open_beneath(folder, name, O_PATH, 0);
}

/* Files of other kinds have effects when they are opened. */
static int check_plain(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return errno;
    }
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? 0 : EACCES;
}

static int reopen(const P9 *s, int path, int flags)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", path);
    return openat(s->proc, number, flags | O_CLOEXEC | O_NONBLOCK);
}

/* A new file, or the one of that name: -1 and errno.  What is there already is looked at before it is
 * opened. */
static int create(const P9 *s, int folder, const char *name, int flags, mode_t mode)
{
    int fd = open_beneath(folder, name, O_CREAT | O_EXCL | flags, mode), path, error;
    struct stat st;

    if (fd >= 0 || errno != EEXIST || (flags & O_EXCL)) {
        return fd;
    }
    path = lookup(folder, name);
    if (path < 0 || fstat(path, &st) < 0) {
        error = errno;
    } else if (!S_ISREG(st.st_mode)) {
        error = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    } else {
        fd = reopen(s, path, flags);
        error = errno;
    }
    if (path >= 0) {
        close(path);
    }
    errno = error;
    return fd;
}

static int allowed_flags(uint32_t flags)
{
    return (int)(flags & (O_ACCMODE | O_TRUNC | O_EXCL));
}

/* ---- Each message: 0 or an errno ---- */

static int do_version(P9 *s, In *in, Out *out)
{
    uint32_t size = get32(in);
    char version[NAME_MAX + 1];

    get_text(in, version);
    p9_reset(s);
    put(out, 4, size < P9_MESSAGE ? size : P9_MESSAGE);
    put_text(out, strcmp(version, "9P2000.L") ? "unknown" : "9P2000.L");
    return size < 4096 ? EINVAL : 0;
}

static int do_attach(P9 *s, In *in, Out *out)
{
    uint32_t number = get32(in);
    int path = in->bad ? -1 : fcntl(s->root, F_DUPFD_CLOEXEC, 0);
    int error = path < 0 ? EMFILE : new_fid(s, number, path);

    return error ? error : put_qid_of(out, s->root);
}

/* Part of the way is an answer, too; the new fid is made for all of it. */
static int do_walk(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint32_t number = get32(in);
    unsigned n = (unsigned)get(in, 2), done = 0;
    size_t count_at = out->used;
    int path, error = 0;

    if (!f || n > MAX_NAMES) {
        return f ? EINVAL : EBADF;
    }
    put(out, 2, 0);
    path = fcntl(f->path, F_DUPFD_CLOEXEC, 0);
    for (; done < n && path >= 0; done++) {
        char name[NAME_MAX + 1];
        int next;

        get_text(in, name);
        next = in->bad ? -1 : lookup(path, name);
        error = next < 0 ? (in->bad ? EINVAL : errno) : put_qid_of(out, next);
        close(path);
        path = next;
        if (error) {
            break;
        }
    }
    memcpy(out->start + count_at, &(uint16_t){ (uint16_t)done }, 2);
    if (path >= 0 && done == n) {
        return new_fid(s, number, path);
    }
    if (path >= 0) {
        close(path);
    }
    return done ? 0 : error ? error : EMFILE;
}

/* An attribute that was written is set now. */
static int do_clunk(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    int error = f ? 0 : EBADF;

    (void)out;
    if (f && f->xattr) {
        int fd = reopen(s, f->path, O_RDONLY);

        error = fd < 0 ? errno : p9_xattr_apply(f->xattr, fd);
        if (fd >= 0) {
            close(fd);
        }
    }
    return f && clunk_fid(s, f->number) ? error : EBADF;
}

static int do_flush(P9 *s, In *in, Out *out)
{
    (void)s, (void)in, (void)out;
    return 0; /* messages are carried out one after the other */
}

static int do_getattr(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    struct stat st;

    if (!f || fstat(f->path, &st) < 0) {
        return f ? errno : EBADF;
    }
    put(out, 8, GETATTR_BASIC);
    put_qid(out, st.st_mode, (uint64_t)st.st_mtime, st.st_ino);
    put(out, 4, st.st_mode);
    put(out, 4, st.st_uid);
    put(out, 4, st.st_gid);
    put(out, 8, st.st_nlink);
    put(out, 8, st.st_rdev);
    put(out, 8, (uint64_t)st.st_size);
    put(out, 8, (uint64_t)st.st_blksize);
    put(out, 8, (uint64_t)st.st_blocks);
    put(out, 8, (uint64_t)st.st_atim.tv_sec);
    put(out, 8, (uint64_t)st.st_atim.tv_nsec);
    put(out, 8, (uint64_t)st.st_mtim.tv_sec);
    put(out, 8, (uint64_t)st.st_mtim.tv_nsec);
    put(out, 8, (uint64_t)st.st_ctim.tv_sec);
    put(out, 8, (uint64_t)st.st_ctim.tv_nsec);
    for (unsigned i = 0; i < 4; i++) {
        put(out, 8, 0); /* birth, generation, data version */
    }
    return 0;
}

static struct timespec time_to_set(In *in, uint32_t valid, uint32_t now, uint32_t to)
{
    struct timespec t;

    t.tv_sec = (time_t)get(in, 8);
    t.tv_nsec = (long)get(in, 8);
    if (!(valid & now)) {
        t.tv_nsec = UTIME_OMIT;
    } else if (!(valid & to)) {
        t.tv_nsec = UTIME_NOW;
    }
    return t;
}

static int set_size(const P9 *s, const Fid *f, uint64_t size)
{
    int fd = reopen(s, f->path, O_WRONLY), error = 0;

    if (fd < 0) {
        return errno;
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        error = errno;
    }
    close(fd);
    return error;
}

/* Owners are not changed: everything is the user's who runs Ketch.  To be told what they are already
 * is no change. */
static int check_owner(const Fid *f, uint32_t valid, uint32_t uid, uint32_t gid)
{
    struct stat st;

    if (fstat(f->path, &st) < 0) {
        return errno;
    }
    if (((valid & SET_UID) && uid != st.st_uid) || ((valid & SET_GID) && gid != st.st_gid)) {
        return EPERM;
    }
    return 0;
}

static int do_setattr(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint32_t valid = get32(in), mode = get32(in), uid = get32(in), gid = get32(in);
    struct timespec times[2];
    char number[16];
    uint64_t size;
    int error = f ? check_plain(f->path) : EBADF;

    (void)out;
    size = get(in, 8);
    times[0] = time_to_set(in, valid, SET_ATIME, SET_ATIME_TO);
    times[1] = time_to_set(in, valid, SET_MTIME, SET_MTIME_TO);
    error = error ? error : in->bad ? EINVAL : check_owner(f, valid, uid, gid);
    if (error) {
        return error;
    }
    snprintf(number, sizeof(number), "%d", f->path);
    if ((valid & SET_MODE) && fchmodat(s->proc, number, mode & 0777, 0) < 0) {
        return errno;
    }
    if (valid & SET_SIZE) {
        error = set_size(s, f, size);
    }
    if (!error && (valid & (SET_ATIME | SET_MTIME)) && utimensat(s->proc, number, times, 0) < 0) {
        error = errno;
    }
    return error;
}

static int adopt_open(Fid *f, int fd, bool folder)
{
    f->fd = fd;
    if (folder && !(f->dir = fdopendir(fd))) {
        return errno;
    }
    return 0;
}

static int do_lopen(P9 *s, In *in, Out *out)
{
    Fid *f = find_fid(s, get32(in));
    uint32_t flags = get32(in);
    struct stat st;
    int fd, error = f ? check_plain(f->path) : EBADF;

    if (error || f->fd >= 0) {
        return error ? error : EBUSY;
    }
    if (!s->writable && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))) {
        return EROFS;
    }
    fd = reopen(s, f->path, allowed_flags(flags) & ~O_EXCL);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return errno;
    }
    error = adopt_open(f, fd, S_ISDIR(st.st_mode));
    put_qid(out, st.st_mode, (uint64_t)st.st_mtime, st.st_ino);
    put(out, 4, 0);
    return error;
}

static int do_lcreate(P9 *s, In *in, Out *out)
{
    Fid *f = find_fid(s, get32(in));
    char name[NAME_MAX + 1];
    uint32_t flags, mode;
    int fd, path, error;

    get_text(in, name);
    flags = get32(in);
    mode = get32(in);
    if (!f || f->fd >= 0 || in->bad) {
        return f && !in->bad ? EBUSY : EBADF;
    }
    fd = create(s, f->path, name, allowed_flags(flags), mode);
    if (fd < 0) {
        return errno;
    }
    path = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (path < 0) {
        error = errno;
        close(fd);
        return error;
    }
    close(f->path);
    f->path = path;
    f->fd = fd;
    error = put_qid_of(out, fd);
    put(out, 4, 0);
    return error;
}

static int read_xattr(const P9Xattr *x, uint64_t offset, size_t count, Out *out)
{
    size_t size;
    const uint8_t *data = p9_xattr_data(x, &size);

    offset = offset < size ? offset : size;
    count = count < size - offset ? count : size - offset;
    put(out, 4, count);
    put_bytes(out, data + offset, count);
    return 0;
}

static int do_read(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint64_t offset = get(in, 8);
    uint32_t count = get32(in);
    size_t room = out->room - READ_HEADER;
    ssize_t n;

    if (f && f->xattr) {
        return read_xattr(f->xattr, offset, count < room ? count : room, out);
    }
    if (!f || f->fd < 0 || f->dir) {
        return EBADF;
    }
    n = pread(f->fd, out->start + READ_HEADER, count < room ? count : room, (off_t)offset);
    if (n < 0) {
        return errno;
    }
    put(out, 4, (uint64_t)n);
    out->used += (size_t)n;
    return 0;
}

static int do_write(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint64_t offset = get(in, 8);
    uint32_t count = get32(in);
    ssize_t n;

    if (f && f->xattr && count <= in->left) {
        put(out, 4, count);
        return p9_xattr_add(f->xattr, offset, in->at, count);
    }
    if (!f || f->fd < 0 || f->dir || count > in->left) {
        return f && f->fd >= 0 ? EINVAL : EBADF;
    }
    n = pwrite(f->fd, in->at, count, (off_t)offset);
    if (n < 0) {
        return errno;
    }
    put(out, 4, (uint64_t)n);
    return 0;
}

static int do_readdir(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint64_t offset = get(in, 8);
    uint32_t count = get32(in);
    size_t end = out->room - READ_HEADER < count ? out->room : READ_HEADER + count;
    const struct dirent *e;

    if (!f || !f->dir) {
        return EBADF;
    }
    seekdir(f->dir, (long)offset);
    put(out, 4, 0);
    while ((e = readdir(f->dir))) {
        size_t need = QID_BYTES + 8 + 1 + 2 + strlen(e->d_name);

        if (end < out->used || end - out->used < need) {
            break;
        }
        put_qid(out, DTTOIF(e->d_type), 0, e->d_ino);
        put(out, 8, (uint64_t)e->d_off);
        put(out, 1, e->d_type);
        put_text(out, e->d_name);
    }
    memcpy(out->start + HEADER, &(uint32_t){ (uint32_t)(out->used - READ_HEADER) }, 4);
    return 0;
}

static int do_readlink(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    char text[PATH_MAX];
    ssize_t n = f ? readlinkat(f->path, "", text, sizeof(text) - 1) : -1;

    if (n < 0) {
        return f ? errno : EBADF;
    }
    text[n] = 0;
    put_text(out, text);
    return 0;
}

/* The folder and the name of something that is to be made in it: 0 or an errno. */
static int get_new(P9 *s, In *in, const Fid **f, char name[NAME_MAX + 1])
{
    *f = find_fid(s, get32(in));
    get_text(in, name);
    return !*f ? EBADF : in->bad || !is_name(name) ? EINVAL : 0;
}

/* `result` is that of the system call that has made it. */
static int put_made(Out *out, int result, const Fid *f, const char *name)
{
    int made = result < 0 ? -1 : lookup(f->path, name), error;

    if (made < 0) {
        return errno;
    }
    error = put_qid_of(out, made);
    close(made);
    return error;
}

static int do_mkdir(P9 *s, In *in, Out *out)
{
    const Fid *f;
    char name[NAME_MAX + 1];
    int error = get_new(s, in, &f, name);

    return error ? error : put_made(out, mkdirat(f->path, name, (mode_t)get32(in) & 0777), f, name);
}

/* Its text is the guest's; Ketch never follows it. */
static int do_symlink(P9 *s, In *in, Out *out)
{
    const Fid *f;
    char name[NAME_MAX + 1], text[PATH_MAX];
    int error = get_new(s, in, &f, name);

    get_string(in, text, sizeof(text));
    if (error || in->bad) {
        return error ? error : EINVAL;
    }
    return put_made(out, symlinkat(text, f->path, name), f, name);
}

/* Devices would be the host's. */
static int do_mknod(P9 *s, In *in, Out *out)
{
    const Fid *f;
    char name[NAME_MAX + 1];
    int error = get_new(s, in, &f, name);
    mode_t mode = (mode_t)get32(in);

    if (error || in->bad) {
        return error ? error : EINVAL;
    }
    if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)) {
        return EPERM;
    }
    return put_made(out, mknodat(f->path, name, mode & (S_IFMT | 0777), 0), f, name);
}

/* Of files only: a link to a symbolic link would have to follow it. */
static int do_link(P9 *s, In *in, Out *out)
{
    const Fid *folder = find_fid(s, get32(in)), *f = find_fid(s, get32(in));
    char name[NAME_MAX + 1], number[16];
    int error = f && folder ? check_plain(f->path) : EBADF;

    (void)out;
    get_text(in, name);
    if (error || in->bad || !is_name(name)) {
        return error ? error : EINVAL;
    }
    snprintf(number, sizeof(number), "%d", f->path);
    return linkat(s->proc, number, folder->path, name, AT_SYMLINK_FOLLOW) < 0 ? errno : 0;
}

/* ---- Extended attributes: a fid stands for one until it is clunked ---- */

/* 0: the fid may stand for one, or get one. */
static int check_xattr(const P9 *s, const Fid *f)
{
    return !f ? EBADF : check_plain(f->path) ? EOPNOTSUPP : s->n_xattrs == MAX_XATTRS ? ENFILE : 0;
}

static int attach_xattr(P9 *s, Fid *f, P9Xattr *x)
{
    f->xattr = x;
    s->n_xattrs++;
    return 0;
}

static int do_xattrwalk(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    uint32_t number = get32(in);
    char name[NAME_MAX + 1];
    int error = check_xattr(s, f), fd, path;
    P9Xattr *x = NULL;
    size_t size;

    get_text(in, name);
    if (error || in->bad) {
        return error ? error : EINVAL;
    }
    fd = reopen(s, f->path, O_RDONLY);
    error = fd < 0 ? errno : p9_xattr_read(fd, name, &x);
    if (fd >= 0) {
        close(fd);
    }
    path = error ? -1 : fcntl(f->path, F_DUPFD_CLOEXEC, 0);
    error = error ? error : path < 0 ? errno : new_fid(s, number, path);
    if (error) {
        p9_xattr_free(x);
        return error;
    }
    p9_xattr_data(x, &size);
    put(out, 8, size);
    return attach_xattr(s, find_fid(s, number), x);
}

static int do_xattrcreate(P9 *s, In *in, Out *out)
{
    Fid *f = find_fid(s, get32(in));
    char name[NAME_MAX + 1];
    int error = check_xattr(s, f);
    P9Xattr *x = NULL;
    uint64_t size;

    (void)out;
    get_text(in, name);
    size = get(in, 8);
    if (error || in->bad || f->xattr || f->fd >= 0) {
        return error ? error : in->bad ? EINVAL : EBUSY;
    }
    error = p9_xattr_write(name, size, get32(in), &x);
    return error ? error : attach_xattr(s, f, x);
}

static int do_renameat(P9 *s, In *in, Out *out)
{
    char from_name[NAME_MAX + 1], to_name[NAME_MAX + 1];
    const Fid *from = find_fid(s, get32(in)), *to;

    (void)out;
    get_text(in, from_name);
    to = find_fid(s, get32(in));
    get_text(in, to_name);
    if (!from || !to || in->bad || !is_name(from_name) || !is_name(to_name)) {
        return from && to ? EINVAL : EBADF;
    }
    return renameat(from->path, from_name, to->path, to_name) < 0 ? errno : 0;
}

static int do_unlinkat(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    char name[NAME_MAX + 1];

    (void)out;
    get_text(in, name);
    if (!f || in->bad || !is_name(name)) {
        return f ? EINVAL : EBADF;
    }
    return unlinkat(f->path, name, get32(in) & AT_REMOVEDIR) < 0 ? errno : 0;
}

static int do_fsync(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));

    (void)out;
    if (!f || f->fd < 0) {
        return EBADF;
    }
    return fsync(f->fd) < 0 ? errno : 0;
}

static int do_statfs(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));
    struct statfs st;

    if (!f || fstatfs(f->path, &st) < 0) {
        return f ? errno : EBADF;
    }
    put(out, 4, 0x01021997); /* V9FS_MAGIC */
    put(out, 4, (uint64_t)st.f_bsize);
    put(out, 8, st.f_blocks);
    put(out, 8, st.f_bfree);
    put(out, 8, st.f_bavail);
    put(out, 8, st.f_files);
    put(out, 8, st.f_ffree);
    put(out, 8, 0);
    put(out, 4, NAME_MAX);
    return 0;
}

/* Locks are among the programs of the one guest: its kernel keeps them. */
static int do_lock(P9 *s, In *in, Out *out)
{
    put(out, 1, 0);
    return find_fid(s, get32(in)) ? 0 : EBADF;
}

static int do_getlock(P9 *s, In *in, Out *out)
{
    const Fid *f = find_fid(s, get32(in));

    get(in, 1);
    put(out, 1, 2); /* F_UNLCK: nobody has one */
    put_bytes(out, in->at, in->left);
    return f ? 0 : EBADF;
}

typedef struct Handler {
    uint8_t type;
    bool writes;
    int (*fn)(P9 *s, In *in, Out *out);
} Handler;

static const Handler handlers[] = {
    { 8, false, do_statfs },     { 12, false, do_lopen },       { 14, true, do_lcreate },
    { 16, true, do_symlink },    { 18, true, do_mknod },        { 22, false, do_readlink },
    { 24, false, do_getattr },   { 26, true, do_setattr },      { 30, false, do_xattrwalk },
    { 32, true, do_xattrcreate }, { 40, false, do_readdir },    { 50, false, do_fsync },
    { 52, false, do_lock },      { 54, false, do_getlock },     { 70, true, do_link },
    { 72, true, do_mkdir },      { 74, true, do_renameat },     { 76, true, do_unlinkat },
    { 100, false, do_version },  { 104, false, do_attach },     { 108, false, do_flush },
    { 110, false, do_walk },     { 116, false, do_read },       { 118, true, do_write },
    { 120, false, do_clunk },
};

static int dispatch(P9 *s, uint8_t type, In *in, Out *out)
{
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        const Handler *h = &handlers[i];

        if (h->type == type) {
            int error = h->writes && !s->writable ? EROFS : h->fn(s, in, out);

            return error ? error : in->bad ? EINVAL : out->full ? EMSGSIZE : 0;
        }
    }
    return EOPNOTSUPP;
}

size_t p9_serve(P9 *s, const uint8_t *request, size_t size, uint8_t *reply, size_t room)
{
    In in = { request, size, false };
    Out out = { reply, HEADER, room < P9_MESSAGE ? room : P9_MESSAGE, false };
    uint32_t length = get32(&in);
    uint8_t type = (uint8_t)get(&in, 1);
    uint16_t tag = (uint16_t)get(&in, 2);
    int error;

    if (in.bad || length < HEADER || length > size || room < READ_HEADER) {
        return 0;
    }
    in.left = length - HEADER;
    error = dispatch(s, type, &in, &out);
    if (error) {
        out.used = HEADER;
        put(&out, 4, (uint64_t)error);
    }
    memcpy(reply, &(uint32_t){ (uint32_t)out.used }, 4);
    reply[4] = error ? LERROR : (uint8_t)(type + 1);
    memcpy(reply + 5, &tag, 2);
    return out.used;
}

/* ---- Life ---- */

P9 *p9_new(const char *path, bool writable)
{
    P9 *s = calloc(1, sizeof(*s));

    if (!s) {
        return NULL;
    }
    s->writable = writable;
    s->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    s->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->root < 0 || s->proc < 0) {
        int error = errno;

        p9_free(s);
        errno = error;
        return NULL;
    }
    return s;
}

void p9_reset(P9 *s)
{
    while (s->fids) {
        clunk_fid(s, s->fids->number);
    }
}

void p9_free(P9 *s)
{
    if (!s) {
        return;
    }
    p9_reset(s);
    if (s->root >= 0) {
        close(s->root);
    }
    if (s->proc >= 0) {
        close(s->proc);
    }
    free(s);
}
