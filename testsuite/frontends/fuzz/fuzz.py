#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz.py - every RISC-V instruction on random operands and states, Ketch against QEMU.

    fuzz.py --ketch "out/bin/ketch run" [--tier jit] [--group zbb,rvd] [--cases 20000] [--seed 1]

Encodings come from the .isa files.  For each group (file) one static program runs all its cases
and writes every register, fflags and the memory that it used; the two outputs must be the same.
A case is an encoding with a state.  The oracle is the newest QEMU at hand: $KETCH_QEMU, or the
one that tools/debian.py fetches, else the qemu-riscv64 on PATH for the extensions that it has.
Differences that we accept are in ../known_differences.txt, with the reason.
"""
import argparse
import os
import random
import shlex
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "frontends"))

from isa import read_isa  # noqa: E402

MEMORY = 256
CPU = ("rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zfhmin=true,zfa=true,zacas=true,"
       "zicond=true,zicbom=true,zicboz=true,zawrs=true,zkn=true,zks=true")
OLD_CPU = "rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,Zfhmin=true"
NEW_ONLY = {"zbkx", "zknd", "zkne", "zkned", "zknh", "zksed", "zksh", "zfa", "zacas", "zicond", "zicbo", "zawrs", "zihintpause"}
BRANCHES = {"beq", "bne", "blt", "bge", "bltu", "bgeu"}
NAMES = ("zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 "
         "t3 t4 t5 t6").split()
FNAMES = ("ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 "
          "fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11").split()


class Case:
    """One encoding: what the generated assembly needs to know of it."""

    def __init__(self, row, rows, bits):
        self.row, self.bits = row, bits
        self.op = rows[row.expand[0]] if row.expand else row
        self.values = operands(row, self.op, bits)
        self.used = used_registers(self.op, self.values)
        self.memory = "(rs1)" in self.op.text and self.op.name != "jalr"
        self.branch = self.op.name in BRANCHES or self.op.name == "jal"
        self.scratch = self.before = None

    def size(self):
        """Bytes that an atomic instruction needs aligned; 1 for others."""
        if "aqrl" not in self.values:
            return 1
        return {"w": 4, "d": 8, "q": 16}[self.op.name.split(".")[1]]

    def fp_bits(self):
        """Format that the FP registers should mostly hold."""
        last = self.op.name.split(".")[-1]
        return {"s": 32, "h": 16, "x": 64, "w": 32, "hx": 32}.get(last, 64) \
            if self.op.group != "rvf" else 32

    def text(self):
        return "%s %s" % (self.row.name,
                          " ".join("%s=%d" % (f.name, f.value(self.bits))
                                   for f in self.row.operands))


def operands(row, op, bits):
    own = {f.name: f.value(bits) for f in row.operands}
    if not row.expand:
        return own
    return {k: own[v] if v in own else int(v) for k, v in row.expand[1].items()}


def used_registers(op, values):
    used = set()
    for f in op.operands:
        if f.kind == "xreg":
            used.add(values[f.name])
            if f.name.endswith("_even"):
                used.add(values[f.name] + 1)
    return used


def encode(row, rng):
    """A random encoding of the row, or None when this attempt has none."""
    bits = rng.getrandbits(row.width)
    for f in row.operands:
        how = rng.randrange(8)
        if how < 2 and f.kind != "xreg":
            bits = f.insert(bits, 0 if how else -1)
    bits = bits & ~row.mask | row.match
    for f, value in row.excluded():
        if f.extract(bits) == f.raw_of(value):
            return None
    return bits


def usable(case, rng):
    """Adapts the encoding to what a test program can run; None when it cannot."""
    row, op = case.row, case.op
    if op.name in BRANCHES or op.name == "jal":
        field = next(f for f in row.operands if f.kind == "pcrel")
        distance = rng.choice((-1, 1)) * rng.randrange(8, 121, 2)
        case.bits = field.insert(case.bits, distance >> field.shift)
        case.values = operands(row, op, case.bits)
    if (case.memory or op.name == "jalr") and case.values["rs1"] == 0:
        return None
    if op.name.startswith("csrr"):
        csr = next(f for f in row.operands if f.name == "csr")
        case.bits = csr.insert(case.bits, rng.choice((1, 2, 3)))
        case.values = operands(row, op, case.bits)
    free = [r for r in range(1, 32) if r not in case.used]
    if not free:
        return None
    case.scratch = rng.choice(free)
    if op.name.startswith("sc.") and rng.randrange(3):
        case.before = op.name.replace("sc", "lr")
    return case


def skipped(oracle):
    """Instructions that are not compared: with any QEMU, or (second word "old") with old ones."""
    with open(os.path.join(HERE, "..", "known_differences.txt")) as f:
        lines = [line.partition("#")[0].split() for line in f]
    return {words[0] for words in lines if len(words) == 1 or words and OLD_CPU in oracle}


def make_cases(rows, all_rows, n, rng, oracle):
    cases, rows = [], [r for r in rows if r.name not in skipped(oracle)]
    n = n if rows else 0
    for i in range(n):
        row, case = rows[i % len(rows)], None
        for _ in range(1000):
            bits = encode(row, rng)
            others = [r for r in all_rows.values() if r.over == row.name]
            if bits is None or any(bits & r.mask == r.match for r in others):
                continue
            case = usable(Case(row, all_rows, bits), rng)
            if case:
                break
        if case:
            cases.append(case)
    return cases


def registers_asm(scratch):
    """loader_N and store_N for the cases whose scratch register is N."""
    s, t = "x%d" % scratch, "x%d" % (2 if scratch != 2 else 3)
    rest = [r for r in range(1, 32) if r != scratch]
    out = ["loader_%d:" % scratch, "la %s, fuzz_state" % s, "ld %s, AT_FCSR(%s)" % (t, s),
           "fscsr %s" % t]
    out += ["fld f%d, AT_F+%d(%s)" % (r, 8 * r, s) for r in range(32)]
    out += ["ld x%d, AT_X+%d(%s)" % (r, 8 * r, s) for r in rest]
    out += ["ld %s, AT_CODE(%s)" % (s, s), "jr %s" % s]
    out += ["taken_%d:" % scratch, "la %s, fuzz_out" % s, "sd %s, AT_PATH(%s)" % (s, s),
            "j 1f", "store_%d:" % scratch, "la %s, fuzz_out" % s, "sd zero, AT_PATH(%s)" % s, "1:"]
    out += ["sd x%d, AT_X+%d(%s)" % (r, 8 * r, s) for r in rest]
    out += ["fsd f%d, AT_F+%d(%s)" % (r, 8 * r, s) for r in range(32)]
    out += ["frcsr %s" % t, "sd %s, AT_FCSR(%s)" % (t, s), "j fuzz_leave"]
    return out


def gap(size):
    return [".zero %d" % size] if size else []


def case_asm(i, case):
    width = case.row.width // 8
    insn = ".%s 0x%x" % ("hword" if width == 2 else "word", case.bits)
    landing = "landing_%d: j taken_%d" % (i, case.scratch)
    out = [".balign 4"]
    before = ["%s zero, (x%d)" % (case.before, case.values["rs1"])] if case.before else []
    code = ["case_%d:" % i] + before + [insn, "j store_%d" % case.scratch]
    if case.branch:
        distance = next(case.values[f.name] for f in case.op.operands if f.kind == "pcrel")
        if distance < 0:
            return out + [landing] + gap(-distance - 4) + code
        return out + code + gap(distance - width - 4) + [landing]
    return out + code + ([landing] if case.op.name == "jalr" else [])


def case_row(i, case, seed):
    base, less, target, align = 0, 0, "0", case.size()
    if case.memory or case.op.name == "jalr":
        base = case.values["rs1"]
        less = next((case.values[n] for n in ("imm_i", "imm_s", "imm_pf") if n in case.values), 0)
    if case.op.name == "jalr":
        target = "landing_%d" % i
    frms = 0x1f if case.values.get("rm", 0) == 7 else 0xff
    if case.op.group in ("rvf", "rvd", "rvcd", "zfa", "zfhmin"):
        frms = 0x1f
    return [".dword case_%d, loader_%d" % (i, case.scratch), ".word %d, %d" % (case.scratch, base),
            ".dword %d, %s" % (less, target),
            ".word %d, %d, %d, %d" % (align, case.fp_bits(), frms, i)]


def assembly(cases, states, seed):
    out = ['#include "runtime.h"', ".option norelax", ".option arch, +c", ".text",
           ".globl _start", "_start:", "ld a0, 0(sp)", "j fuzz_main",
           ".globl fuzz_enter", "fuzz_enter:", "mv t0, a0", "la a0, saved"]
    kept = [1, 2, 3, 4, 8, 9] + list(range(18, 28))
    out += ["sd x%d, %d(a0)" % (r, 8 * i) for i, r in enumerate(kept)] + ["jr t0"]
    out += ["fuzz_leave:", "la a0, saved"]
    out += ["ld x%d, %d(a0)" % (r, 8 * i) for i, r in enumerate(kept)] + ["fscsr zero", "ret"]
    for scratch in range(1, 32):
        out += registers_asm(scratch)
    out += [".option norvc"]
    for i, case in enumerate(cases):
        out += case_asm(i, case)
    out += [".section .rodata", ".balign 8", ".globl cases, n_cases, n_states, seed", "cases:"]
    for i, case in enumerate(cases):
        out += case_row(i, case, seed)
    out += ["n_cases: .dword %d" % len(cases), "n_states: .dword %d" % states,
            "seed: .dword %d" % (seed & 0xffffffff), ".bss", ".balign 16",
            ".globl fuzz_state, fuzz_out", "fuzz_state: .zero 544", "fuzz_out: .zero 544",
            "saved: .zero 128"]
    return "\n".join(out) + "\n"


def build(folder, name, cases, states, seed):
    source, program = os.path.join(folder, name + ".S"), os.path.join(folder, name)
    with open(source, "w") as f:
        f.write(assembly(cases, states, seed))
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-nostdlib", "-ffreestanding", "-O2",
                    "-fno-tree-loop-distribute-patterns", "-fno-pic", "-no-pie",
                    "-march=rv64gc", "-Wall", "-Werror", "-Wl,--no-relax,--build-id=none,-z,separate-code",
                    "-I", HERE, "-o", program, source, os.path.join(HERE, "runtime.c")], check=True)
    return program


def qemu_commands():
    """(command of the new QEMU or None, command of the one on PATH or None)"""
    new = os.environ.get("KETCH_QEMU")
    fetch = os.path.join(ROOT, "tools", "debian.py")
    if not new and os.path.exists(fetch):
        done = subprocess.run([sys.executable, fetch, "qemu"], capture_output=True, text=True)
        new = done.stdout.strip() if done.returncode == 0 else None
    old = subprocess.run(["which", "qemu-riscv64"], capture_output=True, text=True).stdout.strip()
    return ([new, "-cpu", CPU] if new else None), ([old, "-cpu", OLD_CPU] if old else None)


def run(command, program, *arguments):
    done = subprocess.run(command + [program] + list(arguments), stdout=subprocess.PIPE)
    return done.stdout, done.returncode


def unpack(record):
    words = struct.unpack("<67Q", record[:536])
    return words[:32], words[32:64], words[64], words[65], record[536:]


def show_state(title, record, against):
    x, f, fcsr, path, memory = unpack(record)
    ox, of, ofcsr, opath, omemory = unpack(against)
    print("  %s" % title)
    items = [("x%d/%s" % (i, NAMES[i]), x[i], ox[i]) for i in range(32)]
    items += [("f%d/%s" % (i, FNAMES[i]), f[i], of[i]) for i in range(32)]
    items += [("fcsr", fcsr, ofcsr), ("path", path, opath)]
    for name, value, other in items:
        if value != other:
            print("    %-9s %016x" % (name, value))
    for at in range(0, MEMORY, 8):
        if memory[at:at + 8] != omemory[at:at + 8]:
            print("    memory+%-3d %016x" % (at, struct.unpack("<Q", memory[at:at + 8])[0]))


def show_failure(case, i, j, record_in, want, got):
    print("%s   (%0*x, case %d state %d, scratch x%d)"
          % (case.text(), case.row.width // 4, case.bits, i, j, case.scratch))
    x, f, fcsr, _, _ = unpack(record_in)
    for op in case.op.operands:
        if op.kind in ("xreg", "freg"):
            n = case.values[op.name]
            print("    in %-6s = %-5s %016x" % (op.name, (NAMES if op.kind == "xreg" else FNAMES)[n],
                                              (x if op.kind == "xreg" else f)[n]))
    print("    in fcsr   = %02x" % fcsr)
    show_state("oracle", want, got)
    show_state("ketch", got, want)


def death(command, program, cases, states, status):
    """Which case ended the program, as a sentence."""
    k = (len(run(command, program, "input")[0]) // RECORD_SIZE - 1) // 2
    where = cases[k // states] if 0 <= k < len(cases) * states else None
    return "ended with status %d %s" % (status, "in %s (%x), case %d state %d" % (
        where.text(), where.bits, k // states, k % states) if where else "outside the cases")


def compare(program, oracle, cases, states, want, got, limit):
    """Number of differing (case, state) pairs; prints the first of each instruction."""
    bad, shown, inputs = 0, set(), None
    for k in range(len(got) // RECORD_SIZE):
        a, b = (o[k * RECORD_SIZE:(k + 1) * RECORD_SIZE] for o in (want, got))
        case = cases[k // states]
        if a == b:
            continue
        bad += 1
        if case.row.name not in shown and len(shown) < limit:
            shown.add(case.row.name)
            inputs = inputs or run(oracle, program, "input")[0]
            show_failure(case, k // states, k % states,
                         inputs[2 * k * RECORD_SIZE:(2 * k + 1) * RECORD_SIZE], a, b)
    return bad


RECORD_SIZE = 536 + MEMORY


class Group:
    """The cases of one .isa file, built and run by the oracle."""

    def __init__(self, name, rows, by_name, oracle, args, folder):
        rng = random.Random("%d %s" % (args.seed, name))
        self.name, self.oracle, self.states = name, oracle, args.states
        self.cases = make_cases(rows, by_name, max(1, args.cases // args.states), rng,
                                oracle)
        self.count = len(self.cases) * args.states
        if not self.count:
            return
        self.program = build(folder, name, self.cases, args.states, args.seed)
        self.want, status = run(oracle, self.program)
        if status or len(self.want) != self.count * RECORD_SIZE:
            sys.exit("fuzz.py: %s: the oracle: %s" % (name, self.death(oracle, status)))

    def death(self, command, status):
        return death(command, self.program, self.cases, self.states, status)

    def failures(self, ketch, limit):
        """Runs it in Ketch; how many cases differ or are missing."""
        got, status = run(ketch, self.program)
        bad = compare(self.program, self.oracle, self.cases, self.states, self.want,
                      got[:len(self.want)], limit)
        if status or len(got) != len(self.want):
            print("%s: ketch: %s" % (self.name, self.death(ketch, status)))
            bad += max(1, self.count - len(got) // RECORD_SIZE)
        return bad


def arguments():
    parser = argparse.ArgumentParser(description="RISC-V instructions on Ketch against QEMU")
    parser.add_argument("--ketch", default=os.path.join(ROOT, "out", "bin", "ketch") + " run",
                        help="command that runs a program (default out/bin/ketch run)")
    parser.add_argument("--tier", help="comma-separated, handed on as --tier=")
    parser.add_argument("--group", help="comma-separated .isa stems; all by default")
    parser.add_argument("--insn", help="comma-separated instructions; all by default")
    parser.add_argument("--cases", type=int, default=20000, help="per group")
    parser.add_argument("--states", type=int, default=8, help="for each encoding")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=10, help="failures printed per group")
    parser.add_argument("--keep", help="folder for the programs")
    parser.add_argument("--old", action="store_true", help="only the qemu-riscv64 on PATH")
    return parser.parse_args()


def choose(args, rows):
    """(group, its rows) for what the options ask for."""
    groups = sorted({r.group for r in rows})
    wanted = args.group.split(",") if args.group else groups
    insns = args.insn.split(",") if args.insn else None
    if set(wanted) - set(groups) or (insns and set(insns) - {r.name for r in rows}):
        sys.exit("fuzz.py: no such group or instruction; groups are %s" % " ".join(groups))
    return [(g, [r for r in rows if r.group == g and (not insns or r.name in insns)])
            for g in wanted]


def main():
    args = arguments()
    folder = os.path.join(ROOT, "frontends", "riscv")
    _, rows = read_isa(sorted(os.path.join(folder, f) for f in os.listdir(folder)
                              if f.endswith(".isa")))
    rows = [r for r in rows if not r.privileged]  # testsuite/frontends/riscv/priv has these
    by_name = {r.name: r for r in rows}
    new, old = qemu_commands()
    new = None if args.old else new
    counts = [0, 0, 0]
    with tempfile.TemporaryDirectory() as temporary:
        for name, chosen in choose(args, rows):
            oracle = new or (None if name in NEW_ONLY else old)
            if oracle is None:
                print("%-12s skipped: needs a newer qemu-riscv64 (set KETCH_QEMU)" % name)
                counts[2] += args.cases
                continue
            group = Group(name, chosen, by_name, oracle, args, args.keep or temporary)
            for tier in (args.tier.split(",") if args.tier else [None]) if group.count else []:
                ketch = shlex.split(args.ketch) + ["-cpu", "max"] + (["--tier=" + tier] if tier else [])
                bad = group.failures(ketch, args.limit)
                print("%-12s %-7s %6d cases, %d differ" % (name, tier or "", group.count, bad),
                      flush=True)
                counts[0] += group.count - bad
                counts[1] += bad
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    sys.exit(1 if counts[1] else 0)


if __name__ == "__main__":
    main()
