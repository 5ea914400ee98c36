/* SPDX-License-Identifier: Apache-2.0 */
/* Guest code in a machine with a page table of the test's own.  `--tier=interp|jit`, `--hot=N`,
 * `--mmu=flat|tlb`. */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "testsuite/translator/system.h"

int main(int argc, char **argv)
{
    static FeSystem fe;
    static TrSystem system;
    TrConfig config = {};
    PhysRegion region = {};
    const char *error = "";

    testing::InitGoogleTest(&argc, argv);
    fe.walk = walk;
    fe.pending = pending;
    fe.bus_error = BUS;
    mem = phys_new();
    ram = phys_alloc("ram", RAM_SIZE);
    region = { "ram", PHYS_ram, RAM, RAM_SIZE, ram, nullptr, nullptr, nullptr, nullptr, false };
    phys_add(mem, &region);
    region = { "device", PHYS_mmio, DEVICE, 0x1000, nullptr, &device_ops, nullptr, nullptr, nullptr, false };
    phys_add(mem, &region);
    region = { "flash", PHYS_mmio, FLASH, 0x1000, nullptr, &flash_ops, nullptr, nullptr, flash, false };
    phys_add(mem, &region);
    system = { &fe, mem, MMU_SCHEME_flat };
    config.frontend = &fe_riscv64;
    config.system = &system;
    config.cache_size = 2 << 20;
    config.tier = TR_TIER_jit;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        if (arg == "--tier=interp") {
            config.tier = TR_TIER_interp;
        } else if (arg == "--mmu=tlb" || arg == "--mmu=flat") {
            system.scheme = arg == "--mmu=tlb" ? MMU_SCHEME_tlb : MMU_SCHEME_flat;
        } else if (arg.rfind("--hot=", 0) == 0) {
            config.hot_threshold = static_cast<uint32_t>(atoi(arg.c_str() + 6));
        } else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 1;
        }
    }
    if (!tr_start(&config, &error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    struct sigaction action = {};
    action.sa_sigaction = [](int sig, siginfo_t *info, void *context) {
        if (!tr_host_fault(sig, info, context)) {
            signal(sig, SIG_DFL);
        }
    };
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGFPE, &action, nullptr);
    return RUN_ALL_TESTS();
}
