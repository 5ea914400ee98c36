// SPDX-License-Identifier: Apache-2.0
// A process that writes a qcow2 image is killed, again and again: what it was told is flushed is
// there, and the image is consistent (leaks are allowed).
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <random>
#include <thread>

#include "testsuite/devices/host/block/disk.h"

namespace
{

constexpr uint64_t Sector = 512, Sectors = 64 * 1024, Threads = 2, Stripe = 20;
constexpr int Kills = 25;

struct Op {
    uint64_t sector, count;
    bool zero;
};

// The k-th operation of a thread: within one stripe of its own.
Op Nth(unsigned seed, uint64_t thread, uint64_t k)
{
    uint64_t state = (seed * Threads + thread) << 32 | k;
    auto random = [&state] { // splitmix64
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    };
    uint64_t stripe = random() % (Sectors / Stripe / Threads) * Threads + thread;
    uint64_t from = random() % Stripe, count = 1 + random() % (Stripe - from);
    return {stripe * Stripe + from, count, random() % 8 == 0};
}

// A sector says which operation of which life has written it.
uint64_t Stamp(unsigned life, uint64_t k)
{
    return (uint64_t)(life + 1) << 32 | (k + 1);
}

void Work(Block *b, unsigned life, uint64_t thread, int journal)
{
    for (uint64_t k = 0;; k++) {
        Op op = Nth(life, thread, k);
        int r;
        if (op.zero) {
            r = block_write_zeroes(b, op.sector * Sector, op.count * Sector, k % 2);
        } else {
            std::vector<uint64_t> data(op.count * Sector / 8, Stamp(life, k));
            iovec iov = {data.data(), op.count * Sector};
            r = block_write(b, op.sector * Sector, &iov, 1);
        }
        if (r == 0 && k % 16 == 15) {
            r = block_flush(b);
            std::array<uint64_t, 2> line = {thread, k};
            if (r == 0 && write(journal, line.data(), sizeof(line)) != sizeof(line)) {
                _exit(3);
            }
        }
        if (r < 0) {
            _exit(4);
        }
    }
}

// Never returns.
void Child(const std::string &path, unsigned life, int journal)
{
    Disk d(path, "qcow2");
    if (!d) {
        _exit(5);
    }
    std::thread other([&] { Work(d, life, 1, journal); });
    Work(d, life, 0, journal);
}

// What each sector may hold: the operations of this life in order, the flushed ones among them.
class Model
{
  public:
    Model() : base_(Sectors, 0)
    {
    }

    // Checks a disk after a life of which `flushed` operations of each thread are safe.
    void Check(const Bytes &disk, unsigned life, const std::array<int64_t, Threads> &flushed)
    {
        std::vector<std::vector<uint64_t>> later(Sectors); // what may be there instead
        for (uint64_t t = 0; t < Threads; t++) {
            for (int64_t k = 0; k <= flushed[t] + 4096; k++) {
                Op op = Nth(life, t, (uint64_t)k);
                uint64_t stamp = op.zero ? 0 : Stamp(life, (uint64_t)k);
                for (uint64_t s = op.sector; s < op.sector + op.count; s++) {
                    if (k <= flushed[t]) {
                        base_[s] = stamp;
                    } else {
                        later[s].push_back(stamp);
                    }
                }
            }
        }
        for (uint64_t s = 0; s < Sectors; s++) {
            uint64_t first;
            memcpy(&first, &disk[s * Sector], 8);
            bool fine = first == base_[s] ||
                        std::find(later[s].begin(), later[s].end(), first) != later[s].end();
            ASSERT_TRUE(fine) << "life " << life << ", sector " << s << ": " << std::hex << first
                              << " instead of " << base_[s];
            for (uint64_t i = 0; i < Sector; i += 8) {
                ASSERT_EQ(0, memcmp(&first, &disk[s * Sector + i], 8)) << "torn sector " << s;
            }
            base_[s] = first;
        }
    }

  private:
    std::vector<uint64_t> base_;
};

// Lives of a child until it is killed; returns what it had flushed.
std::array<int64_t, Threads> Live(const std::string &path, unsigned life)
{
    std::array<int64_t, Threads> flushed = {-1, -1};
    int fds[2];
    EXPECT_EQ(0, pipe(fds));
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        Child(path, life, fds[1]);
    }
    close(fds[1]);
    std::mt19937 random(life);
    int messages = 2 + (int)(random() % 12);
    std::array<uint64_t, 2> line;
    while (messages-- > 0 && read(fds[0], line.data(), sizeof(line)) == sizeof(line)) {
        flushed[line[0]] = (int64_t)line[1];
    }
    usleep((useconds_t)(random() % 3000));
    kill(pid, SIGKILL);
    while (read(fds[0], line.data(), sizeof(line)) == sizeof(line)) {
        flushed[line[0]] = (int64_t)line[1];
    }
    close(fds[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended with status " << WEXITSTATUS(status);
    return flushed;
}

void ExpectConsistent(const std::string &path, ImageRepair repair)
{
    BlockOptions o = {};
    o.path = path.c_str();
    o.format = "qcow2";
    o.check = true;
    o.read_only = repair == IMAGE_REPAIR_NONE;
    Disk d(o);
    ASSERT_TRUE(d) << d.error;
    ImageCheck result = {};
    ASSERT_EQ(0, image_check(d, repair, &result));
    EXPECT_EQ(0u, result.corruptions);
    EXPECT_EQ(repair == IMAGE_REPAIR_NONE ? 0 : result.leaks, result.leaks_fixed);
}

class Crash : public testing::TestWithParam<uint64_t>
{
};

TEST_P(Crash, WhatWasFlushedIsThere)
{
    Folder folder;
    std::string path = folder / "disk.qcow2";
    ImageCreate c = {};
    GError *error = nullptr;
    c.path = path.c_str();
    c.format = "qcow2";
    c.size = Sectors * Sector;
    c.cluster_size = GetParam();
    ASSERT_TRUE(image_create(&c, &error)) << Take(error);
    Model model;
    for (unsigned life = 0; life < Kills; life++) {
        auto flushed = Live(path, life);
        ASSERT_NO_FATAL_FAILURE(ExpectConsistent(path, IMAGE_REPAIR_NONE)) << "life " << life;
        std::string opinion = QemuImg("check -q " + path);
        EXPECT_TRUE(opinion.empty() || opinion.find("status 3") != std::string::npos) << opinion;
        if (life % 5 == 4) {
            ASSERT_NO_FATAL_FAILURE(ExpectConsistent(path, IMAGE_REPAIR_LEAKS));
            EXPECT_EQ("", QemuImg("check " + path));
        }
        Disk d(path, "qcow2", true);
        ASSERT_TRUE(d) << d.error;
        ASSERT_NO_FATAL_FAILURE(model.Check(d.Read(0, Sectors * Sector), life, flushed));
    }
}

INSTANTIATE_TEST_SUITE_P(ClusterSizes, Crash, testing::Values(4096, 65536));

} // namespace
