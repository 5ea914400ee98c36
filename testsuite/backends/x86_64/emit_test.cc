/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoder writes, as an independent disassembler reads it. */
#include <capstone/capstone.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

extern "C" {
#include "backends/x86_64/emit.h"
}

namespace
{

/* The text of everything that `emit` wrote, one insn after the other. */
std::string Text(const std::function<void(X64Emit *)> &emit)
{
    uint8_t buffer[256];
    X64Emit e = { buffer, buffer };
    std::string text;
    cs_insn *insn;
    csh cs;

    emit(&e);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK) {
        return "no disassembler";
    }
    size_t size = static_cast<size_t>(e.p - e.start), read = 0;
    size_t n = cs_disasm(cs, buffer, size, 0, 0, &insn);
    for (size_t k = 0; k < n; k++) {
        text += (k ? "; " : "") + std::string(insn[k].mnemonic) + " " + insn[k].op_str;
        read += insn[k].size;
    }
    cs_free(insn, n);
    cs_close(&cs);
    return read == size ? text : text + "; garbage";
}

size_t Size(const std::function<void(X64Emit *)> &emit)
{
    uint8_t buffer[256];
    X64Emit e = { buffer, buffer };

    emit(&e);
    return static_cast<size_t>(e.p - e.start);
}

TEST(Emit, RegisterForms)
{
    EXPECT_EQ(Text([](X64Emit *e) { x64_alu_rr(e, X64_ADD, true, X64_RAX, X64_R15); }),
              "add rax, r15");
    EXPECT_EQ(Text([](X64Emit *e) { x64_alu_rr(e, X64_CMP, false, X64_R12, X64_RDI); }),
              "cmp r12d, edi");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_rr(e, true, 16 + 9, 16 + 2); }), "movaps xmm9, xmm2");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_rr(e, true, 16 + 9, X64_R10); }), "movq xmm9, r10");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_rr(e, false, X64_R10, 16 + 9); }), "movd r10d, xmm9");
}

/* spl, bpl, sil and dil need a REX prefix; without it they would be ah, ch, dh, bh. */
TEST(Emit, ByteRegisters)
{
    for (X64Reg r = 0; r < 16; r++) {
        static const char *const names[] = { "al",  "cl",  "dl",   "bl",   "spl",  "bpl",
                                             "sil", "dil", "r8b",  "r9b",  "r10b", "r11b",
                                             "r12b", "r13b", "r14b", "r15b" };
        EXPECT_EQ(Text([r](X64Emit *e) {
                      x64_rr(e, X64_0F | X64_BYTE | 0x90 | X64_CC_E, false, 0, r);
                  }),
                  std::string("sete ") + names[r]);
        EXPECT_EQ(Text([r](X64Emit *e) {
                      x64_rm(e, 0x88 | X64_BYTE, false, r, x64_mem(X64_RAX, 0), 0);
                  }),
                  std::string("mov byte ptr [rax], ") + names[r]);
    }
}

/* Every base with every size of displacement: rsp and r12 need a SIB byte, rbp and r13 a
 * displacement. */
TEST(Emit, Addresses)
{
    static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
    for (X64Reg base = 0; base < 16; base++) {
        for (int disp : { 0, 8, 0x1000 }) {
            std::string more = disp == 0 ? "" : disp == 8 ? " + 8" : " + 0x1000";
            std::string want = std::string("mov rdx, qword ptr [") + names[base] + more + "]";

            EXPECT_EQ(Text([=](X64Emit *e) { x64_load(e, X64_RDX, x64_mem(base, disp)); }), want);
        }
        for (X64Reg index = 0; index < 16; index++) {
            if (index == X64_RSP) {
                continue;
            }
            X64Mem m = { base, index, 3, -8 };
            EXPECT_EQ(Text([=](X64Emit *e) { x64_lea(e, true, X64_R9, m); }),
                      std::string("lea r9, [") + names[base] + " + " + names[index] + "*8 - 8]");
        }
    }
    EXPECT_EQ(Text([](X64Emit *e) {
                  x64_load(e, X64_RAX, X64Mem{ X64_NONE, X64_NONE, 0, 0x12345678 });
              }),
              "mov rax, qword ptr [0x12345678]");
    EXPECT_EQ(Text([](X64Emit *e) {
                  x64_nop(e, 3);
                  x64_load(e, X64_RAX, X64Mem{ X64_RIP, X64_NONE, 0, 0 });
              }),
              "nop dword ptr [rax]; mov rax, qword ptr [rip - 0xa]");
}

TEST(Emit, Immediates)
{
    EXPECT_EQ(Text([](X64Emit *e) { x64_alu_ri(e, X64_AND, true, X64_R8, -1); }),
              "and r8, 0xffffffffffffffff");
    EXPECT_EQ(Text([](X64Emit *e) { x64_alu_ri(e, X64_SUB, false, X64_RAX, 0x12345); }),
              "sub eax, 0x12345");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_ri(e, X64_R9, 0xffffffff); }), "mov r9d, 0xffffffff");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_ri(e, X64_R9, ~UINT64_C(1)); }),
              "mov r9, -2");
    EXPECT_EQ(Text([](X64Emit *e) { x64_mov_ri(e, X64_RDI, UINT64_C(0x123456789a)); }),
              "movabs rdi, 0x123456789a");
    EXPECT_EQ(Text([](X64Emit *e) { x64_alu_mi(e, X64_CMP, false, x64_mem(X64_R13, 0x208), 0); }),
              "cmp dword ptr [r13 + 0x208], 0");
    EXPECT_EQ(Text([](X64Emit *e) { x64_shift_ri(e, X64_SAR, true, X64_RBP, 63); }),
              "sar rbp, 0x3f");
}

TEST(Emit, ShortestForms)
{
    EXPECT_EQ(Size([](X64Emit *e) { x64_mov_ri(e, X64_RAX, 1); }), 5u);
    EXPECT_EQ(Size([](X64Emit *e) { x64_mov_ri(e, X64_RAX, ~UINT64_C(0)); }), 7u);
    EXPECT_EQ(Size([](X64Emit *e) { x64_alu_ri(e, X64_ADD, false, X64_RCX, 127); }), 3u);
    EXPECT_EQ(Size([](X64Emit *e) { x64_load(e, X64_RAX, x64_mem(X64_R13, -128)); }), 4u);
    EXPECT_EQ(Size([](X64Emit *e) { x64_vrr(e, X64_F2 | X64_0F | 0x58, false, 17, 18, 19); }), 4u);
}

TEST(Emit, Vex)
{
    EXPECT_EQ(Text([](X64Emit *e) { x64_vrr(e, X64_F2 | X64_0F | 0x58, false, 16, 25, 31); }),
              "vaddsd xmm0, xmm9, xmm15");
    EXPECT_EQ(Text([](X64Emit *e) { x64_vrr(e, X64_66 | X64_0F38 | 0xb9, true, 24, 17, 18); }),
              "vfmadd231sd xmm8, xmm1, xmm2");
    EXPECT_EQ(Text([](X64Emit *e) { x64_vrr(e, X64_66 | X64_0F38 | 0xf7, true, 8, 9, 10); }),
              "shlx r8, r10, r9");
    EXPECT_EQ(Text([](X64Emit *e) {
                  x64_vrr(e, X64_F2 | X64_0F3A | 0xf0, false, 8, 0, 9);
                  x64_byte(e, 7);
              }),
              "rorx r8d, r9d, 7");
    EXPECT_EQ(Text([](X64Emit *e) {
                  x64_vrm(e, X64_F3 | X64_0F | 0x59, false, 24, 17, X64Mem{ 12, 13, 2, 4 }, 0);
              }),
              "vmulss xmm8, xmm1, dword ptr [r12 + r13*4 + 4]");
}

TEST(Emit, NopsOfAnyLength)
{
    for (unsigned n = 1; n < 40; n++) {
        EXPECT_EQ(Size([n](X64Emit *e) { x64_nop(e, n); }), n);
        EXPECT_EQ(Text([n](X64Emit *e) { x64_nop(e, n); }).find("garbage"), std::string::npos);
    }
}

} // namespace
