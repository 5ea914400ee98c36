// SPDX-License-Identifier: Apache-2.0
// Firmware that waits for its turn with an interrupt that is pending, enabled and not taken: `wfi` does
// not wait then, and yet a hart that only asks again and again must let the others work.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

extern "C" {
#include "frontends/riscv/riscv.h"
#include "translator/machine.h"
#include "translator/translator.h"
}

namespace
{

constexpr uint64_t kRam = 0x80000000, kRamSize = 1 << 20, kCounter = 0x800;
constexpr unsigned kSoftware = 3; /* the line */
constexpr uint32_t kCode[] = {
    0x30445073, /*    csrwi mie, 8 */
    0x0005b603, /* 1: ld a2, (a1) */
    0x00160613, /*    addi a2, a2, 1 */
    0x00c5b023, /*    sd a2, (a1) */
    0x10500073, /*    wfi */
    0xff1ff06f, /*    j 1b */
};

PhysMem *mem;
uint8_t *ram;

Machine *start()
{
    static TrSystem system;
    TrConfig config = {};
    MachineConfig board = {};
    PhysRegion region = {};
    const char *error = "";

    region.name = "ram";
    region.kind = PHYS_ram;
    region.base = kRam;
    region.size = kRamSize;
    mem = phys_new();
    ram = region.host = phys_alloc("ram", kRamSize);
    EXPECT_NE(phys_add(mem, &region), nullptr);
    memcpy(ram, kCode, sizeof(kCode));
    system = { &fe_riscv64_system, mem, MMU_SCHEME_flat };
    config.frontend = &fe_riscv64_machine;
    config.system = &system;
    config.tier = TR_TIER_jit;
    EXPECT_TRUE(tr_start(&config, &error)) << error;
    board.n_harts = 1;
    board.reset_pc = kRam;
    board.reset_arg = kRam + kCounter;
    board.time = [](void *) { return uint64_t(0); };
    board.set_timer = [](void *, uint32_t, uint64_t) {};
    return machine_new(&board, &error);
}

uint64_t asked()
{
    return reinterpret_cast<std::atomic<uint64_t> *>(ram + kCounter)->load();
}

void sleep_ms(int ms)
{
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

/* The firmware of OpenSBI 1.1 asks whether it has been started like this, and who starts it says so
 * before having said where: the seldom it asks, the less it takes the one for the other.  Each wait
 * is as long as all before it. */
TEST(Wait, SeldomAsksAgainWhenItWaitsForLong)
{
    Machine *m = start();
    uint64_t before;

    ASSERT_NE(m, nullptr);
    Irq irq = machine_irq(m, 0, kSoftware);
    irq_set(&irq, true);
    machine_resume(m);
    while (asked() == 0)
        sleep_ms(1);
    sleep_ms(600);
    before = asked();
    EXPECT_LT(before, 64 + 20u);
    irq_set(&irq, true); /* again: that one is news */
    while (asked() == before)
        sleep_ms(1);
    machine_pause(m);
    machine_free(m);
}

} // namespace
