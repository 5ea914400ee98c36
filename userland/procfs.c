/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc that must speak of the guest, and paths in the sysroot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userland/abi.h"
#include "userland/mem.h"
#include "userland/path.h"
#include "userland/proc.h"

/* ---- The sysroot ---- */

/* Not looked up in the sysroot: what belongs to the machine, not to the system image. */
static bool is_outside(const char *path)
{
    static const char *const outside[] = { "/proc", "/sys", "/dev", "/tmp", "/run", "/home",
                                           "/root", "/var/tmp" };

    if (path[0] != '/' || path[1] == '\0') {
        return true;
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        size_t n = strlen(outside[i]);

        if (strncmp(path, outside[i], n) == 0 && (path[n] == '/' || path[n] == '\0')) {
            return true;
        }
    }
    return strncmp(path, process.sysroot, strlen(process.sysroot)) == 0;
}

static const char *self_file(const char *path);

const char *proc_path_link(const char *path, char *buf)
{
    const char *file = path[0] == '/' && path[1] == 'p' ? self_file(path) : NULL;
    struct stat st;

    if (file && strcmp(file, "exe") == 0) {
        return process.exe;
    }
    if (!process.sysroot[0] || is_outside(path) ||
        snprintf(buf, PATH_MAX, "%s%s", process.sysroot, path) >= PATH_MAX) {
        return path;
    }
    return lstat(buf, &st) == 0 ? buf : path;
}

const char *proc_path(const char *path, char *buf)
{
    const char *found = proc_path_link(path, buf);

    if (found == buf) {
        path_follow(buf);
    }
    return found;
}

/* ---- Files made here ---- */

static void write_text(FILE *out, char *text)
{
    if (text) {
        fputs(text, out);
    }
    free(text);
}

static void write_maps(FILE *out)
{
    write_text(out, mem_maps_text());
}

static void write_smaps(FILE *out)
{
    write_text(out, mem_smaps_text());
}

static void write_range(FILE *out, uint64_t start, uint64_t end)
{
    char buf[4096];

    while (start < end) {
        uint64_t n = end - start < sizeof(buf) ? end - start : sizeof(buf);

        if (!mem_read(buf, start, n)) {
            return;
        }
        fwrite(buf, 1, n, out);
        start += n;
    }
}

static void write_cmdline(FILE *out)
{
    write_range(out, process.arg_start, process.arg_end);
}

static void write_environ(FILE *out)
{
    write_range(out, process.env_start, process.env_end);
}

static void write_auxv(FILE *out)
{
    write_range(out, process.auxv_start, process.auxv_end);
}

/* Fields of /proc/PID/stat that are addresses (proc(5)). */
static bool stat_address(int field, uint64_t *value)
{
    switch (field) {
    case 26: *value = process.code_start; return true;
    case 27: *value = process.code_end; return true;
    case 28: *value = process.stack_hi - 8; return true;
    case 47: *value = (uint64_t)mem_brk(0); return true;
    case 48: *value = process.arg_start; return true;
    case 49: *value = process.arg_end; return true;
    case 50: *value = process.env_start; return true;
    case 51: *value = process.env_end; return true;
    default: return false;
    }
}

static void write_stat(FILE *out)
{
    char text[2048], *rest, *save = NULL;
    FILE *in = fopen("/proc/self/stat", "re");
    size_t n = in ? fread(text, 1, sizeof(text) - 1, in) : 0;
    int field = 3;
    uint64_t value;

    if (in) {
        fclose(in);
    }
    text[n] = '\0';
    rest = strrchr(text, ')');
    if (!rest) {
        return;
    }
    fprintf(out, "%.*s", (int)(rest + 1 - text), text);
    for (char *word = strtok_r(rest + 1, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        if (stat_address(field++, &value)) {
            fprintf(out, " %llu", (unsigned long long)value);
        } else {
            fprintf(out, " %s", word);
        }
    }
    fputc('\n', out);
}

static void write_cpuinfo(FILE *out)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    for (unsigned i = 0; i < (unsigned)(n < 1 ? 1 : n); i++) {
        char text[1024], isa[512];

        process.options->guest->cpu->isa(isa, sizeof(isa));
        /* The text is the architecture's, see UserAbi. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), process.abi->cpuinfo, i, i, isa);
#pragma GCC diagnostic pop
        fputs(text, out);
    }
}

static const struct {
    const char *name;
    void (*write)(FILE *out);
} made[] = {
    { "maps", write_maps },   { "cmdline", write_cmdline }, { "environ", write_environ },
    { "auxv", write_auxv },   { "stat", write_stat },       { "smaps", write_smaps },
};

static int64_t made_file(const char *name, int flags, void (*write)(FILE *out))
{
    int fd;
    FILE *out;

    if ((flags & O_ACCMODE) != O_RDONLY) {
        return -EACCES;
    }
    fd = memfd_create(name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0) {
        return -errno;
    }
    out = fdopen(dup(fd), "w");
    if (out) {
        write(out);
        fclose(out);
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The part after /proc/self/, /proc/thread-self/ or /proc/<our pid>/ (with a task/<tid>/ of ours
 * skipped); NULL for other paths. */
static const char *self_file(const char *path)
{
    char own[48];
    size_t n;

    if (strncmp(path, "/proc/", 6) != 0) {
        return NULL;
    }
    path += 6;
    n = (size_t)snprintf(own, sizeof(own), "%d/", (int)HOST_CALL0(SYS_getpid));
    if (strncmp(path, "self/", 5) == 0) {
        path += 5;
    } else if (strncmp(path, "thread-self/", 12) == 0) {
        path += 12;
    } else if (strncmp(path, own, n) == 0) {
        path += n;
    } else {
        return NULL;
    }
    n = (size_t)snprintf(own, sizeof(own), "task/%d/", (int)HOST_CALL0(SYS_gettid));
    return strncmp(path, own, n) == 0 ? path + n : path;
}

bool proc_open(const char *path, int flags, int64_t *result)
{
    const char *file = self_file(path);
    bool is_cpuinfo = strcmp(path, "/proc/cpuinfo") == 0;

    if ((file || is_cpuinfo) && access(path, F_OK) < 0) {
        return false; /* nothing is mounted there, or not all of it */
    }
    if (is_cpuinfo) {
        *result = made_file("cpuinfo", flags, write_cpuinfo);
        return true;
    }
    for (size_t i = 0; file && i < sizeof(made) / sizeof(made[0]); i++) {
        if (strcmp(file, made[i].name) == 0) {
            *result = made_file(file, flags, made[i].write);
            return true;
        }
    }
    if (file && strcmp(file, "exe") == 0) {
        *result = HOST_CALL4(SYS_openat, AT_FDCWD, process.exe, flags, 0);
        return true;
    }
    return false;
}

bool proc_readlink(const char *path, char *buf, size_t size, int64_t *result)
{
    const char *file = self_file(path);
    size_t n = strlen(process.exe);

    if (!file || strcmp(file, "exe") != 0) {
        return false;
    }
    n = n < size ? n : size;
    memcpy(buf, process.exe, n);
    *result = (int64_t)n;
    return true;
}
