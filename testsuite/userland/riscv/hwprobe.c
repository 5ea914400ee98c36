/* SPDX-License-Identifier: Apache-2.0 */
/* SKIP-COMPARE: only RISC-V has the call.
 *
 * riscv_hwprobe: values of keys for a set of processors, and the processors that have given
 * values. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BASE_BEHAVIOR = 3, IMA_EXT_0 = 4, TIME_CSR_FREQ = 8, WHICH_CPUS = 1 };

typedef struct Pair {
    long key;
    unsigned long value;
} Pair;

static int failures;

static void check(const char *what, long got, long want)
{
    if (got != want) {
        fprintf(stderr, "%s: %ld, not %ld\n", what, got, want);
        failures++;
    }
}

static long probe(Pair *p, size_t n, size_t size, void *cpus, unsigned flags)
{
    return syscall(258, p, n, size, cpus, flags) < 0 ? -errno : 0;
}

static void values(void)
{
    Pair p[3] = { { IMA_EXT_0, 0 }, { 0x5555, 1 }, { BASE_BEHAVIOR, 0 } };
    cpu_set_t none, all;

    CPU_ZERO(&none);
    sched_getaffinity(0, sizeof(all), &all);
    check("all processors", probe(p, 3, 0, NULL, 0), 0);
    check("F, D and C", p[0].value & 3, 3);
    check("an unknown key", p[1].key, -1);
    check("its value", p[1].value, 0);
    check("base", p[2].value, 1);
    check("some processors", probe(p, 1, sizeof(all), &all, 0), 0);
    check("no processor", probe(p, 1, sizeof(none), &none, 0), -EINVAL);
    check("a set of size 0", probe(p, 1, 0, &all, 0), -EINVAL);
    check("no set, but a size", probe(p, 1, 8, NULL, 0), -EFAULT);
    check("an unknown flag", probe(p, 1, sizeof(all), &all, 2), -EINVAL);
    check("unknown flags and a known one", probe(p, 1, sizeof(all), &all, 3), -EINVAL);
}

static void processors(void)
{
    Pair all = { IMA_EXT_0, 0 }, unknown = { 0x5555, 0 }, p[2];
    cpu_set_t mine, cpus;

    probe(&all, 1, 0, NULL, 0);
    sched_getaffinity(0, sizeof(mine), &mine);
    CPU_ZERO(&cpus);
    p[0] = (Pair){ BASE_BEHAVIOR, 1 };
    p[1] = all;
    check("from all", probe(p, 2, sizeof(cpus), &cpus, WHICH_CPUS), 0);
    check("count", CPU_COUNT(&cpus), sysconf(_SC_NPROCESSORS_ONLN));
    cpus = mine;
    check("from mine", probe(p, 2, sizeof(cpus), &cpus, WHICH_CPUS), 0);
    check("are mine", CPU_EQUAL(&cpus, &mine), 1);
    p[1].value = ~all.value;
    check("what none has", probe(p, 2, sizeof(cpus), &cpus, WHICH_CPUS), 0);
    check("count", CPU_COUNT(&cpus), 0);
    cpus = mine;
    check("an unknown key", probe(&unknown, 1, sizeof(cpus), &cpus, WHICH_CPUS), 0);
    check("is -1", unknown.key, -1);
    check("count", CPU_COUNT(&cpus), 0);
    check("a size of 0", probe(p, 1, 0, &cpus, WHICH_CPUS), -EINVAL);
    check("no set", probe(p, 1, sizeof(cpus), NULL, WHICH_CPUS), -EINVAL);
}

int main(void)
{
    values();
    processors();
    return failures != 0;
}
