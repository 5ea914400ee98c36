/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many host instructions the regions of small loops have: a change of the code generator that
 * makes one longer or shorter is a difference in counts/loops.txt.  UPDATE_GOLDEN=1 rewrites the
 * file.  Where it fails, the code of the loops that have changed is printed.
 *
 * A case is "loop NAME", "insn HEX..." and what is made from it: the guest instructions as our
 * disassembler has them, and the counts.
 */
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "testsuite/translator/machine.h"

extern "C" {
#include "testsuite/translator/counts.h"
}

namespace
{

using std::string;
namespace fs = std::filesystem;

constexpr unsigned kIterations = 1500;

fs::path golden()
{
    const char *workspace = getenv("BUILD_WORKSPACE_DIRECTORY");

    return fs::path(workspace ? workspace : ".") / "testsuite/translator/counts/loops.txt";
}

string read(const fs::path &path)
{
    std::ifstream file(path);
    std::stringstream all;

    all << file.rdbuf();
    return all.str();
}

/* Instructions of 2 and 4 bytes, to fresh memory. */
uint64_t put(const string &hex, uint64_t *end)
{
    std::istringstream words(hex);
    uint64_t start = fresh_code(), pc = start;
    string word;

    while (words >> word) {
        auto bits = static_cast<uint32_t>(std::stoul(word, nullptr, 16));

        memcpy(reinterpret_cast<void *>(pc), &bits, word.size() / 2);
        pc += word.size() / 2;
    }
    *end = pc;
    return start;
}

string disassembly(uint64_t pc, uint64_t end)
{
    uint64_t start = pc;
    string out;
    char text[128];

    while (pc < end) {
        unsigned length = fe_riscv64.disassemble(0x1000 + (pc - start), reinterpret_cast<const uint8_t *>(pc),
                                                 end - pc, text, sizeof(text));
        if (!length)
            return out + "  not known\n";
        out += string("  ") + text + "\n";
        pc += length;
    }
    return out;
}

/* Runs the loop often enough in tier 1 that its counters say what is warm. */
void warm_up(uint64_t pc)
{
    Cpu cpu(pc);

    memset(reinterpret_cast<void *>(DATA), 1, DATA_SIZE);
    for (int r = 5; r < 32; r++)
        cpu.vcpu->slot[r] = static_cast<uint64_t>(r);
    cpu[a0] = DATA;
    cpu[a1] = DATA + 0x10000;
    cpu[a2] = kIterations;
    cpu[a3] = DATA + 0x20000;
    for (int f = 32; f < 64; f++)
        cpu.vcpu->slot[f] = 0x3ff8000000000000; /* 1.5 */
    ASSERT_EQ(IR_TRAP_syscall, cpu.run().trap);
}

RegionCount region;

/* The text that a case should have; *code: the host code. */
string made_from(const string &insns, string *code)
{
    uint64_t end, pc = put(insns, &end);
    std::ostringstream out;

    warm_up(pc);
    if (!count_region(pc, &region))
        return "";
    *code = region.text;
    out << disassembly(pc, end) << "= " << region.loop << " in the loop, " << region.host << " in all, for "
        << region.guest << "\n";
    return out.str();
}

TEST(Counts, HostInstructionsOfLoops)
{
    std::istringstream in(read(golden()));
    string line, name, old, out, code, made, now = "";
    std::vector<string> changed;

    ASSERT_TRUE(in.good());
    while (std::getline(in, line)) {
        if (line.rfind("loop ", 0) == 0) {
            name = line.substr(5);
            out += "\n" + line + "\n";
        } else if (line.rfind("insn ", 0) == 0) {
            made = made_from(line.substr(5), &code);
            if (made.empty())
                GTEST_SKIP() << "no disassembler (libcapstone)";
            out += line + "\n" + made;
            now = made.substr(made.rfind("= "));
        } else if (line[0] == '#') {
            out += line + "\n";
        } else if (line.rfind("= ", 0) == 0 && line + "\n" != now) {
            changed.push_back(name + "\n  was " + line + "\n  now " + now + code);
        }
    }
    if (getenv("UPDATE_GOLDEN")) {
        std::ofstream(golden()) << out;
        return;
    }
    for (const string &c : changed)
        ADD_FAILURE() << c << "If this is meant: UPDATE_GOLDEN=1 bazel run //testsuite/translator:counts_test";
    EXPECT_EQ(read(golden()), out);
}

} // namespace

int main(int argc, char **argv)
{
    TrConfig config = {};

    testing::InitGoogleTest(&argc, argv);
    config.tier = TR_TIER_jit;
    config.hot_threshold = 4096; /* none is formed by itself */
    start_machine(config);
    return testing::Test::HasFatalFailure() ? 1 : RUN_ALL_TESTS();
}
