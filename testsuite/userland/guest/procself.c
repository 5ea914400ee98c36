/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/self says must be about the guest; what the auxiliary vector says must be true. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "check.h"

static char text[1 << 16];

static size_t slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t n, size = 0;

    CHECK(fd >= 0);
    while ((n = read(fd, text + size, sizeof(text) - 1 - (size_t)size)) > 0) {
        size += n;
    }
    text[size] = '\0';
    close(fd);
    return (size_t)size;
}

/* Protection letters of the mapping that holds p, and its name. */
static int maps_line(const void *p, char prot[5], char *file)
{
    slurp("/proc/self/maps");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long lo, hi;

        file[0] = '\0';
        CHECK(sscanf(line, "%lx-%lx %4s %*s %*s %*s %s", &lo, &hi, prot, file) >= 3);
        if ((uintptr_t)p >= lo && (uintptr_t)p < hi) {
            return 1;
        }
    }
    return 0;
}

static int global;

static void maps(void)
{
    char prot[5], file[4096], exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(n > 0);
    exe[n] = '\0';
    CHECK(maps_line((void *)maps, prot, file));
    CHECK(strcmp(prot, "r-xp") == 0 && strcmp(file, exe) == 0);
    CHECK(maps_line(&global, prot, file));
    CHECK(strcmp(prot, "rw-p") == 0);
    CHECK(maps_line(prot, prot, file));
    CHECK(strcmp(prot, "rw-p") == 0 && strcmp(file, "[stack]") == 0);
    CHECK(maps_line(p, prot, file));
    CHECK(strcmp(prot, "r-xp") == 0 && file[0] == '\0');
    CHECK(maps_line((void *)getauxval(AT_SYSINFO_EHDR), prot, file));
    CHECK(strcmp(file, "[vdso]") == 0);
    CHECK(!maps_line((void *)0x3000000000, prot, file));
    slurp("/proc/self/maps");
    CHECK(strstr(text, "ketch") == NULL || strstr(exe, "ketch") != NULL);
}

static void heap(void)
{
    char prot[5], file[4096];

    CHECK(maps_line((char *)sbrk(4096), prot, file));
    CHECK(strcmp(prot, "rw-p") == 0 && strcmp(file, "[heap]") == 0);
}

static void others(int argc, char **argv)
{
    size_t n = slurp("/proc/self/cmdline"), want = 0;
    char path[64];
    const char *p = text;

    for (int i = 0; i < argc; i++) {
        CHECK(strcmp(p, argv[i]) == 0);
        p += strlen(argv[i]) + 1;
        want += strlen(argv[i]) + 1;
    }
    CHECK_EQ(n, want);
    n = slurp("/proc/self/auxv");
    CHECK_EQ(n % sizeof(Elf64_auxv_t), 0);
    for (Elf64_auxv_t *a = (Elf64_auxv_t *)text; a->a_type != AT_NULL; a++) {
        CHECK_EQ(getauxval(a->a_type), a->a_un.a_val);
    }
    snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
    slurp(path);
    CHECK_EQ(atoi(text), getpid());
    slurp("/proc/cpuinfo");
    CHECK(strstr(text, "rv64im") != NULL);
}

static void memory(void)
{
    static uint64_t cell = 0x1122334455667788;
    uint64_t got = 0;
    int fd = open("/proc/self/mem", O_RDWR);

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &got, 8, (off_t)(uintptr_t)&cell), 8);
    CHECK_EQ(got, cell);
    got = 5;
    CHECK_EQ(pwrite(fd, &got, 8, (off_t)(uintptr_t)&cell), 8);
    CHECK_EQ(cell, 5);
}

static void vector(void)
{
    struct utsname u;
    const Elf64_Ehdr *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
    const uint8_t *random = (void *)getauxval(AT_RANDOM);
    unsigned long imafdc = 1 << 8 | 1 << 12 | 1 << 0 | 1 << 5 | 1 << 3 | 1 << 2;

    CHECK_EQ(getauxval(AT_HWCAP), imafdc);
    CHECK_EQ(getauxval(AT_PAGESZ), 4096);
    CHECK_EQ(getauxval(AT_UID), getuid());
    CHECK(random != NULL && (random[0] | random[5] | random[11]) != 0);
    CHECK(memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0 && vdso->e_machine == EM_RISCV);
    CHECK(((Elf64_Phdr *)getauxval(AT_PHDR))->p_type != 0);
    CHECK_EQ(uname(&u), 0);
    CHECK(strcmp(u.machine, "riscv64") == 0);
    CHECK(strstr((char *)getauxval(AT_EXECFN), "procself") != NULL);
}

int main(int argc, char **argv)
{
    maps();
    heap();
    others(argc, argv);
    memory();
    vector();
    return passed();
}
