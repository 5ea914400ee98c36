/* SPDX-License-Identifier: Apache-2.0 */
/* A bare guest for the translator's tests: some pages of code and data, vcpus, a fault handler. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_MACHINE_H
#define KETCH_TESTSUITE_TRANSLATOR_MACHINE_H

#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>

extern "C" {
#include "translator/translator.h"
}

#include "testsuite/translator/asm.h"

enum : uint64_t {
    CODE = 0x20000000, /* writable and executable */
    CODE_SIZE = 4 << 20,
    DATA = 0x30000000, /* writable */
    DATA_SIZE = 1 << 20,
    NOWHERE = 0x38000000, /* not mapped */
};

/* Where executable memory ends, after so many calls of fetch() more. */
inline uint64_t fetch_end = CODE + CODE_SIZE, fetch_end_later;
inline int fetches_left;

inline size_t fetch(void *, uint64_t pc, uint8_t *buf, size_t want, bool *writable)
{
    if (fetches_left && --fetches_left == 0) {
        fetch_end = fetch_end_later;
    }
    if (pc < CODE || pc >= fetch_end) {
        return 0;
    }
    size_t n = fetch_end - pc < want ? fetch_end - pc : want;
    memcpy(buf, reinterpret_cast<const void *>(pc), n);
    *writable = true;
    return n;
}

inline void on_fault(int sig, siginfo_t *info, void *context)
{
    if (!tr_host_fault(sig, info, context)) {
        signal(sig, SIG_DFL);
    }
}

inline void map(uint64_t at, uint64_t size)
{
    void *p = mmap(reinterpret_cast<void *>(at), size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
    ASSERT_EQ(reinterpret_cast<void *>(at), p);
}

inline void start_machine(TrConfig config)
{
    const char *error = "";
    struct sigaction action = {};

    map(CODE, CODE_SIZE);
    map(DATA, DATA_SIZE);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGFPE, &action, nullptr);
    config.frontend = &fe_riscv64;
    config.fetch = fetch;
    ASSERT_TRUE(tr_start(&config, &error)) << error;
}

/* A vcpu that stands at `pc`. */
struct Cpu {
    Vcpu *vcpu = tr_vcpu_new(nullptr);

    explicit Cpu(uint64_t pc = 0)
    {
        vcpu->pc = pc;
    }
    ~Cpu()
    {
        tr_vcpu_free(vcpu);
    }
    uint64_t &operator[](Reg r)
    {
        return vcpu->slot[r];
    }
    TrStop run()
    {
        return tr_run(vcpu);
    }
    TrStop run(uint64_t pc)
    {
        vcpu->pc = pc;
        return tr_run(vcpu);
    }
};

/* Each test's code starts on pages of its own. */
inline uint64_t fresh_code()
{
    static uint64_t next = CODE;
    next += 0x4000;
    return next - 0x4000;
}

/* One line of --stats. */
inline uint64_t counter(const char *name)
{
    char path[] = "/tmp/ketch-stats-XXXXXX", line[256], key[64];
    int fd = mkstemp(path);
    unsigned long long value = 0, found = ~0ull;

    tr_stats_print(fd);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%63s %llu", key, &value) == 2 && strcmp(key, name) == 0) {
            found = value;
        }
    }
    fclose(f);
    close(fd);
    unlink(path);
    return found;
}

#endif
