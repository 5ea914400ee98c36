/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest instructions and the IR that they become: one file per subject in
 * testsuite/frontends/golden.  A case is a line "insn HEX..." and lines of text up to an empty
 * one; lines that start with '#' before the first case are kept.  UPDATE_GOLDEN=1 rewrites them.
 */
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "testsuite/frontends/riscv/code.h"

namespace
{

using std::string;
namespace fs = std::filesystem;

fs::path folder()
{
    const char *workspace = getenv("BUILD_WORKSPACE_DIRECTORY");

    return fs::path(workspace ? workspace : ".") / "testsuite/frontends/golden";
}

string read(const fs::path &path)
{
    std::ifstream file(path);
    std::stringstream all;

    all << file.rdbuf();
    return all.str();
}

/* The text that a file should have, from its own "insn" lines. */
string made_from(const string &text)
{
    std::istringstream in(text);
    string line, out;

    while (std::getline(in, line)) {
        if (line.rfind("insn ", 0) == 0) {
            std::istringstream words(line.substr(5));
            std::vector<uint32_t> insns;
            uint32_t bits;

            while (words >> std::hex >> bits)
                insns.push_back(bits);
            out += line + "\n";
            for (uint32_t one : insns)
                out += "  " + Code({ one }).text() + "\n";
            out += Code(insns).translate() + "\n";
        } else if (line[0] == '#') {
            out += line + "\n\n";
        }
    }
    return out;
}

TEST(Golden, GuestInstructionsBecomeThisIr)
{
    int n = 0;

    for (const auto &entry : fs::directory_iterator(folder())) {
        if (entry.path().extension() != ".txt") {
            continue;
        }
        string want = read(entry.path()), got = made_from(want);

        if (getenv("UPDATE_GOLDEN"))
            std::ofstream(entry.path()) << got;
        else
            EXPECT_EQ(want, got) << entry.path();
        n++;
    }
    EXPECT_GT(n, 0) << "no files in " << fs::absolute(folder());
}

} // namespace
