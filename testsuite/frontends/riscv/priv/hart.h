/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/frontends/riscv/priv/hart.h - a hart for tests of the privileged architecture: 4 MiB of
 * RAM at 0x80000000, a clock that the test sets, and instead of an MMU a record of what it is told.
 */
#ifndef KETCH_TESTSUITE_FRONTENDS_RISCV_PRIV_HART_H
#define KETCH_TESTSUITE_FRONTENDS_RISCV_PRIV_HART_H

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "frontends/riscv/priv/state.h"
}

/* What the hart told its MMU. */
struct MmuRecord {
    MmuKey data, fetch;
    unsigned switches, flushes;
    std::vector<uint64_t> pages, asids;
};

class Hart
{
  public:
    static constexpr uint64_t kRam = 0x80000000, kRamSize = 4 << 20;

    std::unique_ptr<Vcpu> owner{ new Vcpu() };
    Vcpu *vcpu = owner.get();
    uint64_t clock = 0, timer = 0;

    explicit Hart(const char *options = nullptr)
    {
        FeSystemConfig config = {};
        PhysRegion ram = {};
        const char *error = "";

        mem_ = phys_new();
        ram.name = "ram";
        ram.kind = PHYS_ram;
        ram.base = kRam;
        ram.size = kRamSize;
        ram.host = phys_alloc("ram", kRamSize);
        EXPECT_NE(phys_add(mem_, &ram), nullptr);
        config.hart = 3;
        config.mem = mem_;
        config.opaque = this;
        config.options = options;
        config.time = [](void *hart) { return static_cast<Hart *>(hart)->clock; };
        config.set_timer = [](void *hart, uint32_t, uint64_t when) {
            static_cast<Hart *>(hart)->timer = when;
        };
        vcpu->guest = fe_riscv64_machine.guest;
        vcpu->raise = &raise_;
        vcpu->switched = [](Vcpu *v) { v->mode = rv_machine_mode(v); };
        mmu = {};
        EXPECT_TRUE(fe_riscv64_system.create(vcpu, &config, &error)) << error;
        fe_riscv64_system.reset(vcpu, kRam, 3, 0x1234);
        mmu = {};
    }

    ~Hart()
    {
        fe_riscv64_system.destroy(vcpu);
        phys_free(mem_);
    }

    RvSystem *system() const
    {
        return static_cast<RvSystem *>(vcpu->system);
    }

    uint64_t &status() const
    {
        return vcpu->slot[RV_SLOT_status];
    }

    /* A register by name, as a debugger has it. */
    uint64_t get(const char *name) const
    {
        const FeRegister *r = fe_register(&fe_riscv64_machine, name);

        EXPECT_NE(r, nullptr) << name;
        return r ? r->get(vcpu, r->slot) : 0;
    }

    void set(const char *name, uint64_t value) const
    {
        const FeRegister *r = fe_register(&fe_riscv64_machine, name);

        ASSERT_NE(r, nullptr) << name;
        r->set(vcpu, r->slot, value);
    }

    void privilege(RvPrivilege to) const
    {
        rv_set_privilege(vcpu, to);
        vcpu->mode = rv_machine_mode(vcpu);
    }

    /* How a helper came back: `none`, or the trap that it left with. */
    IrTrap call(IrHelperFn *fn, uint64_t a, uint64_t b = 0, uint64_t c = 0)
    {
        if (sigsetjmp(raise_, 0))
            return IrTrap(vcpu->exit_trap);
        result = fn(vcpu, a, b, c);
        return IR_TRAP_none;
    }

    uint64_t result = 0;

    /* The instruction csrrs a0, number, x0, or csrrw a0, number, a1 with value in a1. */
    IrTrap read_csr(unsigned number)
    {
        return csr(number, 0x2573, rv_helper_csr_read, 0);
    }

    IrTrap write_csr(unsigned number, uint64_t value)
    {
        return csr(number, 0x59573, rv_helper_csr_write, value);
    }

    FeWalk walk(uint64_t vaddr, MmuAccess access, unsigned size = 8) const
    {
        return fe_riscv64_system.walk(vcpu, vaddr, access, size);
    }

    uint64_t &ram(uint64_t paddr) const
    {
        return *reinterpret_cast<uint64_t *>(phys_map(mem_, paddr, 8));
    }

    static MmuRecord mmu; /* one hart at a time */

  private:
    IrTrap csr(unsigned number, uint32_t insn, IrHelperFn *fn, uint64_t value)
    {
        const RvCsr *row = rv_csr_find(number);

        if (!row)
            return IR_TRAP_illegal;
        return call(fn, uint64_t(row - rv_csr_row(0)) << 32 | number << 20 | insn, value, RV_ALL);
    }

    PhysMem *mem_;
    sigjmp_buf raise_;
};

#endif
