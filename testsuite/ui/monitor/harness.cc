/* SPDX-License-Identifier: Apache-2.0 */
#include "testsuite/ui/monitor/harness.h"

#include <cstring>
#include <glib.h>

uint8_t *ram;
PhysMem *mem;
Machine *MonitorTest::machine;
Clock *MonitorTest::clock;
Dev *MonitorTest::root;

namespace
{

FeSystem fe;

FeWalk walk(Vcpu *, uint64_t vaddr, MmuAccess, unsigned)
{
    FeWalk w = {};

    w.ok = vaddr >= RAM && vaddr < RAM + RAM_SIZE;
    w.page = { vaddr & ~0xfffull, vaddr & ~0xfffull, 4096, true, true, true, true };
    return w;
}

void reset(Vcpu *vcpu, uint64_t pc, uint64_t, uint64_t)
{
    MmuKey key = { 0, 0, false };

    vcpu->pc = pc;
    mmu_switch(vcpu, &key, &key);
}

void start_translator()
{
    static TrSystem system;
    static TrConfig config;
    PhysRegion region = { "ram", PHYS_ram, RAM, RAM_SIZE, nullptr, nullptr, nullptr, nullptr, nullptr,
                          false };
    const char *error = "";

    fe.create = [](Vcpu *, const FeSystemConfig *, const char **) { return true; };
    fe.destroy = [](Vcpu *) {};
    fe.reset = reset;
    fe.walk = walk;
    fe.locate = [](Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr) {
        *paddr = vaddr;
        return walk(vcpu, vaddr, MMU_read, 1).ok;
    };
    fe.interrupt = [](Vcpu *) { return false; };
    fe.pending = [](Vcpu *, bool) { return false; };
    fe.timer = [](Vcpu *) {};
    mem = phys_new();
    ram = region.host = phys_alloc("ram", RAM_SIZE);
    phys_add(mem, &region);
    memcpy(ram, "\x05\x05\xfd\xbf", 4); /* addi a0, a0, 1; j -2 */
    memcpy(ram + 0x1000, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    system = { &fe, mem, MMU_SCHEME_flat };
    config.frontend = &fe_riscv64;
    config.system = &system;
    config.tier = TR_TIER_jit;
    ASSERT_TRUE(tr_start(&config, &error)) << error;
}

class End : public testing::Environment
{
    void TearDown() override
    {
        MonitorTest::free();
    }
};

testing::Environment *const end_of_all = testing::AddGlobalTestEnvironment(new End);

} // namespace

void MonitorTest::SetUpTestSuite()
{
    MachineConfig config = {};
    const char *error = "";

    if (machine) {
        return;
    }
    start_translator();
    config.n_harts = 1;
    config.reset_pc = RAM;
    machine = machine_new(&config, &error);
    ASSERT_NE(nullptr, machine) << error;
    clock = clock_new();
}

void MonitorTest::SetUp()
{
    static const MonitorReason reasons[] = { { "accel", "tcg", "translation" } };
    MonitorVm vm = {};

    env.mem = mem;
    env.clock = clock;
    root = dev_new(&dev_sifive_test, &env, nullptr, "test0");
    vm.name = "toy";
    vm.board = "virt";
    vm.policy = "none";
    vm.reasons = reasons;
    vm.n_reasons = 1;
    vm.ram_size = RAM_SIZE;
    vm.machine = machine;
    vm.root = root;
    vm.mem = mem;
    vm.clock = clock;
    vm.frontend = &fe_riscv64;
    vm.system = &fe;
    add_drives(vm);
    monitor = monitor_new(&vm);
}

std::string error_of(const char *kind, const std::string &text)
{
    return std::string("{\"error\":{\"class\":\"") + kind + "\",\"desc\":\"" + text + "\"}}\r\n";
}

std::string slurp(const std::string &path)
{
    gchar *bytes;
    gsize n;

    if (!g_file_get_contents(path.c_str(), &bytes, &n, nullptr)) {
        return "";
    }
    std::string text(bytes, n);
    g_free(bytes);
    return text;
}
