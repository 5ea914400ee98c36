// SPDX-License-Identifier: Apache-2.0
// Names of addresses in mapped files.  The file is this test itself: an ELF file is an ELF file.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <string>
#include <utility>

#include <gtest/gtest.h>

extern "C" {
#include "translator/translator.h"
#include "userland/mem.h"
#include "userland/symbols.h"

__attribute__((noinline)) int marker_function(int x)
{
    asm volatile("" : "+r"(x));
    return x * 3;
}

asm(".text\n.globl bare_label\nbare_label: nop\nnop\n.globl next_label\nnext_label: nop\n");
extern char bare_label[];
}

namespace {

constexpr uint64_t kBase = 0x300000000;

// Offset in the file of a byte of this program's code.
uint64_t OffsetOf(const void *code)
{
    struct Find {
        uintptr_t addr;
        uint64_t offset;
    } find = { reinterpret_cast<uintptr_t>(code), 0 };

    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *opaque) {
            auto *f = static_cast<Find *>(opaque);
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const auto &p = info->dlpi_phdr[i];
                uintptr_t start = info->dlpi_addr + p.p_vaddr;
                if (p.p_type == PT_LOAD && f->addr >= start && f->addr - start < p.p_filesz) {
                    f->offset = p.p_offset + (f->addr - start);
                    return 1;
                }
            }
            return 0;
        },
        &find);
    return find.offset;
}

// The function or label around an address; nullptr: unknown.
const char *NameAt(uint64_t pc, uint64_t *offset)
{
    SymbolPlace place;

    if (!symbols_at(pc, &place) || !place.name)
        return nullptr;
    *offset = pc - place.start;
    return place.name;
}

class Symbols : public testing::Test {
  protected:
    static void SetUpTestSuite()
    {
        TrConfig config = {};
        const char *error = nullptr;

        mem_init(0);
        config.frontend = &fe_riscv64;
        config.tier = TR_TIER_interp;
        config.fetch = mem_fetch;
        ASSERT_TRUE(tr_start(&config, &error)) << error;
    }

    // Maps the page of `path` with file offset `offset` at kBase; returns where that byte is.
    static uint64_t Map(const char *path, uint64_t offset)
    {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int64_t at = mem_mmap(kBase, 2 * MEM_PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
                              fd, offset & -MEM_PAGE);
        close(fd);
        EXPECT_EQ(at, static_cast<int64_t>(kBase));
        return kBase + offset % MEM_PAGE;
    }

    void TearDown() override { mem_munmap(kBase, 2 * MEM_PAGE); }
};

TEST_F(Symbols, FunctionAndOffset)
{
    uint64_t at = Map("/proc/self/exe", OffsetOf(reinterpret_cast<void *>(marker_function)));
    char self[PATH_MAX] = "";
    uint64_t offset = 77;
    SymbolPlace place;

    ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
    ASSERT_TRUE(symbols_at(at + 1, &place));
    EXPECT_STREQ(place.file, self);
    ASSERT_NE(place.name, nullptr);
    EXPECT_STREQ(place.name, "marker_function");
    EXPECT_EQ(place.start, at);
    EXPECT_GT(place.size, 1u);
    EXPECT_STREQ(NameAt(at + 1, &offset), "marker_function");
    EXPECT_EQ(offset, 1u);
}

TEST_F(Symbols, LabelWithoutSizeReachesToTheNext)
{
    uint64_t at = Map("/proc/self/exe", OffsetOf(bare_label));
    uint64_t offset;

    EXPECT_STREQ(NameAt(at + 1, &offset), "bare_label");
    EXPECT_STREQ(NameAt(at + 2, &offset), "next_label");
}

TEST_F(Symbols, AnonymousMemoryHasNone)
{
    SymbolPlace place;
    uint64_t offset;

    ASSERT_EQ(mem_mmap(kBase, MEM_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
              static_cast<int64_t>(kBase));
    EXPECT_FALSE(symbols_at(kBase, &place));
    EXPECT_EQ(NameAt(kBase, &offset), nullptr);
    EXPECT_FALSE(symbols_at(kBase + MEM_PAGE, &place)) << "not mapped";
}

TEST_F(Symbols, AnotherFileAtTheSamePlace)
{
    uint64_t offset, file_offset = OffsetOf(reinterpret_cast<void *>(marker_function));
    uint64_t at = Map("/proc/self/exe", file_offset);
    std::string data(file_offset + MEM_PAGE, 'x');
    char path[] = "/tmp/symbols_test.XXXXXX";
    int fd = mkstemp(path);
    SymbolPlace place;

    EXPECT_STREQ(NameAt(at, &offset), "marker_function");
    ASSERT_EQ(write(fd, data.data(), data.size()), static_cast<ssize_t>(data.size()));
    close(fd);
    Map(path, file_offset);
    ASSERT_TRUE(symbols_at(at, &place));
    EXPECT_STREQ(place.file, path) << "not an ELF file, but a file";
    EXPECT_EQ(place.name, nullptr);
    unlink(path);
    mem_munmap(kBase, 2 * MEM_PAGE);
    EXPECT_FALSE(symbols_at(at, &place)) << "not mapped any more";
}

TEST_F(Symbols, BuildIdIsThatOfTheFile)
{
    const uint8_t *id = nullptr;
    size_t size = 0;
    std::pair<const uint8_t **, size_t *> own(&id, &size);
    SymbolPlace place;

    // The running program's own note.
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *opaque) {
            auto *out = static_cast<std::pair<const uint8_t **, size_t *> *>(opaque);
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const auto &p = info->dlpi_phdr[i];
                const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(info->dlpi_addr + p.p_vaddr);
                const auto *end = reinterpret_cast<const uint8_t *>(note) + p.p_memsz;
                while (p.p_type == PT_NOTE && reinterpret_cast<const uint8_t *>(note) < end) {
                    auto *name = reinterpret_cast<const uint8_t *>(note + 1);
                    auto *desc = name + ((note->n_namesz + 3) & ~3u);
                    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4) {
                        *out->first = desc;
                        *out->second = note->n_descsz;
                    }
                    size_t step = (note->n_descsz + 3) & ~3u;
                    note = reinterpret_cast<const ElfW(Nhdr) *>(desc + step);
                }
            }
            return 1;
        },
        &own);
    ASSERT_TRUE(symbols_at(Map("/proc/self/exe",
                               OffsetOf(reinterpret_cast<void *>(marker_function))), &place));
    ASSERT_EQ(place.build_id_size, size);
    if (size) {
        EXPECT_EQ(memcmp(place.build_id, id, size), 0);
    }
}

} // namespace
