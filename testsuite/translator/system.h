/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with RAM, a device, and memory of a device that programs run from, and with a page table of the
 * test's own. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_SYSTEM_H
#define KETCH_TESTSUITE_TRANSLATOR_SYSTEM_H

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <utility>
#include <vector>

extern "C" {
#include "translator/machine.h"
#include "translator/translator.h"
}

#include "testsuite/translator/asm.h"

enum : uint64_t {
    RAM = 0x80000000, /* physical */
    RAM_SIZE = 16 << 20,
    DEVICE = 0x10000000,
    FLASH = 0x20000000, /* device memory that programs run from; also virtual */
    CODE = 0x40000000, /* virtual, at RAM */
    DATA = 0xffffffc000000000, /* virtual, at RAM + 8 MiB */
    IO = 0x50000000,   /* virtual, at DEVICE */
    NOTHING = 0x60000000,
    DATA_PHYS = RAM + (8 << 20),
    FAULT = 77, /* the cause of all faults */
    BUS = 78,
};

inline uint8_t *ram;
inline PhysMem *mem;

struct Entry {
    uint64_t paddr;
    bool write;
    uint64_t size = 4096; /* of the page that this is in */
    bool global = false;
};

/* By root, then page. */
inline std::map<uint64_t, std::map<uint64_t, Entry>> tables;
inline uint64_t root = 1;
inline std::vector<std::pair<uint64_t, uint64_t>> device_log;
inline uint64_t device_value;

inline FeWalk walk(Vcpu *, uint64_t vaddr, MmuAccess access, unsigned)
{
    auto e = tables[root].find(vaddr >> 12);
    FeWalk w = {};

    w.cause = FAULT;
    if (e != tables[root].end() && (access != MMU_write || e->second.write)) {
        w.ok = true;
        uint64_t size = e->second.size, in_page = vaddr & (size - 1) & ~0xfffull;
        w.page = { vaddr & ~(size - 1), e->second.paddr - in_page, size, true, e->second.write, true,
                   e->second.global };
    }
    return w;
}

inline bool pending(Vcpu *, bool)
{
    return false;
}

inline void map(uint64_t vaddr, uint64_t paddr, bool write = true, uint64_t in = 1)
{
    tables[in][vaddr >> 12] = { paddr, write };
}

inline void use_root(Vcpu *vcpu, uint64_t r, bool shared = false)
{
    MmuKey key = { r, 0, shared };

    root = r;
    mmu_switch(vcpu, &key, &key);
}

inline bool device_read(void *, uint64_t offset, unsigned size, uint64_t *value)
{
    device_log.emplace_back(offset, size);
    *value = device_value++;
    return offset < 0x800;
}

inline bool device_write(void *, uint64_t offset, unsigned, uint64_t value)
{
    device_log.emplace_back(offset, value);
    return offset < 0x800;
}

inline const PhysOps device_ops = { device_read, device_write };

inline uint8_t flash[0x1000];

inline bool flash_read(void *, uint64_t offset, unsigned size, uint64_t *value)
{
    memcpy(value, flash + offset, size);
    return true;
}

inline bool flash_write(void *, uint64_t offset, unsigned size, uint64_t value)
{
    memcpy(flash + offset, &value, size);
    return true;
}

inline const PhysOps flash_ops = { flash_read, flash_write };

inline void *host(uint64_t paddr)
{
    return ram + (paddr - RAM);
}

inline uint64_t peek(uint64_t paddr)
{
    uint64_t v;
    memcpy(&v, host(paddr), 8);
    return v;
}

inline void poke(uint64_t paddr, uint64_t v)
{
    memcpy(host(paddr), &v, 8);
}

class System : public testing::Test
{
  protected:
    Vcpu *vcpu = nullptr;

    void SetUp() override
    {
        tables.clear();
        device_log.clear();
        device_value = 100;
        memset(ram, 0, RAM_SIZE);
        for (uint64_t at = 0; at < 0x10000; at += 0x1000) {
            map(CODE + at, RAM + code_at + at);
        }
        for (uint64_t at = 0; at < 0x4000; at += 0x1000) {
            map(DATA + at, DATA_PHYS + at);
        }
        map(IO, DEVICE);
        vcpu = tr_vcpu_new(nullptr);
        ASSERT_NE(nullptr, vcpu);
        use_root(vcpu, 1);
        /* Other tests have left units for the same physical pages. */
        phys_written(mem, RAM, RAM_SIZE);
        fence();
    }
    void TearDown() override
    {
        tr_vcpu_free(vcpu);
        code_at += 0x10000;
    }
    void fence()
    {
        Asm c = code(0xf000);
        c.fence_i();
        c.ecall();
        run(CODE + 0xf000);
    }
    Asm code(uint64_t at = 0)
    {
        Asm c(CODE + at);
        c.host = reinterpret_cast<uint64_t>(ram) + code_at - CODE;
        return c;
    }
    TrStop run(uint64_t pc)
    {
        vcpu->pc = pc;
        return tr_run(vcpu);
    }
    uint64_t &x(Reg r)
    {
        return vcpu->slot[r];
    }
    static inline uint64_t code_at;
};

#endif
