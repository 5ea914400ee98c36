/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ketch binfmt install|remove|status`: the kernel's binfmt_misc entry that makes foreign
 * programs start under Ketch by themselves (Linux, "Kernel Support for miscellaneous Binary
 * Formats").
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ui/cli/commands.h"

#define BINFMT_DIR "/proc/sys/fs/binfmt_misc"

/* What the kernel compares: the ELF header up to e_machine, any OS ABI, ET_EXEC or ET_DYN. */
static const struct {
    const char *name;
    const char *magic;
    const char *mask;
} formats[] = {
    { "ketch-riscv64",
      "\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
      "\\x02\\x00\\xf3\\x00",
      "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
      "\\xfe\\xff\\xff\\xff" },
};

enum { FORMAT_COUNT = sizeof(formats) / sizeof(formats[0]) };

/* Writes `text` to a file of the binfmt directory; says what failed and returns false. */
static bool put(const char *file, const char *text)
{
    char path[256];
    int fd;
    bool ok;

    snprintf(path, sizeof(path), BINFMT_DIR "/%s", file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (!ok) {
        fprintf(stderr, "ketch binfmt: cannot write %s: %s%s\n", path, strerror(errno),
                errno == EACCES || errno == EPERM ? "; run it as root" : "");
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool available(void)
{
    if (access(BINFMT_DIR "/register", F_OK) == 0) {
        return true;
    }
    fprintf(stderr, "ketch binfmt: %s/register is missing; as root: mount -t binfmt_misc "
                    "binfmt_misc " BINFMT_DIR "\n", BINFMT_DIR);
    return false;
}

static bool is_registered(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), BINFMT_DIR "/%s", name);
    return access(path, F_OK) == 0;
}

static int remove_all(void)
{
    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        if (is_registered(formats[i].name) && !put(formats[i].name, "-1")) {
            return 1;
        }
    }
    return 0;
}

/* The program that the entry names: ketch-<isa>-static beside us if there is one, since it also
 * works inside chroots and containers (flag F: the kernel opens it now), else ketch-<isa>. */
static bool interpreter(const char *name, char *path, size_t size)
{
    static const char *const suffixes[] = { "-static", "" };
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0) {
        fprintf(stderr, "ketch binfmt: /proc/self/exe: %s\n", strerror(errno));
        return false;
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (unsigned i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if ((size_t)snprintf(path, size, "%s/%s%s", self, name, suffixes[i]) < size &&
            access(path, X_OK) == 0) {
            return true;
        }
    }
    fprintf(stderr, "ketch binfmt: %s/%s is missing; tools/install puts it there\n", self, name);
    return false;
}

static int install_all(void)
{
    char program[PATH_MAX];
    char line[PATH_MAX + 1024];

    if (remove_all() != 0) {
        return 1;
    }
    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        if (!interpreter(formats[i].name, program, sizeof(program))) {
            return 1;
        }
        snprintf(line, sizeof(line), ":%s:M::%s:%s:%s:PF", formats[i].name, formats[i].magic,
                 formats[i].mask, program);
        if (!put("register", line)) {
            return 1;
        }
        printf("%s: programs of this kind now start under %s\n", formats[i].name, program);
    }
    return 0;
}

static int show_status(void)
{
    int missing = 0;

    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        char path[256];
        char line[PATH_MAX + 64];
        FILE *f;

        snprintf(path, sizeof(path), BINFMT_DIR "/%s", formats[i].name);
        f = fopen(path, "re");
        if (!f) {
            printf("%s: not installed\n", formats[i].name);
            missing = 1;
            continue;
        }
        printf("%s:\n", formats[i].name);
        while (fgets(line, sizeof(line), f)) {
            printf("  %s", line);
        }
        fclose(f);
    }
    return missing;
}

int command_binfmt(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fn)(void);
    } verbs[] = { { "install", install_all }, { "remove", remove_all }, { "status", show_status } };

    if (argc == 2) {
        for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            if (!strcmp(argv[1], verbs[i].name)) {
                return available() ? verbs[i].fn() : 1;
            }
        }
    }
    return command_usage(argc, argv,
                         "usage: ketch binfmt install|remove|status\n"
                         "  install  make riscv64 programs start under Ketch (as root)\n"
                         "  remove   undo that\n"
                         "  status   show the kernel's entry; exit status 1 when there is none\n");
}
