/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden tests of the passes: testsuite/ir/opt/<pass>/<name>.ir
 *
 *     # why
 *     test <pass> ...
 *     func test 0x1000
 *     ...
 *     expect
 *     func test 0x1000
 *     ...
 *
 * UPDATE_GOLDEN=1 rewrites what follows `expect` (with `bazel run`, in the source tree).
 */
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "testsuite/ir/guest.h"

extern "C" {
#include "ir/opt/opt.h"
}

using namespace ketch_test;
namespace fs = std::filesystem;

namespace
{

fs::path Root()
{
    const char *workspace = getenv("BUILD_WORKSPACE_DIRECTORY");

    return fs::path(workspace ? workspace : ".") / "testsuite/ir/opt";
}

std::vector<fs::path> Files(const fs::path &folder)
{
    std::vector<fs::path> files;

    if (fs::is_directory(folder)) {
        for (const auto &entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() == ".ir") {
                files.push_back(entry.path());
            }
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string Read(const fs::path &path)
{
    std::ifstream in(path);
    std::stringstream text;

    text << in.rdbuf();
    return text.str();
}

bool RunPass(IrFunc *f, const std::string &name)
{
    for (const IrPass &pass : ir_passes) {
        if (name == pass.name) {
            pass.run(f);
            return true;
        }
    }
    return false;
}

/* The function of the file after the passes that its `test` line names. */
std::string After(const fs::path &path, const std::string &text, Arena *arena)
{
    size_t line = text.find("test "), end = text.find('\n', line), body = text.find("func ", end);
    std::istringstream passes(text.substr(line + 5, end - line - 5));
    const char *error = nullptr;
    std::string name;

    IrFunc *f = ir_parse(text.substr(body, text.find("\nexpect\n") + 1 - body).c_str(),
                         &TestGuest(), arena, &error);
    if (!f || !ir_verify(f, &error)) {
        ADD_FAILURE() << path << ": " << error;
        return "";
    }
    while (passes >> name) {
        EXPECT_TRUE(RunPass(f, name)) << path << ": no pass " << name;
        EXPECT_TRUE(ir_verify(f, &error)) << path << " after " << name << ": " << error;
    }
    return ir_print(f, arena);
}

TEST(Golden, PassesGiveWhatIsExpected)
{
    ir_moves = true;
    for (const IrPass &pass : ir_passes) {
        for (const fs::path &path : Files(Root() / pass.name)) {
            ArenaPtr arena = NewArena();
            std::string text = Read(path);
            size_t expect = text.find("\nexpect\n");

            ASSERT_NE(std::string::npos, expect) << path;
            std::string got = After(path, text, arena.get());
            if (getenv("UPDATE_GOLDEN")) {
                std::ofstream(path) << text.substr(0, expect + 8) << got;
            } else {
                EXPECT_EQ(text.substr(expect + 8), got) << path;
            }
        }
    }
}

TEST(Golden, EveryPassHasOne)
{
    for (const IrPass &pass : ir_passes) {
        EXPECT_FALSE(Files(Root() / pass.name).empty()) << pass.name;
    }
}

} // namespace
