/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of translated code for perf(1).
 *
 * The map (/tmp/perf-PID.map, a line "start size name" for each unit) is read by `perf report` as it
 * is; when the code cache was emptied in between, it names the last unit at an address.  The jitdump
 * (jit-PID.dump in the current folder; tools/perf/Documentation/jitdump-specification.txt) has the
 * code and the time of each unit, for `perf record -k mono`, then `perf inject --jit`.  perf learns
 * of it from a mapping of its first page that we make executable: the only such mapping that is not
 * code of ours.
 *
 * All of it under tr.lock, but for the start.  A forked child writes files of its own, with the
 * units that it has from its parent; a vfork child has its parent's number for them, and is brief.
 */
#include "translator/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/ownfd.h"

enum {
    JIT_MAGIC = 0x4a695444,
    JIT_VERSION = 1,
    JIT_CODE_LOAD = 0,
    EM_HOST = 62, /* EM_X86_64 */
    PAGE = 4096,
    NAME_SIZE = 256,
};

typedef struct JitHeader {
    uint32_t magic, version, size, machine, pad, pid;
    uint64_t timestamp, flags;
} JitHeader;

typedef struct JitCodeLoad {
    uint32_t id, size;
    uint64_t timestamp;
    uint32_t pid, tid;
    uint64_t vma, address, code_size, index;
} JitCodeLoad;

static struct {
    int map, jitdump; /* -1: not written */
    void *marker;     /* mapping of the jitdump's first page */
    uint64_t index;
} perf = { .map = -1, .jitdump = -1 };

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void write_all(int fd, const struct iovec *part, int n)
{
    while (writev(fd, part, n) < 0 && errno == EINTR) {
    }
}

/* Its name can be foreseen, and /tmp is everybody's: a link that somebody has put there is not followed. */
static int create(const char *path)
{
    return ownfd_take(open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
}

static bool open_map(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
    perf.map = create(path);
    return perf.map >= 0;
}

static bool open_jitdump(void)
{
    JitHeader h = { .magic = JIT_MAGIC, .version = JIT_VERSION, .size = sizeof(h),
                    .machine = EM_HOST, .pid = (uint32_t)getpid(), .timestamp = now() };
    char path[64];

    snprintf(path, sizeof(path), "jit-%d.dump", getpid());
    perf.jitdump = create(path);
    if (perf.jitdump < 0) {
        return false;
    }
    write_all(perf.jitdump, &(struct iovec){ &h, sizeof(h) }, 1);
    perf.marker = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, perf.jitdump, 0);
    return perf.marker != MAP_FAILED;
}

static void add_map(const BeCode *code, const char *name)
{
    char line[NAME_SIZE + 64];
    int n = snprintf(line, sizeof(line), "%" PRIxPTR " %" PRIx32 " %s\n", (uintptr_t)code->entry,
                     code->size, name);

    write_all(perf.map, &(struct iovec){ line, (size_t)n }, 1);
}

static void add_jitdump(const BeCode *code, const char *name)
{
    uint64_t address = (uint64_t)(uintptr_t)code->entry;
    size_t name_size = strlen(name) + 1;
    JitCodeLoad load = {
        .id = JIT_CODE_LOAD,
        .size = (uint32_t)(sizeof(load) + name_size + code->size),
        .timestamp = now(),
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)syscall(SYS_gettid),
        .vma = address,
        .address = address,
        .code_size = code->size,
        .index = perf.index++,
    };
    const struct iovec part[] = { { &load, sizeof(load) },
                                  { (void *)(uintptr_t)name, name_size },
                                  { (void *)(uintptr_t)code->entry, code->size } };

    write_all(perf.jitdump, part, 3);
}

static void add(const BeCode *code, const char *name)
{
    if (perf.map >= 0) {
        add_map(code, name);
    }
    if (perf.jitdump >= 0) {
        add_jitdump(code, name);
    }
}

void perf_unit(const TrUnit *unit)
{
    char name[NAME_SIZE];

    if (tr.config.perf) {
        add(&unit->code, dump_unit_name(unit, name, sizeof(name)));
    }
}

bool perf_start(const char **error)
{
    if (tr.config.perf && !tr.code) {
        *error = "--perf names compiled code; the interpreter makes none.";
        return false;
    }
    if ((tr.config.perf & TR_PERF_map) && !open_map()) {
        *error = "The map for perf, /tmp/perf-PID.map, cannot be written.";
        return false;
    }
    if ((tr.config.perf & TR_PERF_jitdump) && !open_jitdump()) {
        *error = "The jitdump for perf, jit-PID.dump in the current folder, cannot be written.";
        return false;
    }
    if (tr.config.perf) {
        add(&(BeCode){ .entry = codebuf_base(tr.code), .size = tr.stubs_size }, "ketch_stubs");
    }
    return true;
}

static void close_all(void)
{
    if (perf.marker && perf.marker != MAP_FAILED) {
        munmap(perf.marker, PAGE);
    }
    ownfd_close(perf.map);
    ownfd_close(perf.jitdump);
    perf.map = perf.jitdump = -1;
    perf.marker = NULL;
    perf.index = 0;
}

void perf_fork_child(void)
{
    const char *error;

    if (!tr.config.perf) {
        return;
    }
    close_all();
    if (!perf_start(&error)) {
        log_warn("%s", error);
    }
    cache_for_each_locked(perf_unit);
}
