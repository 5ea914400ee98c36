/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program without an operating system on one hart, or more, with what little it needs of
 * QEMU's `virt` board at the same addresses: RAM, an ACLINT, the transmitter of a 16550A, the
 * test device.
 *
 *     runner [--tier=interp|jit] [--mmu=flat|tlb] [--check] [--cpu=OPTIONS] [--harts=N] [-d CATEGORY] PROGRAM
 *
 * PROGRAM is the memory from 0x80000000 on, as it is.
 */
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "base/log.h"
#include "translator/machine.h"
#include "translator/translator.h"
}

namespace
{

constexpr uint64_t kRam = 0x80000000, kRamSize = 64 << 20, kTest = 0x100000, kAclint = 0x2000000, kSswi = 0x2f00000,
                   kUart = 0x10000000, kTicks = 10000000; /* in a second */

Machine *machine;
unsigned n_harts = 1;

/* ---- Time: one thread that looks at two comparators for each hart ---- */

std::mutex lock;
std::condition_variable changed;
uint64_t mtimecmp[MACHINE_HARTS], stimecmp[MACHINE_HARTS];
bool ending;

timespec start; /* when it is 0 */

uint64_t now()
{
    timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return uint64_t(t.tv_sec - start.tv_sec) * kTicks + uint64_t(t.tv_nsec) / 100 -
           uint64_t(start.tv_nsec) / 100;
}

void look_at_timers(uint64_t *next)
{
    for (unsigned hart = 0; hart < n_harts; hart++) {
        uint64_t t = now();
        bool due = t >= mtimecmp[hart];
        Irq irq = machine_irq(machine, hart, 7);

        irq_set(&irq, due);
        *next = due ? *next : std::min(*next, mtimecmp[hart]);
        if (t >= stimecmp[hart]) {
            stimecmp[hart] = UINT64_MAX;
            machine_timer(machine, hart);
        }
        *next = std::min(*next, stimecmp[hart]);
    }
}

void timer_thread()
{
    std::unique_lock<std::mutex> held(lock);

    while (!ending) {
        uint64_t next = UINT64_MAX, t;

        look_at_timers(&next);
        t = now();
        if (next == UINT64_MAX)
            changed.wait(held);
        else if (next > t)
            changed.wait_for(held, std::chrono::nanoseconds(std::min(next - t, kTicks) * 100));
    }
}

void set_timer(void *, uint32_t hart, uint64_t when)
{
    std::lock_guard<std::mutex> held(lock);

    stimecmp[hart] = when;
    changed.notify_one();
}

/* ---- Devices ---- */

bool aclint_read(void *, uint64_t offset, unsigned, uint64_t *value)
{
    *value = offset == 0xbff8 ? now() : 0;
    return true;
}

bool aclint_write(void *, uint64_t offset, unsigned, uint64_t value)
{
    if (offset < 4 * n_harts) {
        Irq irq = machine_irq(machine, unsigned(offset / 4), 3);
        irq_set(&irq, value & 1);
    } else if (offset >= 0x4000 && offset < 0x4000 + 8 * n_harts) {
        std::lock_guard<std::mutex> held(lock);
        unsigned hart = unsigned(offset - 0x4000) / 8;
        Irq irq = machine_irq(machine, hart, 7);

        mtimecmp[hart] = value;
        irq_set(&irq, now() >= value);
        changed.notify_one();
    }
    return true;
}

bool sswi_read(void *, uint64_t, unsigned, uint64_t *value)
{
    *value = 0;
    return true;
}

bool sswi_write(void *, uint64_t offset, unsigned, uint64_t value)
{
    if (offset < 4 * n_harts && (value & 1)) {
        Irq irq = machine_irq(machine, unsigned(offset / 4), 1);
        irq_set(&irq, true);
    }
    return true;
}

bool uart_read(void *, uint64_t offset, unsigned, uint64_t *value)
{
    *value = offset == 5 ? 0x60 : 0;
    return true;
}

bool uart_write(void *, uint64_t offset, unsigned, uint64_t value)
{
    if (offset == 0)
        putchar(int(value & 0xff));
    return true;
}

bool test_read(void *, uint64_t, unsigned, uint64_t *value)
{
    *value = 0;
    return true;
}

bool test_write(void *, uint64_t, unsigned, uint64_t value)
{
    machine_request(machine, { MACHINE_shutdown, int(value >> 16), nullptr });
    return true;
}

const PhysOps aclint_ops = { aclint_read, aclint_write };
const PhysOps sswi_ops = { sswi_read, sswi_write };
const PhysOps uart_ops = { uart_read, uart_write };
const PhysOps test_ops = { test_read, test_write };

void add(PhysMem *mem, const char *name, uint64_t base, uint64_t size, const PhysOps *ops)
{
    PhysRegion r = {};

    r.name = name;
    r.kind = ops ? PHYS_mmio : PHYS_ram;
    r.base = base;
    r.size = size;
    r.ops = ops;
    r.host = ops ? nullptr : phys_alloc(name, size);
    if (!phys_add(mem, &r))
        abort();
}

bool load(PhysMem *mem, const char *path)
{
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{ std::istreambuf_iterator<char>(file), {} };

    return !bytes.empty() && phys_write(mem, kRam, bytes.data(), bytes.size());
}

struct Options {
    TrSystem system = {};
    TrConfig config = {};
    MachineConfig board = {};
    const char *program = "";
};

void read_options(int argc, char **argv, Options &o)
{
    for (int i = 1; i < argc; i++) {
        std::string a = argv[i];
        if (a == "--tier=interp")
            o.config.tier = TR_TIER_interp;
        else if (a == "--check")
            o.config.check = true;
        else if (a == "--mmu=tlb")
            o.system.scheme = MMU_SCHEME_tlb;
        else if (a.rfind("--hot=", 0) == 0)
            o.config.hot_threshold = uint32_t(atoi(argv[i] + 6));
        else if (a.rfind("--cpu=", 0) == 0)
            o.board.cpu = argv[i] + 6;
        else if (a.rfind("--harts=", 0) == 0)
            n_harts = unsigned(atoi(argv[i] + 8));
        else if (a == "-d" && i + 1 < argc)
            log_enable(argv[++i], nullptr);
        else
            o.program = argv[i];
    }
}

PhysMem *make_memory()
{
    PhysMem *mem = phys_new();

    add(mem, "ram", kRam, kRamSize, nullptr);
    add(mem, "test", kTest, 0x1000, &test_ops);
    add(mem, "aclint", kAclint, 0x10000, &aclint_ops);
    add(mem, "sswi", kSswi, 0x4000, &sswi_ops);
    add(mem, "uart", kUart, 0x100, &uart_ops);
    return mem;
}

int fail(const char *what)
{
    fprintf(stderr, "runner: %s\n", what);
    return 2;
}

} // namespace

int main(int argc, char **argv)
{
    Options o;
    const char *error = "";
    MachineEvent event;

    o.config.frontend = &fe_riscv64_machine;
    o.config.tier = TR_TIER_jit;
    o.config.hot_threshold = TR_HOT_THRESHOLD;
    read_options(argc, argv, o);
    o.system.fe = &fe_riscv64_system;
    o.system.mem = make_memory();
    o.config.system = &o.system;
    if (!load(o.system.mem, o.program))
        return fail("cannot read the program");
    o.board.n_harts = n_harts;
    o.config.one_vcpu = n_harts == 1;
    o.board.time = [](void *) { return now(); };
    o.board.set_timer = set_timer;
    o.board.reset_pc = kRam;
    std::fill_n(mtimecmp, n_harts, UINT64_MAX);
    std::fill_n(stimecmp, n_harts, UINT64_MAX);
    if (!tr_start(&o.config, &error) || !(machine = machine_new(&o.board, &error)))
        return fail(error);
    clock_gettime(CLOCK_MONOTONIC, &start);
    std::thread timers(timer_thread);
    machine_resume(machine);
    do {
        machine_wait(machine, &event);
    } while (event.kind != MACHINE_shutdown);
    fflush(stdout);
    _exit(event.value);
}
