/* SPDX-License-Identifier: Apache-2.0 */
/* riscv_hwprobe: what the processors can do.  They are all alike.  After the kernel's document
 * "RISC-V Hardware Probing Interface". */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "userland/mem.h"
#include "userland/proc.h"

enum {
    KEY_BASE_BEHAVIOR = 3,
    KEY_IMA_EXT_0 = 4,
    KEY_CPUPERF_0 = 5,
    KEY_HIGHEST_VIRT_ADDRESS = 7,
    WHICH_CPUS = 1, /* the flag */
    MAX_CPUS = 8192,
};

typedef struct Pair {
    int64_t key;
    uint64_t value;
} Pair;

typedef struct CpuSet {
    uint8_t byte[MAX_CPUS / 8];
} CpuSet;

/* What does not depend on -cpu. */
static const Pair values[] = {
    { 0, 0 },                     /* MVENDORID */
    { 1, 0 },                     /* MARCHID */
    { 2, 0 },                     /* MIMPID */
    { KEY_CPUPERF_0, 3 },         /* misaligned accesses are fast */
    { 6, 64 },                    /* ZICBOZ_BLOCK_SIZE */
    { 8, 1000000000 },            /* TIME_CSR_FREQ: it counts nanoseconds */
    { 9, 3 },                     /* MISALIGNED_SCALAR_PERF: fast */
    { 12, 64 },                   /* ZICBOM_BLOCK_SIZE */
};

/* Bits of IMA_EXT_0. */
static const struct {
    unsigned bit;
    const char *name;
} extensions[] = {
    { 0, "d" }, /* with F */
    { 1, "c" },
    { 3, "zba" },
    { 4, "zbb" },
    { 5, "zbs" },
    { 6, "zicboz" },
    { 7, "zbc" },
    { 8, "zbkb" },
    { 9, "zbc" }, /* Zbkc is a part of it */
    { 10, "zbkx" },
    { 11, "zknd" },
    { 12, "zkne" },
    { 13, "zknh" },
    { 14, "zksed" },
    { 15, "zksh" },
    { 28, "zfhmin" },
    { 32, "zfa" },
    { 34, "zacas" },
    { 35, "zicond" },
    { 36, "zihintpause" },
    { 48, "zawrs" },
    { 50, "zicntr" },
    { 55, "zicbom" },
};

static bool has(const char *name)
{
    return process.options->guest->cpu->has(name);
}

static uint64_t extension_bits(void)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        bits |= has(extensions[i].name) ? UINT64_C(1) << extensions[i].bit : 0;
    }
    return bits;
}

/* Its value; an unknown key becomes -1. */
static void probe(Pair *pair)
{
    switch (pair->key) {
    case KEY_BASE_BEHAVIOR: /* IMA */
        pair->value = has("m") && has("a");
        return;
    case KEY_IMA_EXT_0:
        pair->value = extension_bits();
        return;
    case KEY_HIGHEST_VIRT_ADDRESS:
        pair->value = mem_limit - 1;
        return;
    default:
        break;
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (values[i].key == pair->key) {
            *pair = values[i];
            return;
        }
    }
    *pair = (Pair){ .key = -1 };
}

/* Do the processors have what `asked` says? */
static bool matches(Pair asked)
{
    Pair have = asked;

    probe(&have);
    if (asked.key == KEY_BASE_BEHAVIOR || asked.key == KEY_IMA_EXT_0 ||
        asked.key == KEY_CPUPERF_0) {
        return (have.value & asked.value) == asked.value;
    }
    return have.value == asked.value;
}

/* The set is [0, *size) of the guest's memory at `addr`, of which only what can name an existing
 * processor counts.  Removes those that do not exist; all of none are all when `empty_is_all`. */
static int64_t read_cpus(CpuSet *cpus, uint64_t addr, uint64_t *size, bool empty_is_all)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t most = ((uint64_t)sysconf(_SC_NPROCESSORS_CONF) + 63) / 64 * 8;
    uint8_t any = 0;

    *size = *size < most ? *size : most;
    if (*size > sizeof(*cpus) || !mem_read(cpus, addr, *size)) {
        return -EFAULT;
    }
    for (uint64_t i = 0; i < *size; i++) {
        any |= cpus->byte[i];
    }
    for (uint64_t i = 0; i < *size; i++) {
        long first = (long)(8 * i);
        uint8_t existing = (uint8_t)(online >= first + 8 ? 0xff :
                                     online <= first     ? 0 :
                                                           (1 << (online - first)) - 1);

        cpus->byte[i] = existing & (any || !empty_is_all ? cpus->byte[i] : 0xff);
    }
    return 0;
}

static bool is_empty(const CpuSet *cpus)
{
    const CpuSet none = { { 0 } };

    return memcmp(cpus, &none, sizeof(none)) == 0;
}

/* For each key its value, as it is on all of a set of processors. */
static int64_t get_values(uint64_t pairs, uint64_t count, uint64_t size, uint64_t cpus_addr)
{
    CpuSet cpus = { { 0 } };
    Pair pair;

    if (size || cpus_addr) {
        int64_t r = read_cpus(&cpus, cpus_addr, &size, false);

        if (r < 0 || is_empty(&cpus)) {
            return r < 0 ? r : -EINVAL;
        }
    }
    for (uint64_t i = 0; i < count; i++, pairs += sizeof(pair)) {
        if (!mem_read(&pair, pairs, sizeof(pair))) {
            return -EFAULT;
        }
        probe(&pair);
        if (!mem_write(pairs, &pair, sizeof(pair))) {
            return -EFAULT;
        }
    }
    return 0;
}

/* Of a set of processors, those that have all the values. */
static int64_t get_cpus(uint64_t pairs, uint64_t count, uint64_t size, uint64_t cpus_addr)
{
    const Pair unknown = { .key = -1 };
    CpuSet cpus = { { 0 } };
    bool all = true;
    int64_t r;

    if (!size || !cpus_addr) {
        return -EINVAL;
    }
    r = read_cpus(&cpus, cpus_addr, &size, true);
    for (uint64_t i = 0; r == 0 && i < count; i++, pairs += sizeof(Pair)) {
        Pair pair, known;

        if (!mem_read(&pair, pairs, sizeof(pair))) {
            return -EFAULT;
        }
        known = pair;
        probe(&known);
        if (known.key == -1 && !mem_write(pairs, &unknown, sizeof(unknown))) {
            return -EFAULT;
        }
        all = all && known.key != -1 && matches(pair);
    }
    if (!all) {
        cpus = (CpuSet){ { 0 } };
    }
    return r < 0 ? r : mem_write(cpus_addr, &cpus, size) ? 0 : -EFAULT;
}

int64_t sys_riscv_hwprobe(Task *t, const uint64_t a[6])
{
    (void)t;
    if (a[4] & ~(uint64_t)WHICH_CPUS) {
        return -EINVAL;
    }
    return a[4] ? get_cpus(a[0], a[1], a[2], a[3]) : get_values(a[0], a[1], a[2], a[3]);
}
