#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exact registers in the middle of hot loops: random loops whose every load and store faults in
turn, with a handler that reads and changes the registers, and timer signals anywhere in them
(runtime.c tells how).  The faults' reference is qemu-riscv64, or without it the interpreter."""

import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))

import suite  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
COMPILER = "riscv64-linux-gnu-gcc"
TIMEOUT = 600

TIERS = {
    "interp": ["--tier=interp"],
    "jit": ["--tier=jit", "--tier-threshold=0"],
    "hot": ["--tier=jit"],
    "regions": ["--tier=jit", "--tier-threshold=1"],
}

FREE = [1, 5, 6, 7, *range(10, 30)]  # x8 data, x9 counter, x30 and x31 addresses
ALU = "add sub xor or and sll srl sra slt sltu mul mulh addw subw sllw srlw sraw mulw divu remw".split()
ALU_IMM = "addi andi ori xori slti sltiu addiw".split()
SHIFT_IMM = [("slli", 64), ("srli", 64), ("srai", 64), ("slliw", 32), ("srliw", 32), ("sraiw", 32)]
FP2 = "fadd fsub fmul fsgnj fsgnjx fmin fmax fdiv".split()
FP3 = "fmadd fmsub fnmadd".split()
LOADS = "lb lbu lh lhu lw lwu ld".split()
STORES = "sb sh sw sd".split()
BRANCHES = "beq bne blt bge bltu bgeu".split()
AMOS = "amoadd amoswap amoxor amomaxu amomin".split()


class Loop:
    """A random loop body as assembly."""

    def __init__(self, seed, number):
        self.random = random.Random(f"{seed}/{number}")
        self.number, self.sites, self.labels, self.lines = number, 0, 0, []
        self.hot = self.random.sample(FREE, self.random.choice([6, 10, len(FREE)]))
        for _ in range(self.random.randint(4, 14)):
            self.some(self.random.randint(0, 4))
            self.access()
        self.some(3)

    def x(self):
        return f"x{self.random.choice(self.hot)}"

    def f(self):
        return f"f{self.random.randint(0, 31)}"

    def put(self, line):
        self.lines.append(line)

    def some(self, n):
        for _ in range(n):
            self.random.choice([self.alu, self.alu, self.alu_imm, self.alu_imm, self.shift, self.fp, self.fp,
                                self.convert, self.constant, self.skip])()

    def alu(self):
        self.put(f"{self.random.choice(ALU)} {self.x()}, {self.x()}, {self.x()}")

    def alu_imm(self):
        self.put(f"{self.random.choice(ALU_IMM)} {self.x()}, {self.x()}, {self.random.randint(-2048, 2047)}")

    def shift(self):
        op, bits = self.random.choice(SHIFT_IMM)
        self.put(f"{op} {self.x()}, {self.x()}, {self.random.randrange(bits)}")

    def constant(self):
        self.put(f"li {self.x()}, {self.random.choice([0, 1, -1, 0x7fffffff, 0x12345000])}")

    def fp(self):
        size = self.random.choice("sdd")
        if self.random.random() < 0.3:
            self.put(f"{self.random.choice(FP3)}.{size} {self.f()}, {self.f()}, {self.f()}, {self.f()}")
        else:
            self.put(f"{self.random.choice(FP2)}.{size} {self.f()}, {self.f()}, {self.f()}")

    def convert(self):
        self.put(self.random.choice([
            f"fcvt.d.l {self.f()}, {self.x()}", f"fcvt.s.w {self.f()}, {self.x()}", f"fcvt.w.d {self.x()}, {self.f()}",
            f"fcvt.d.s {self.f()}, {self.f()}", f"fcvt.s.d {self.f()}, {self.f()}", f"fmv.x.d {self.x()}, {self.f()}",
            f"fmv.d.x {self.f()}, {self.x()}", f"flt.d {self.x()}, {self.f()}, {self.f()}",
            f"fclass.s {self.x()}, {self.f()}", f"mv {self.x()}, {self.x()}"]))

    def skip(self):
        self.labels += 1
        label = f".Lskip_{self.number}_{self.labels}"
        self.put(f"{self.random.choice(BRANCHES)} {self.x()}, {self.x()}, {label}")
        self.random.choice([self.alu, self.alu_imm, self.fp])()
        if self.random.random() < 0.3 and self.sites < 20:
            self.access()
        self.put(f"{label}:")

    def access(self):
        """A load or store on a page of its own."""
        offset = self.random.randrange(0, 2040, 8)
        self.put(f"lui x31, {self.sites}")
        self.put("add x31, x31, x8")
        address = f"{offset}(x31)"
        self.sites += 1
        if self.random.random() < 0.5:
            self.put(f"andi x30, {self.x()}, 0x3f8")
            self.put("add x30, x30, x31")
            address = f"{offset}(x30)"
        kind = self.random.random()
        if kind < 0.35:
            self.put(f"{self.random.choice(LOADS)} {self.x()}, {address}")
        elif kind < 0.65:
            self.put(f"{self.random.choice(STORES)} {self.x()}, {address}")
        elif kind < 0.78:
            self.put(f"{self.random.choice(['fld', 'flw'])} {self.f()}, {address}")
        elif kind < 0.9:
            self.put(f"{self.random.choice(['fsd', 'fsw'])} {self.f()}, {address}")
        else:
            self.put(f"{self.random.choice(AMOS)}.{self.random.choice('wd')} {self.x()}, {self.x()}, (x31)")

    def text(self):
        n, regs = self.number, [1, *range(5, 32)]
        callee = [1, *range(8, 10), *range(18, 28)]
        fsaved = [8, 9, *range(18, 28)]
        out = [f".globl kernel_{n}", f"kernel_{n}:", "addi sp, sp, -256", "sd a0, 0(sp)"]
        out += [f"sd x{r}, {16 + 8 * k}(sp)" for k, r in enumerate(callee)]
        out += [f"fsd f{r}, {128 + 8 * k}(sp)" for k, r in enumerate(fsaved)]
        out += ["ld t0, 512(a0)", "fscsr t0"]
        out += [f"fld f{r}, {256 + 8 * r}(a0)" for r in range(32)]
        out += [f"ld x{r}, {8 * r}(a0)" for r in regs if r != 10] + ["ld x10, 80(x10)"]
        out += [f"loop_{n}:", *self.lines, "addi x9, x9, -1", f"counted_{n}:", f"bnez x9, loop_{n}"]
        out += [f"end_{n}:", "sd x31, 8(sp)", "ld x31, 0(sp)"]
        out += [f"sd x{r}, {8 * r}(x31)" for r in regs if r != 31] + ["ld x5, 8(sp)", "sd x5, 248(x31)"]
        out += [f"fsd f{r}, {256 + 8 * r}(x31)" for r in range(32)] + ["frcsr t0", "sd t0, 512(x31)", "fscsr zero"]
        out += [f"ld x{r}, {16 + 8 * k}(sp)" for k, r in enumerate(callee)]
        out += [f"fld f{r}, {128 + 8 * k}(sp)" for k, r in enumerate(fsaved)]
        out += ["addi sp, sp, 256", "ret", f"finish_{n}:"]
        return "\n".join(out)


def build(folder, seed, count):
    loops = [Loop(seed, n) for n in range(count)]
    table = "\n".join(f".dword kernel_{k.number}, loop_{k.number}, counted_{k.number}, "
                      f"end_{k.number}, finish_{k.number}, {k.sites}"
                      for k in loops)
    source, binary = os.path.join(folder, "loops.S"), os.path.join(folder, "precise")
    with open(source, "w", encoding="ascii") as f:
        f.write(".text\n" + "\n".join(k.text() for k in loops))
        f.write(f"\n.data\n.align 3\n.globl kernels, n_kernels\nkernels:\n{table}\nn_kernels: .dword {count}\n")
    subprocess.run([COMPILER, "-O1", "-static", "-march=rv64gc", "-o", binary, os.path.join(HERE, "runtime.c"), source],
                   check=True)
    return binary


def first_difference(want, got):
    """A sentence, or None."""
    want, got = want.decode().splitlines(), got.decode(errors="replace").splitlines()
    last = ""
    for a, b in zip(want, got):
        if a != b:
            fields = [f"{x} is {y}" for x, y in zip(a.split(), b.split()) if x != y]
            return f"{last}: {', '.join(fields)[:600]}"
        last = a if " pc " in a else last
    return None if len(want) == len(got) else f"{len(got)} lines, not {len(want)}; the last is {got[-1:]}"


def judge(options, binary, tier, reference):
    """Verdicts about faults and about signals."""
    command = [options.ketch, "run", *TIERS[tier], binary]
    faults = suite.run(command, TIMEOUT)
    signals = suite.run([*command, "signals"], TIMEOUT)
    for result in (faults, signals):
        if result.status != 0 or result.errors:
            why = f"{suite.status_text(result.status)}: {result.errors[-300:]} {result.output[-300:]}"
            return [(f"precise ({tier})", why)]
    why = None if signals.output == b"done\n" else signals.output.decode()[:3000]
    return [(f"faults ({tier})", first_difference(reference, faults.output)), (f"signals ({tier})", why)]


def main():
    parser = suite.parser(__doc__)
    parser.set_defaults(tier="interp,jit,hot,regions")
    parser.add_argument("--count", type=int, default=10, help="loops")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tiers = options.tier.split(",")
    if not shutil.which(COMPILER):
        return suite.skip_all(2 * len(tiers), f"no {COMPILER}")
    with tempfile.TemporaryDirectory() as folder:
        binary = build(folder, options.seed, options.count)
        oracle = shutil.which("qemu-riscv64")
        command = [oracle, binary] if oracle else [options.ketch, "run", *TIERS["interp"], binary]
        reference = suite.run(command, TIMEOUT)
        if reference.status != 0:
            print(f"FAILED the reference run: {suite.status_text(reference.status)} {reference.output[-300:]}")
            print("0 passed, 1 failed, 0 skipped")
            return 1
        return suite.run_all(tiers, lambda tier: judge(options, binary, tier, reference.output), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
