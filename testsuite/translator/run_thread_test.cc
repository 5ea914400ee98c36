/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts, exclusive sections, fork. */
#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "testsuite/translator/run.h"

namespace
{

/* ---- Interrupts ---- */

TEST(Interrupt, EndlessLoopComesBack)
{
    Asm c(fresh_code());
    uint64_t start = c.addi(a0, a0, 1);
    c.addi(a1, a1, 2);
    c.jal(zero, start);
    Cpu cpu(start);
    uint64_t done = 0;
    /* On a busy machine the request may come before the first instruction: again then. */
    for (int i = 0; i < 100 && done == 0; i++) {
        std::thread other([&] {
            usleep(20000);
            tr_interrupt(cpu.vcpu);
        });
        TrStop stop = cpu.run();
        other.join();
        EXPECT_EQ(IR_TRAP_interrupt, stop.trap);
        done = cpu[a1] / 2;
    }
    uint64_t behind = (cpu.vcpu->pc - start) / 4;
    EXPECT_GT(done, 0u);
    EXPECT_EQ(cpu[a0], done + (behind == 1)) << "pc is where the registers say";
}

TEST(Interrupt, BeforeRunIsNotLost)
{
    Asm c(fresh_code());
    uint64_t start = c.ecall();
    Cpu cpu(start);
    tr_interrupt(cpu.vcpu);
    EXPECT_EQ(IR_TRAP_interrupt, cpu.run().trap);
    EXPECT_EQ(start, cpu.vcpu->pc);
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
}

TEST(Exclusive, OthersAreOutsideMeanwhile)
{
    Asm c(fresh_code());
    uint64_t start = c.pc;
    uint64_t loop = c.addi(a0, a0, 1);
    c.sd(a0, a2, 0);
    c.ld(a1, a2, 8);
    c.bne(a1, zero, loop);
    c.ecall();
    auto *count = reinterpret_cast<std::atomic<uint64_t> *>(DATA);
    auto *go = reinterpret_cast<std::atomic<uint64_t> *>(DATA + 8);
    count->store(0);
    go->store(1);

    Cpu cpu(start), me;
    cpu[a2] = DATA;
    std::thread runner([&] { cpu.run(); });
    while (count->load() == 0) {
    }
    for (int i = 0; i < 50; i++) {
        tr_exclusive_begin(me.vcpu);
        tr_exclusive_begin(me.vcpu); /* nests */
        tr_exclusive_end(me.vcpu);
        uint64_t seen = count->load();
        usleep(200);
        EXPECT_EQ(seen, count->load());
        tr_exclusive_end(me.vcpu);
        while (count->load() == seen) {
        }
    }
    go->store(0);
    runner.join();
}

/* Under --check each entry of each thread is an exclusive section: one that looped went in again
 * and again, and another thread that wanted one waited for seconds. */
TEST(Exclusive, EverybodyGetsATurn)
{
    std::atomic<unsigned> rounds = 0;
    std::atomic<bool> over = false;
    std::thread greedy([&] {
        Cpu cpu;
        while (!over) {
            tr_exclusive_begin(cpu.vcpu);
            rounds++;
            for (volatile int i = 0; i < 20000; i++) {
            }
            tr_exclusive_end(cpu.vcpu);
        }
    });
    Cpu me;
    unsigned long_waits = 0;
    while (rounds == 0) {
    }
    for (int i = 0; i < 400; i++) {
        unsigned before = rounds;
        tr_exclusive_begin(me.vcpu);
        long_waits += rounds - before > 2;
        tr_exclusive_end(me.vcpu);
        usleep(200);
    }
    over = true;
    greedy.join();
    EXPECT_LE(long_waits, 40u) << "of 400";
}

/*
 * A lock-free stack's pop as the manual warns of it: LR of the head, a load through it, SC.  The
 * load keeps it from being a plain compare-and-swap.  One thread pops and pushes nodes so that the
 * same head comes back with another successor (ABA); the other must never install the old one.
 */
TEST(Exclusive, StoreConditionalIsNotFooledByABA)
{
    tr_guest_has_threads();
    Asm c(fresh_code());
    uint64_t start = c.pc;
    /* a2: &head.  pop into a0: head -> a0, a0->next -> a1; counts in s0; until a4 rounds */
    uint64_t pop = c.lr_d(a0, a2);
    c.ld(a1, a0, 0);
    c.ld(t1, a0, 0); /* more time between */
    c.sc_d(t0, a1, a2);
    c.bne(t0, zero, pop);
    /* swap the two top nodes: pop the second, push the first, push the second */
    uint64_t pop2 = c.lr_d(a3, a2);
    c.ld(a1, a3, 0);
    c.sc_d(t0, a1, a2);
    c.bne(t0, zero, pop2);
    for (Reg node : { a0, a3 }) {
        uint64_t push = c.lr_d(a1, a2);
        c.sd(a1, node, 0);
        c.sc_d(t0, node, a2);
        c.bne(t0, zero, push);
    }
    c.addi(a4, a4, -1);
    c.bne(a4, zero, pop);
    c.ecall();

    const int nodes = 8, threads = 2;
    uint64_t head = DATA + 0x100;
    for (int i = 0; i < nodes; i++) {
        uint64_t node = DATA + 0x200 + 16 * static_cast<uint64_t>(i);
        *reinterpret_cast<uint64_t *>(node) = i + 1 < nodes ? node + 16 : 0;
    }
    *reinterpret_cast<uint64_t *>(head) = DATA + 0x200;

    auto work = [&] {
        Cpu cpu(start);
        cpu[a2] = head;
        cpu[a4] = 3000;
        EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    };
    std::thread other[threads];
    for (auto &t : other) {
        t = std::thread(work);
    }
    for (auto &t : other) {
        t.join();
    }
    EXPECT_GT(counter("steps"), 0u) << "nothing ran alone";
    int left = 0;
    for (uint64_t n = *reinterpret_cast<uint64_t *>(head); n && left <= nodes;
         n = *reinterpret_cast<uint64_t *>(n)) {
        left++;
    }
    EXPECT_EQ(nodes, left) << "nodes were lost or are linked in a circle";
}

/* Go's atomic loads. */
TEST(Exclusive, LoadReservedWithoutStoreConditionalIsALoad)
{
    tr_guest_has_threads();
    Asm c(fresh_code());
    uint64_t start = c.lr_d(a0, a2);
    c.ld(t0, a2, 8);
    c.add(a1, a1, a0);
    c.addi(a4, a4, -1);
    c.bne(a4, zero, start);
    c.ecall();
    uint64_t word = DATA + 0x100, before = counter("steps");
    *reinterpret_cast<uint64_t *>(word) = 3;
    Cpu cpu(start);
    cpu[a1] = 0;
    cpu[a2] = word;
    cpu[a4] = 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(3000u, cpu[a1]);
    EXPECT_EQ(before, counter("steps"));
}

/* An SC whose LR was taken for a load fails, once: the next time the LR runs alone. */
TEST(Exclusive, StoreConditionalAfterWhatLookedLikeALoad)
{
    tr_guest_has_threads();
    Asm c(fresh_code());
    uint64_t start = c.addi(a3, a3, 1), again = c.pc;
    c.addi(a1, a1, 1);
    c.lr_d(a0, a2);
    c.ld(t0, a2, 8);
    c.addi(a0, a0, 1);
    c.sc_d(t1, a0, a2);
    c.bne(t1, zero, again);
    c.bne(a3, a4, start);
    c.ecall();
    uint64_t word = DATA + 0x100;
    *reinterpret_cast<uint64_t *>(word) = 0;
    Cpu cpu(start);
    cpu[a1] = cpu[a3] = 0;
    cpu[a2] = word;
    cpu[a4] = 1000;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run().trap);
    EXPECT_EQ(1000u, *reinterpret_cast<uint64_t *>(word));
    EXPECT_EQ(1001u, cpu[a1]) << "tries";
}

TEST(Fork, ChildGoesOnAlone)
{
    Asm c(fresh_code());
    uint64_t start = sum_loop(c), spin = c.pc;
    c.addi(a0, a0, 1);
    c.jal(zero, spin);
    Cpu cpu(start), other(spin);
    std::thread runner([&] { other.run(); });
    usleep(1000);
    tr_fork_prepare(cpu.vcpu, false);
    pid_t pid = fork();
    if (pid == 0) {
        tr_fork_child(cpu.vcpu);
        cpu[a1] = 1000;
        bool good = cpu.run(start).trap == IR_TRAP_syscall && cpu[a0] == 500500;
        tr_invalidate(start, 64);
        cpu[a1] = 10;
        good = good && cpu.run(start).trap == IR_TRAP_syscall && cpu[a0] == 55;
        _exit(good ? 0 : 1);
    }
    tr_fork_parent(cpu.vcpu);
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(0, status);
    cpu[a1] = 4;
    EXPECT_EQ(IR_TRAP_syscall, cpu.run(start).trap);
    EXPECT_EQ(10u, cpu[a0]);
    tr_interrupt(other.vcpu);
    runner.join();
}

} // namespace
