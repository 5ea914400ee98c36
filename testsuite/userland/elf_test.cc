// SPDX-License-Identifier: Apache-2.0
// Files that are no programs for the guest: one clear sentence each. And the vDSO's tables.
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "userland/elf.h"
#include "userland/mem.h"
}

namespace {

// A program of one page: header, one segment.
struct Program {
    Elf64_Ehdr ehdr = {};
    Elf64_Phdr phdr = {};
    uint8_t code[64] = {};

    Program()
    {
        memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
        ehdr.e_ident[EI_CLASS] = ELFCLASS64;
        ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
        ehdr.e_type = ET_EXEC;
        ehdr.e_machine = EM_RISCV;
        ehdr.e_phoff = sizeof(ehdr);
        ehdr.e_phentsize = sizeof(phdr);
        ehdr.e_phnum = 1;
        ehdr.e_entry = 0x400000100;
        phdr.p_type = PT_LOAD;
        phdr.p_flags = PF_R | PF_W | PF_X;
        phdr.p_vaddr = 0x400000000;
        phdr.p_filesz = sizeof(*this);
        phdr.p_memsz = 3 * MEM_PAGE;
    }
};

class Elf : public testing::Test {
  protected:
    static void SetUpTestSuite()
    {
        process.abi = &user_riscv64;
        mem_init(0);
    }

    // The error without the file's name; "" when it was loaded.
    std::string Load(const void *bytes, size_t n)
    {
        static char error[ELF_ERROR];
        int fd = memfd_create("program", 0);

        EXPECT_EQ(write(fd, bytes, n), static_cast<ssize_t>(n));
        bool ok = elf_load(fd, "file", true, &image_, error);
        close(fd);
        return ok ? "" : std::string(error).substr(6);
    }

    std::string Load(const Program &p) { return Load(&p, sizeof(p)); }

    ElfImage image_ = {};
};

TEST_F(Elf, LoadsAndZeroesTheRest)
{
    Program p;
    uint64_t v = 1;

    ASSERT_EQ(Load(p), "");
    EXPECT_EQ(image_.entry, 0x400000100u);
    EXPECT_EQ(image_.phdr, 0x400000040u);
    EXPECT_EQ(image_.end, 0x400000000u + 3 * MEM_PAGE);
    ASSERT_TRUE(mem_read_u64(0x400000000, &v));
    EXPECT_EQ(v & 0xffffffff, 0x464c457fu);
    ASSERT_TRUE(mem_read_u64(0x400000000 + sizeof(p) + 8, &v));
    EXPECT_EQ(v, 0u);
    ASSERT_TRUE(mem_read_u64(0x400000000 + 3 * MEM_PAGE - 8, &v));
    EXPECT_EQ(v, 0u);
    ASSERT_EQ(mem_munmap(0x400000000, 3 * MEM_PAGE), 0);
}

TEST_F(Elf, SaysWhatIsWrong)
{
    Program p;

    EXPECT_EQ(Load("#!/bin/sh\n", 10), "not an ELF program (a script begins with #! and the path of its interpreter)");
    EXPECT_EQ(Load(&p, 30), "truncated: the ELF header is incomplete");
    EXPECT_EQ(Load(&p, sizeof(p.ehdr) + 5), "truncated: the program headers are incomplete");
    EXPECT_EQ(Load(&p, sizeof(p) - 1).substr(0, 30), "truncated: a segment ends at b");
    p.ehdr.e_machine = EM_X86_64;
    EXPECT_EQ(Load(p), "a program for x86-64, not for riscv64");
    p.ehdr.e_machine = 4711;
    EXPECT_EQ(Load(p), "a program for ELF machine 4711, not for riscv64");
    p = Program();
    p.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
    EXPECT_EQ(Load(p), "a 32-bit program; riscv64 is 64-bit");
    p = Program();
    p.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
    EXPECT_EQ(Load(p), "a big-endian program; riscv64 is little-endian");
    p = Program();
    p.ehdr.e_type = ET_REL;
    EXPECT_EQ(Load(p), "an ELF file, but not a program");
    p = Program();
    p.phdr.p_type = PT_NOTE;
    EXPECT_EQ(Load(p), "an ELF file with nothing to load");
}

TEST_F(Elf, RefusesHeadersThatLie)
{
    const std::string bad = "bad ELF program headers";
    Program p;

    p.phdr.p_memsz = 8;
    EXPECT_EQ(Load(p), bad);
    p = Program();
    p.phdr.p_vaddr = ~UINT64_C(0) - 100;
    EXPECT_EQ(Load(p), bad);
    p = Program();
    p.phdr.p_vaddr = mem_limit;
    EXPECT_EQ(Load(p), bad);
    p = Program();
    p.phdr.p_vaddr += 4;
    EXPECT_EQ(Load(p), bad);
    p = Program();
    p.ehdr.e_phnum = 60000;
    EXPECT_EQ(Load(p), bad);
    p = Program();
    p.phdr.p_filesz = p.phdr.p_memsz = UINT64_C(1) << 37;
    EXPECT_EQ(Load(p).substr(0, 10), "truncated:");
}

// What a C library does to find a function: hash table, name, version.
TEST_F(Elf, VdsoFunctionsAreFoundByNameAndVersion)
{
    std::vector<uint8_t> page(4096);

    process.abi->vdso(page.data(), 0x10000000);
    auto *ehdr = reinterpret_cast<Elf64_Ehdr *>(page.data());
    auto *phdr = reinterpret_cast<Elf64_Phdr *>(page.data() + ehdr->e_phoff);
    ASSERT_EQ(phdr[1].p_type, static_cast<uint32_t>(PT_DYNAMIC));
    uint64_t info[64] = {};
    const uint8_t *versym = nullptr, *verdef = nullptr;
    auto *d = reinterpret_cast<Elf64_Dyn *>(page.data() + phdr[1].p_vaddr);
    for (; d->d_tag != DT_NULL; d++) {
        if (d->d_tag < 64) {
            info[d->d_tag] = d->d_un.d_val;
        } else if (d->d_tag == DT_VERSYM) {
            versym = page.data() + d->d_un.d_ptr;
        } else if (d->d_tag == DT_VERDEF) {
            verdef = page.data() + d->d_un.d_ptr;
        }
    }
    ASSERT_TRUE(versym && verdef);
    auto *hash = reinterpret_cast<uint32_t *>(page.data() + info[DT_HASH]);
    auto *sym = reinterpret_cast<Elf64_Sym *>(page.data() + info[DT_SYMTAB]);
    const char *strings = reinterpret_cast<char *>(page.data() + info[DT_STRTAB]);
    unsigned found = 0;
    for (uint32_t i = hash[2]; i; i = hash[3 + i]) {
        const uint32_t *code = reinterpret_cast<uint32_t *>(page.data() + sym[i].st_value);

        EXPECT_EQ(reinterpret_cast<const uint16_t *>(versym)[i], 2);
        EXPECT_EQ(code[1], 0x73u);
        if (strcmp(strings + sym[i].st_name, "__vdso_clock_gettime") == 0) {
            EXPECT_EQ(code[0], 0x893u | 113u << 20); // li a7, 113
            found++;
        }
        if (strcmp(strings + sym[i].st_name, "__vdso_rt_sigreturn") == 0) {
            EXPECT_EQ(code[0], 0x08b00893u); // unwinders look for exactly this
            found++;
        }
    }
    EXPECT_EQ(found, 2u);
    auto *def = reinterpret_cast<const Elf64_Verdef *>(verdef);
    def = reinterpret_cast<const Elf64_Verdef *>(verdef + def->vd_next);
    auto *aux = reinterpret_cast<const Elf64_Verdaux *>(
        reinterpret_cast<const uint8_t *>(def) + def->vd_aux);
    EXPECT_STREQ(strings + aux->vda_name, "LINUX_4.15");
    EXPECT_EQ(def->vd_ndx, 2);
}

} // namespace
