/* SPDX-License-Identifier: Apache-2.0 */
/* In place of softmmu/mmu.c: notes what the frontend says. */
#include "testsuite/frontends/riscv/priv/hart.h"

MmuRecord Hart::mmu;

extern "C" void mmu_switch(Vcpu *, const MmuKey *data, const MmuKey *fetch)
{
    Hart::mmu.data = *data;
    Hart::mmu.fetch = *fetch;
    Hart::mmu.switches++;
}

extern "C" void mmu_flush_all(Vcpu *)
{
    Hart::mmu.flushes++;
}

extern "C" void mmu_flush_page(Vcpu *, uint64_t vaddr)
{
    Hart::mmu.pages.push_back(vaddr);
}

extern "C" void mmu_flush_root(Vcpu *, bool (*match)(uint64_t root, uint64_t arg), uint64_t arg)
{
    EXPECT_TRUE(match(arg << 44 | 1, arg));
    EXPECT_FALSE(match((arg ^ 1) << 44 | 1, arg));
    Hart::mmu.asids.push_back(arg);
}
