#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sequences.py - random runs of RISC-V instructions, Ketch against QEMU.

    sequences.py [--ketch "out/bin/ketch run"] [--tier jit,regions] [--count 1000]
                 [--length 24] [--seed 1] [--group rvf,rvd,...] [--keep FOLDER] [--show N]

Where ../fuzz tests single instructions, this tests what comes between them: values that stay in
registers across instructions, NaNs and boxes that are made good later, rounding modes that come
and go, flags, merges of branches, loops.  Encodings come from the .isa files.  Each sequence works
on sixteen f registers, a2-a5, t3-t6, fcsr and 256 bytes of memory, which are random before and are
hashed after each of many runs; --show prints the states of one sequence from both sides.
"""
import argparse
import os
import random
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [os.path.join(ROOT, "frontends"), os.path.join(HERE, "..", "fuzz")]

from fuzz import qemu_commands  # noqa: E402
from isa import read_isa  # noqa: E402

FLOAT_GROUPS = "rvf,rvd,rvcd,zfhmin"
GROUPS = FLOAT_GROUPS + ",rv64i,m,c,zba,zbb,zbs"
F_REGS = (0, 1, 8, 9, 10, 11, 12, 13)
X_REGS = (12, 13, 14, 15, 28, 29, 30, 31)
MEMORY = 11  # a1
# Control flow is made here; the others depend on where the stack is, or leave the program.
SKIPPED = {"jal", "jalr", "beq", "bne", "blt", "bge", "bltu", "bgeu", "ecall", "ebreak", "c.j",
           "c.jr", "c.jalr", "c.beqz", "c.bnez", "c.ebreak", "c.addi4spn", "c.addi16sp"}
MODES = (0, 1, 2, 3, 4, 7, 7, 7, 7)
TIERS = {
    "interp": ["--tier=interp"],
    "jit": ["--tier=jit", "--tier-threshold=0"],
    "regions": ["--tier=jit", "--tier-threshold=8"],
}


def register(rnd, field, regs):
    """A register of `regs` that the field can name, as its raw value."""
    return rnd.choice([r - field.bias for r in regs if 0 <= r - field.bias < 1 << field.width])


def value(rnd, row, field):
    base = "(%s)" % field.name in row.text
    if base:
        return MEMORY - field.bias
    if field.kind in ("xreg", "freg"):
        return register(rnd, field, X_REGS if field.kind == "xreg" else F_REGS)
    if field.kind in ("rm", "rm_exact"):
        return rnd.choice(MODES)
    if "(" in row.text:  # an offset: both memories have 256 bytes
        return rnd.randrange(0, 249) >> field.shift & (1 << field.width) - 1
    return rnd.randrange(1 << field.width)


def place(field, raw):
    """`raw` spread over the field's bits."""
    bits, at = 0, field.width
    for hi, lo in field.pieces:
        at -= hi - lo + 1
        bits |= (raw >> at & ((1 << (hi - lo + 1)) - 1)) << lo
    return bits


def instruction(rnd, rows):
    while True:
        row = rnd.choice(rows)
        bits = row.match
        for field in row.operands:
            bits |= place(field, value(rnd, row, field))
        if all(f.extract(bits) != f.raw_of(v) for f, v in row.excluded()):
            return "%s 0x%x" % (".half" if row.width == 16 else ".word", bits)


def csr_access(rnd):
    """Any access after which the rounding mode is a valid one."""
    csr, rd, rs = rnd.choice((1, 2, 3)), rnd.choice(X_REGS), rnd.choice(X_REGS)
    if rnd.random() < 0.3:
        return "csrr x%d, %d" % (rd, csr)
    if csr == 1:
        return "csrr%s x%d, %d, x%d" % (rnd.choice("wsc"), rd, csr, rs)
    if csr == 2:
        return "csrrwi x%d, %d, %d" % (rd, csr, rnd.choice((0, 0, 1, 2, 3, 4)))
    return "andi t1, x%d, 0x%x; csrrw x%d, %d, t1" % (rs, rnd.choice((0x7f, 0x1f, 0x9f)), rd, csr)


def sequence(rnd, rows, length):
    out, loop = [], rnd.random() < 0.3
    if loop:
        out += ["li t2, %d" % rnd.choice((2, 3, 40)), "2:"]
    for _ in range(length):
        kind = rnd.random()
        if kind < 0.05:
            out.append(csr_access(rnd))
        elif kind < 0.12:
            out.append("b%s x%d, x%d, 1f" % (rnd.choice(("eq", "ne", "lt", "geu")),
                                             rnd.choice(X_REGS), rnd.choice(X_REGS)))
            out += [instruction(rnd, rows) for _ in range(rnd.randrange(1, 4))] + ["1:"]
        else:
            out.append(instruction(rnd, rows))
    return out + (["addi t2, t2, -1", "bnez t2, 2b"] if loop else [])


def assembly(rnd, rows, count, length):
    out = ["\t.text", "\t.option norelax"]
    for i in range(count):
        out.append("seq_%d:" % i)
        out += ["\t" + line for line in sequence(rnd, rows, length)] + ["\tret"]
    out += ["\t.section .data.rel.ro", "\t.balign 8", "\t.globl sequences, n_sequences"]
    out += ["sequences:"]
    out += ["\t.dword seq_%d" % i for i in range(count)]
    out += ["n_sequences:", "\t.dword %d" % count, '\t.section .note.GNU-stack,"",@progbits']
    return "\n".join(out) + "\n"


def build(folder, rows, args):
    source, program = os.path.join(folder, "sequences.S"), os.path.join(folder, "sequences")
    with open(source, "w") as f:
        f.write(assembly(random.Random(args.seed), rows, args.count, args.length))
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-O2", "-o", program,
                    os.path.join(HERE, "runner.c"), source], check=True)
    return program


def run(command, *arguments):
    done = subprocess.run(command + list(arguments), stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines(), done.returncode


def show(program, oracle, ketch, which):
    listing = subprocess.run(["riscv64-linux-gnu-objdump", "-d", "-M", "no-aliases",
                              "--disassemble=seq_%s" % which, program],
                             capture_output=True, text=True)
    print("\n".join(line for line in listing.stdout.splitlines() if ":\t" in line))
    want, got = run(oracle, program, which)[0], run(ketch, program, which)[0]
    shown = 0
    for i, (a, b) in enumerate(zip(want, got)):
        title = max(j for j in range(i + 1) if want[j].startswith("--") or j == 0)
        if a != b and not a[:1].isdigit() and shown < 10:
            print("%s\n  qemu  %s\n  ketch %s" % (want[title], a, b))
            shown += 1
    if len(want) != len(got):
        print("qemu printed %d lines, ketch %d" % (len(want), len(got)))


def main():
    parser = argparse.ArgumentParser(description="runs of RISC-V instructions on Ketch against QEMU")
    parser.add_argument("--ketch", default=os.path.join(ROOT, "out", "bin", "ketch") + " run")
    parser.add_argument("--tier", default="jit,regions",
                        help="comma-separated: %s" % " ".join(TIERS))
    parser.add_argument("--group", default=GROUPS, help="comma-separated .isa stems")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for the program")
    parser.add_argument("--show", metavar="N", help="print the states of sequence N")
    args = parser.parse_args()
    folder = os.path.join(ROOT, "frontends", "riscv")
    _, rows = read_isa(sorted(os.path.join(folder, f) for f in os.listdir(folder)
                              if f.endswith(".isa")))
    rows = [r for r in rows if r.group in args.group.split(",") and r.name not in SKIPPED]
    new, old = qemu_commands()
    oracle = new or old
    if not oracle:
        print("no qemu-riscv64 to compare with\n0 passed, 0 failed, %d skipped" % args.count)
        return
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        program = build(args.keep or temporary, rows, args)
        want = run(oracle, program)[0]
        for tier in args.tier.split(","):
            ketch = shlex.split(args.ketch) + TIERS[tier]
            if args.show:
                show(program, oracle, ketch, args.show)
                continue
            got, status = run(ketch, program)
            bad = [w.split()[0] for w, g in zip(want, got) if w != g]
            bad += [w.split()[0] for w in want[len(got):]]
            print("sequences %-7s %d of %d differ%s%s" % (tier, len(bad), len(want),
                                                         ": " * bool(bad),
                                                         " ".join(bad[:10])))
            if status:
                print("sequences: ketch ended with status %d" % status)
            failed += len(bad)
            passed += len(want) - len(bad)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
