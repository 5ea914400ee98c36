/* SPDX-License-Identifier: Apache-2.0 */
/* The memory map: what each call does and refuses. */
#include "show.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096L

static sigjmp_buf back;
static volatile int fault_code;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    fault_code = sig * 100 + info->si_code;
    siglongjmp(back, 1);
}

/* 0, or signal and code of a read or write there. */
static int touch(volatile char *p, int write)
{
    fault_code = 0;
    if (sigsetjmp(back, 1) == 0) {
        if (write) {
            *p = *p + 1;
        } else {
            (void)*p;
        }
    }
    return fault_code;
}

static char *pages(int n)
{
    return mmap(NULL, (size_t)(n * PAGE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void mapping(void)
{
    char *p = pages(4), *q;
    int fd = open("/proc/self/exe", O_RDONLY);

    SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
    SHOW(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5));
    SHOW(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    SHOW(mmap(p + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    SHOW(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    SHOW(mmap(NULL, -PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    HOLDS(mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          p + PAGE);
    SHOW(touch(p, 1));
    SHOW(touch(p + PAGE, 0));
    SHOW(touch(p + PAGE, 1));
    SHOW(munmap(p + 2 * PAGE, PAGE));
    SHOW(touch(p + 2 * PAGE, 0));
    SHOW(touch(p + 3 * PAGE, 1));
    SHOW(munmap(p + 2 * PAGE, PAGE));
    SHOW(munmap(p + 1, PAGE));
    SHOW(munmap(p, 0));
    SHOW(munmap(p, 4 * PAGE));
    q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    SHOW(memcmp(q, "\177ELF", 4));
    SHOW(touch(q, 1));
    SHOW(munmap(q, 2 * PAGE));
    close(fd);
}

static void beyond_the_end(void)
{
    int fd = memfd_create("short", 0);
    char *p;

    SHOW(ftruncate(fd, 100));
    p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOW(touch(p + 50, 1));
    SHOW(touch(p + 200, 1));
    SHOW(touch(p + PAGE, 0));
    SHOW(ftruncate(fd, 2 * PAGE));
    SHOW(touch(p + PAGE, 1));
    SHOW(msync(p, 2 * PAGE, MS_SYNC));
    SHOW(msync(p + 1, PAGE, MS_SYNC));
    SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
    SHOW(munmap(p, 2 * PAGE));
    SHOW(msync(p, PAGE, MS_SYNC));
    close(fd);
}

static void protecting(void)
{
    char *p = pages(4);
    static const int kinds[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };

    for (int i = 0; i < 4; i++) {
        SHOW(mprotect(p + PAGE, 2 * PAGE, kinds[i]));
        SHOW(touch(p + PAGE, 0));
        SHOW(touch(p + 2 * PAGE, 1));
        SHOW(touch(p + 3 * PAGE, 1));
    }
    SHOW(mprotect(p + 1, PAGE, PROT_READ));
    SHOW(mprotect(p, 0, PROT_READ));
    SHOW(mprotect(p, PAGE, 0x1000));
    SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
    SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSUP));
    SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
    SHOW(munmap(p + 2 * PAGE, PAGE));
    SHOW(mprotect(p, 4 * PAGE, PROT_READ));
    SHOW(touch(p, 1));
    SHOW(touch(p + 3 * PAGE, 1));
    SHOW(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
    SHOW(mprotect(p, -PAGE, PROT_READ));
    munmap(p, 4 * PAGE);
}

static void moving(void)
{
    char *p = pages(4), *q, *r = pages(8);

    strcpy(p, "moved");
    SHOW(munmap(r, 8 * PAGE));
    q = mremap(p, 4 * PAGE, 2 * PAGE, 0);
    HOLDS(q == p);
    SHOW(touch(p + 2 * PAGE, 0));
    q = mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r);
    HOLDS(q == r && strcmp(q, "moved") == 0);
    SHOW(touch(q + 7 * PAGE, 1));
    SHOW(touch(p, 0));
    SHOW(mremap(q, 0, PAGE, MREMAP_MAYMOVE));
    SHOW(mremap(q, PAGE, 0, 0));
    SHOW(mremap(q + 1, PAGE, PAGE, 0));
    SHOW(mremap(q, PAGE, PAGE, 0x80));
    SHOW(mremap(q, 2 * PAGE, PAGE, MREMAP_FIXED, p));
    SHOW(mremap(q, 2 * PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, q + PAGE));
    SHOW(mremap(BAD - (uintptr_t)BAD % PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    SHOW(mremap((char *)(10 * PAGE), -PAGE, PAGE, 0));
    SHOW(mremap((char *)(10 * PAGE), 2 * PAGE, PAGE, 0));
    SHOW(mremap((char *)(1L << 60), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    SHOW(mremap(q, -PAGE, PAGE, 0));
    p = mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    HOLDS(p != MAP_FAILED && strcmp(p, "moved") == 0 && *q == 0);
    munmap(q, 8 * PAGE);
    munmap(p, PAGE);
    p = pages(1);
    q = pages(64);
    munmap(q, 64 * PAGE);
    HOLDS(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, q) == (long)q);
    munmap(p, PAGE);
    munmap(q, PAGE);
}

/* Other pages of the same file in place. */
static void reordering(void)
{
    int fd = memfd_create("pages", 0);
    char *p;

    ftruncate(fd, 4 * PAGE);
    for (int i = 0; i < 4; i++) {
        pwrite(fd, &"abcd"[i], 1, i * PAGE);
    }
    p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOW(remap_file_pages(p, PAGE, 0, 3, 0));
    SHOW(remap_file_pages(p + PAGE, 2 * PAGE, 0, 0, 0));
    printf("%c%c%c%c\n", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE]);
    *p = 'x';
    printf("%c\n", p[3 * PAGE]);
    SHOW(remap_file_pages(p, PAGE, PROT_READ, 3, 0));
    SHOW(remap_file_pages(p, 0, 0, 3, 0));
    SHOW(munmap(p, 4 * PAGE));
    SHOW(remap_file_pages(p, PAGE, 0, 3, 0));
    p = pages(1);
    SHOW(remap_file_pages(p, PAGE, 0, 0, 0));
    SHOW(munmap(p, PAGE));
    close(fd);
}

static void advising(void)
{
    char *p = pages(4);
    unsigned char in[4];

    memset(p, 7, 4 * PAGE);
    SHOW(madvise(p, PAGE, MADV_DONTNEED));
    printf("%d %d\n", p[0], p[PAGE]);
    SHOW(madvise(p, 4 * PAGE, MADV_WILLNEED));
    SHOW(madvise(p, 4 * PAGE, MADV_FREE));
    SHOW(madvise(p, 4 * PAGE, MADV_DONTFORK));
    SHOW(madvise(p, 4 * PAGE, MADV_DOFORK));
    SHOW(madvise(p, 4 * PAGE, 9999));
    SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
    SHOW(madvise(p, 0, MADV_DONTNEED));
    SHOW(mincore(p, 4 * PAGE, in));
    SHOW(mincore(p + 1, PAGE, in));
    SHOW(mlock(p, PAGE));
    SHOW(munlock(p, PAGE));
    SHOW(mlock2(p, PAGE, 1));
    SHOW(mlock2(p, PAGE, 77));
    SHOW(munlockall());
    SHOW(munmap(p, 4 * PAGE));
    SHOW(mincore(p, PAGE, in));
    SHOW(madvise(p, PAGE, MADV_DONTNEED));
    SHOW(mlock(p, PAGE));
    SHOW(munlock(p, PAGE));
}

/* Protections of the pages of [p, p + 16 pages), as /proc/self/maps has them. */
static void show_pages(const char *p)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long lo, hi;
    char line[512], prot[5], pages[17] = "................";

    while (fgets(line, sizeof(line), maps)) {
        sscanf(line, "%lx-%lx %4s", &lo, &hi, prot);
        for (int i = 0; i < 16; i++) {
            if (lo <= (unsigned long)p + i * PAGE && (unsigned long)p + i * PAGE < hi) {
                pages[i] = prot[1] == 'w' ? 'w' : prot[0];
            }
        }
    }
    fclose(maps);
    puts(pages);
}

/* Several mappings at once, which Linux does since 6.17, and of one mapping a part. */
static void moving_several(void)
{
    char *from = pages(8), *to = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(from + PAGE, PAGE, PROT_READ);
    munmap(from + 3 * PAGE, 2 * PAGE);
    from[5 * PAGE] = 9;
    if (mremap(from, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 4 * PAGE) == to + 4 * PAGE) {
        printf("%d\n", to[9 * PAGE]);
    }
    show_pages(to);
    mremap(from + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    show_pages(to);
}

/* The first stack may be protected as a whole; other memory has no such direction. */
static void the_stack(void)
{
    char here, *page = &here - (long)&here % PAGE, *p = pages(1);

    SHOW(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_GROWSDOWN));
    SHOW(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_GROWSUP));
    SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
    show_pages(page - 15 * PAGE);
}

/* mseal, since Linux 6.10: what has been sealed stays. */
static void sealing(void)
{
    char *p = pages(16), *q = pages(2);

    SHOW(syscall(462, p + 1, PAGE, 0));
    SHOW(syscall(462, p, PAGE, 1));
    SHOW(syscall(462, p, 0, 0));
    SHOW(syscall(462, p, -PAGE, 0));
    SHOW(syscall(462, p + 2 * PAGE, PAGE + 1, 0));
    SHOW(syscall(462, p + 2 * PAGE, PAGE, 0));
    SHOW(munmap(p, 4 * PAGE));
    SHOW(munmap(p + 2 * PAGE, PAGE));
    SHOW(mprotect(p + 3 * PAGE, PAGE, PROT_READ));
    SHOW(mprotect(p, 16 * PAGE, PROT_READ));
    SHOW(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
    SHOW(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
    SHOW(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE));
    SHOW(mmap(p + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    show_pages(p);
    SHOW(touch(p + 2 * PAGE, 1));
    SHOW(munmap(p, 2 * PAGE));
    munmap(q, PAGE);
    SHOW(syscall(462, q, 2 * PAGE, 0));
}

static void the_heap(void)
{
    char *end = sbrk(0), *more = sbrk(3 * PAGE);

    HOLDS(more == end);
    SHOW(touch(more, 1));
    HOLDS((char *)sbrk(-3 * PAGE) == end + 3 * PAGE);
    HOLDS(syscall(SYS_brk, 0) == (long)end);
    HOLDS(syscall(SYS_brk, 100) == (long)end);
    HOLDS(syscall(SYS_brk, -PAGE) == (long)end);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    mapping();
    beyond_the_end();
    protecting();
    moving();
    moving_several();
    the_stack();
    reordering();
    sealing();
    advising();
    the_heap();
    return 0;
}
