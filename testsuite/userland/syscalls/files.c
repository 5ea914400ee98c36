/* SPDX-License-Identifier: Apache-2.0 */
/* Names, contents and status of files. */
#include "show.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static void show_stat(const struct stat *st)
{
    printf("mode %o nlink %d uid %d gid %d size %ld blksize %ld few blocks %d mtime %ld.%09ld\n",
           st->st_mode, (int)st->st_nlink, st->st_uid, st->st_gid, (long)st->st_size,
           (long)st->st_blksize, st->st_blocks <= 64, (long)st->st_mtim.tv_sec,
           st->st_mtim.tv_nsec);
}

static void contents(void)
{
    char buf[64] = "";
    struct iovec out[3] = { { "one ", 4 }, { "two ", 4 }, { "three", 5 } };
    struct iovec in[2] = { { buf, 5 }, { buf + 10, 20 } };
    int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);

    WORKS(fd);
    SHOW(open("data", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(write(fd, "hello, world", 12));
    SHOW(lseek(fd, 7, SEEK_SET));
    SHOW(read(fd, buf, sizeof(buf)));
    printf("%s\n", buf);
    SHOW(pwrite(fd, "W", 1, 7));
    SHOW(pread(fd, buf, 5, 7));
    printf("%.5s\n", buf);
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(writev(fd, out, 3));
    SHOW(pwritev(fd, out, 2, 0));
    memset(buf, 0, sizeof(buf));
    SHOW(preadv(fd, in, 2, 1));
    printf("%s|%s\n", buf, buf + 10);
    SHOW(preadv2(fd, in, 2, 2, 0));
    SHOW(pwritev2(fd, out, 1, -1, RWF_APPEND));
    SHOW(pwritev2(fd, out, 1, 0, 0x4000000));
    SHOW(readv(fd, in, -1));
    SHOW(readv(fd, in, 0));
    SHOW(ftruncate(fd, 100));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(fallocate(fd, 0, 0, 8192));
    SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    SHOW(fsync(fd));
    SHOW(fdatasync(fd));
    SHOW(syncfs(fd));
    SHOW(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
    SHOW(readahead(fd, 0, 100));
    SHOW(truncate("data", 5));
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(read(fd, buf, 1));
}

static void status(void)
{
    struct timespec times[2] = { { 1000, 1 }, { 2000, 999999999 } };
    struct stat st;
    struct statx stx;
    struct statfs fs;

    SHOW(utimensat(AT_FDCWD, "data", times, 0));
    SHOW(stat("data", &st));
    show_stat(&st);
    SHOW(symlink("data", "soft"));
    SHOW(utimensat(AT_FDCWD, "soft", times, AT_SYMLINK_NOFOLLOW));
    SHOW(lstat("soft", &st));
    show_stat(&st);
    SHOW(stat("none", &st));
    SHOW(fstatat(AT_FDCWD, "soft", &st, 0));
    HOLDS(S_ISREG(st.st_mode));
    SHOW(stat("/dev/null", &st));
    printf("%o %u:%u\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
    SHOW(fstatat(5555, "x", &st, 0));
    SHOW(fstatat(AT_FDCWD, "", &st, 0));
    SHOW(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    SHOW(syscall(SYS_fstat, 77, &st));
    SHOW(statx(AT_FDCWD, "data", 0, STATX_BASIC_STATS, &stx));
    printf("%o %lu %ld.%09u\n", stx.stx_mode, (long)stx.stx_size, (long)stx.stx_mtime.tv_sec,
           stx.stx_mtime.tv_nsec);
    SHOW(statx(AT_FDCWD, "data", 0, 0x80000000, &stx));
    SHOW(statfs(".", &fs));
    printf("%lx %ld %ld\n", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
    SHOW(statfs("none", &fs));
    SHOW(chmod("data", 0421));
    SHOW(fchmodat(AT_FDCWD, "data", 0420, 0));
    SHOW(syscall(452, AT_FDCWD, "data", 0422, 0));
    SHOW(stat("data", &st));
    printf("%o\n", st.st_mode);
    SHOW(access("data", R_OK));
    SHOW(access("none", F_OK));
    SHOW(faccessat(AT_FDCWD, "data", F_OK, AT_EACCESS));
    SHOW(syscall(SYS_faccessat2, AT_FDCWD, "soft", F_OK, AT_SYMLINK_NOFOLLOW));
    SHOW(syscall(SYS_faccessat2, AT_FDCWD, "soft", 77, 0));
    SHOW(lchown("soft", getuid(), getgid()));
    SHOW(fchownat(AT_FDCWD, "data", -1, -1, 0));
    SHOW(umask(027));
    SHOW(umask(022));
}

static void names(void)
{
    char buf[64];
    ssize_t n = readlink("soft", buf, sizeof(buf));

    printf("%.*s\n", (int)n, buf);
    SHOW(readlink("soft", buf, 2));
    SHOW(readlink("data", buf, 2));
    SHOW(syscall(SYS_readlinkat, AT_FDCWD, "soft", buf, 0));
    SHOW(syscall(SYS_readlinkat, AT_FDCWD, "soft", buf, -1));
    SHOW(link("data", "hard"));
    SHOW(linkat(AT_FDCWD, "soft", AT_FDCWD, "hard2", AT_SYMLINK_FOLLOW));
    SHOW(rename("hard2", "hard3"));
    SHOW(renameat2(AT_FDCWD, "hard3", AT_FDCWD, "hard", RENAME_NOREPLACE));
    SHOW(renameat2(AT_FDCWD, "hard3", AT_FDCWD, "soft", RENAME_EXCHANGE));
    SHOW(mkdir("dir", 0750));
    SHOW(mkdir("dir", 0750));
    SHOW(rmdir("data"));
    SHOW(unlink("dir"));
    SHOW(unlinkat(AT_FDCWD, "dir", 0));
    SHOW(mkfifo("dir/fifo", 0600));
    SHOW(mknodat(AT_FDCWD, "dir/plain", S_IFREG | 0600, 0));
    SHOW(chdir("dir"));
    SHOW(chdir("plain"));
    HOLDS(strcmp(strrchr(getcwd(buf, sizeof(buf)), '/'), "/dir") == 0);
    SHOW(syscall(SYS_getcwd, buf, 3));
    SHOW(chdir(".."));
    SHOW(open("dir/fifo", O_WRONLY | O_NONBLOCK));
    SHOW(open("soft", O_RDONLY | O_NOFOLLOW));
    SHOW(open("hard3", O_RDONLY | O_NOFOLLOW));
    SHOW(open("data", O_RDONLY | O_DIRECTORY));
    SHOW(open("dir", O_WRONLY));
    SHOW(open("", O_RDONLY));
    SHOW(unlink("dir/fifo"));
    SHOW(unlink("dir/plain"));
    SHOW(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR));
}

static void directory(void)
{
    DIR *d = opendir(".");
    struct dirent *e;
    unsigned count = 0, letters = 0;

    while ((e = readdir(d))) {
        count++;
        letters += strlen(e->d_name);
        HOLDS(e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_REG);
    }
    closedir(d);
    printf("%u entries, %u letters\n", count, letters);
    SHOW(syscall(SYS_getdents64, 0x1000, BAD, 100));
}

static void openat2_and_friends(void)
{
    struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
    int fd;

    SHOW(syscall(SYS_openat2, AT_FDCWD, "hard3", &how, sizeof(how)));
    WORKS(fd = syscall(SYS_openat2, AT_FDCWD, "data", &how, sizeof(how)));
    SHOW(close(fd));
    SHOW(syscall(SYS_openat2, AT_FDCWD, "data", &how, 8));
    how.flags = 1ull << 40;
    SHOW(syscall(SYS_openat2, AT_FDCWD, "data", &how, sizeof(how)));
    WORKS(fd = open(".", O_TMPFILE | O_RDWR, 0600));
    SHOW(close(fd));
    WORKS(fd = open("data", O_PATH));
    SHOW(read(fd, &how, 1));
    SHOW(fcntl(fd, F_GETFL) & ~0100000);
    SHOW(close(fd));
}

static void moving(void)
{
    int a = open("a", O_RDWR | O_CREAT, 0600), b = open("b", O_RDWR | O_CREAT, 0600);
    int p[2], q[2];
    loff_t from = 2, to = 1;
    struct iovec v = { "gift", 4 };
    char buf[32] = "";
    off_t at = 3;

    SHOW(write(a, "0123456789", 10));
    SHOW(copy_file_range(a, &from, b, &to, 5, 0));
    printf("%ld %ld\n", (long)from, (long)to);
    SHOW(pread(b, buf, sizeof(buf), 0));
    SHOW(sendfile(b, a, &at, 4));
    printf("%ld\n", (long)at);
    SHOW(pipe2(p, O_CLOEXEC | O_NONBLOCK));
    SHOW(pipe2(q, O_DIRECT));
    SHOW(pipe2(q, 0x7));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(read(p[0], buf, 1));
    from = 0;
    SHOW(splice(a, &from, p[1], NULL, 6, 0));
    SHOW(tee(p[0], q[1], 6, 0));
    SHOW(vmsplice(p[1], &v, 1, 0));
    memset(buf, 0, sizeof(buf));
    SHOW(read(p[0], buf, sizeof(buf)));
    printf("%s\n", buf);
    memset(buf, 0, sizeof(buf));
    SHOW(read(q[0], buf, sizeof(buf)));
    printf("%s\n", buf);
    SHOW(splice(a, &from, b, NULL, 6, 0));
    SHOW(fcntl(p[0], F_SETPIPE_SZ, 8192));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    close(p[0]);
    close(p[1]);
    close(q[0]);
    close(q[1]);
    SHOW(dup3(a, 200, O_CLOEXEC));
    SHOW(fcntl(200, F_GETFD));
    SHOW(dup3(a, a, 0));
    SHOW(dup2(a, 201));
    SHOW(fcntl(a, F_DUPFD_CLOEXEC, 202));
    SHOW(fcntl(202, F_GETFD));
    SHOW(syscall(SYS_close_range, 200, 202, 4));
    SHOW(fcntl(201, F_GETFD));
    SHOW(syscall(SYS_close_range, 200, 300, 0));
    SHOW(fcntl(201, F_GETFD));
    SHOW(syscall(SYS_close_range, 300, 200, 0));
    close(a);
    close(b);
    unlink("a");
    unlink("b");
}

static void locks(void)
{
    int a = open("data", O_RDWR), b = open("data", O_RDWR);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 3 };
    struct f_owner_ex owner = { F_OWNER_PID, 0 };

    SHOW(flock(a, LOCK_EX));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_UN));
    SHOW(flock(a, 99));
    SHOW(fcntl(a, F_OFD_SETLK, &lock));
    SHOW(fcntl(b, F_OFD_SETLK, &lock));
    SHOW(fcntl(b, F_OFD_GETLK, &lock));
    printf("%d %ld %ld %d\n", lock.l_type, (long)lock.l_start, (long)lock.l_len, lock.l_pid);
    lock.l_pid = 0;
    SHOW(fcntl(b, F_SETLK, &lock));
    lock.l_type = F_UNLCK;
    SHOW(fcntl(a, F_OFD_SETLK, &lock));
    lock.l_type = F_RDLCK;
    SHOW(fcntl(b, F_SETLKW, &lock));
    SHOW(fcntl(b, F_GETLK, &lock));
    printf("%d\n", lock.l_type);
    SHOW(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK | O_NOATIME));
    SHOW(fcntl(a, F_GETFL) & ~0100000);
    SHOW(fcntl(a, F_SETOWN_EX, &owner));
    SHOW(fcntl(a, F_GETOWN_EX, &owner));
    SHOW(fcntl(a, F_SETSIG, 10));
    SHOW(fcntl(a, F_GETSIG));
    SHOW(fcntl(a, 9999));
    close(a);
    close(b);
}

static void memory_files(void)
{
    int fd = memfd_create("box", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    char buf[100];
    ssize_t n;

    WORKS(fd);
    SHOW(memfd_create("box", 0xf00));
    SHOW(write(fd, "abc", 3));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(ftruncate(fd, 10));
    SHOW(fsetxattr(fd, "user.x", "v", 1, 0));
    close(fd);
    SHOW(setxattr("data", "user.colour", "blue", 4, XATTR_CREATE));
    SHOW(setxattr("data", "user.colour", "blue", 4, XATTR_CREATE));
    SHOW(getxattr("data", "user.colour", buf, sizeof(buf)));
    SHOW(getxattr("data", "user.colour", NULL, 0));
    SHOW(getxattr("data", "user.colour", buf, 2));
    SHOW(getxattr("data", "user.none", buf, sizeof(buf)));
    n = listxattr("data", buf, sizeof(buf));
    printf("%d\n", (int)n > 0 ? memcmp(buf, "user.colour", 11) : 0);
    SHOW(removexattr("data", "user.colour"));
    SHOW(lgetxattr("soft", "user.colour", buf, sizeof(buf)));
}

int main(void)
{
    umask(022);
    own_directory();
    contents();
    status();
    names();
    directory();
    openat2_and_friends();
    moving();
    locks();
    memory_files();
    unlink("data");
    unlink("soft");
    unlink("hard");
    unlink("hard3");
    leave_directory();
    return 0;
}
