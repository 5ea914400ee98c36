#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sequences.py - random runs of RISC-V instructions, Ketch against QEMU.

    sequences.py [--ketch "out/bin/ketch run"] [--tier jit,regions] [--count 1000]
                 [--length 24] [--seed 1] [--kind plain,flow,...] [--group rvf,rvd,...]
                 [--keep FOLDER] [--show N] [--faults]

Where ../fuzz tests single instructions, this tests what comes between them: values that stay in
registers across instructions, NaNs and boxes that are made good later, rounding modes that come
and go, flags, merges of branches, loops, calls, memory accessed in several sizes.  sequence.py
makes them, with encodings from the .isa files.  Registers, fcsr and 256 bytes of memory are random
before and hashed after each of many runs; --show prints the states of one sequence from both sides.

With --faults the memory lies on two pages, now one of them protected, now the other, and all
registers at each fault are in the hash.  The interpreter is the reference: what a signal does to
a reservation is the emulator's own.
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
from sequence import KINDS, SKIPPED, Sequence  # noqa: E402

GROUPS = "rvf,rvd,rvcd,zfhmin,rv64i,m,a,c,zba,zbb,zbs,zbc,zbkb"
NEW_GROUPS = ",zfa,zicond,zacas,zbkx,zknd,zkne,zkned,zknh,zksed,zksh"  # of newer QEMUs
TIERS = {
    "interp": ["--tier=interp"],
    "jit": ["--tier=jit", "--tier-threshold=0"],
    "regions": ["--tier=jit", "--tier-threshold=16"],
    "early": ["--tier=jit", "--tier-threshold=2"],
    "checked": ["--tier=jit", "--tier-threshold=1", "--check"],
}


def assembly(rows, args):
    out, tables, count = ["\t.text", "\t.option norelax"], [], args.count
    kinds = args.kind.split(",")
    for i in range(count):
        rnd = random.Random("%d %d" % (args.seed, i))
        s = Sequence(rnd, rows, i, kinds[i % len(kinds)], args.length)
        out.append("seq_%d:" % i)
        out += [line if line[-1] == ":" else "\t" + line for line in s.text()]
        tables += s.tables
    out += ["\t.section .data.rel.ro", "\t.balign 8", "\t.globl sequences, n_sequences"]
    out += tables + ["sequences:"]
    out += ["\t.dword seq_%d" % i for i in range(count)]
    out += ["n_sequences:", "\t.dword %d" % count, '\t.section .note.GNU-stack,"",@progbits']
    return "\n".join(out) + "\n"


def build(folder, rows, args):
    source, program = os.path.join(folder, "sequences.S"), os.path.join(folder, "sequences")
    with open(source, "w") as f:
        f.write(assembly(rows, args))
    subprocess.run(["riscv64-linux-gnu-gcc", "-march=rv64gc_zba_zbb_zbs_zfhmin", "-static", "-O2", "-o",
                    program, os.path.join(HERE, "runner.c"), source], check=True)
    return [program] + ["-f"] * args.faults


def run(command, program, *arguments):
    done = subprocess.run([*command, *program, *arguments], stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines(), done.returncode


def show(program, oracle, ketch, which):
    listing = subprocess.run(["riscv64-linux-gnu-objdump", "-d", "-M", "no-aliases",
                              "--disassemble=seq_%s" % which, program[0]],
                             capture_output=True, text=True)
    print("\n".join(line for line in listing.stdout.splitlines() if ":\t" in line))
    want, got = run(oracle, program, which)[0], run(ketch, program, which)[0]
    shown = 0
    for i, (a, b) in enumerate(zip(want, got)):
        title = max(j for j in range(i + 1) if want[j].startswith("--") or j == 0)
        if a != b and not a[:1].isdigit() and shown < 10:
            print("%s\n  wanted %s\n  ketch  %s" % (want[title], a, b))
            shown += 1
    if len(want) != len(got):
        print("%d lines wanted, ketch %d" % (len(want), len(got)))


def main():
    parser = argparse.ArgumentParser(description="runs of RISC-V instructions on Ketch against QEMU")
    parser.add_argument("--ketch", default=os.path.join(ROOT, "out", "bin", "ketch") + " run")
    parser.add_argument("--tier", default="jit,regions",
                        help="comma-separated: %s" % " ".join(TIERS))
    parser.add_argument("--group", help="comma-separated .isa stems")
    parser.add_argument("--kind", default=",".join(KINDS),
                        help="comma-separated: %s" % " ".join(KINDS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true", help="accesses fault")
    parser.add_argument("--keep", help="folder for the program")
    parser.add_argument("--show", metavar="N", help="print the states of sequence N")
    args = parser.parse_args()
    folder = os.path.join(ROOT, "frontends", "riscv")
    _, rows = read_isa(sorted(os.path.join(folder, f) for f in os.listdir(folder)
                              if f.endswith(".isa")))
    new, old = qemu_commands()
    if args.faults:  # so the sequences are the same whatever QEMU is here
        new = [*shlex.split(args.ketch), "-cpu", "max", *TIERS["interp"]]
    groups = args.group or GROUPS + (NEW_GROUPS if new else "")
    skipped = SKIPPED if new else SKIPPED | {"ctzw"}  # see ../known_differences.txt
    rows = [r for r in rows if r.group in groups.split(",") and r.name not in skipped]
    oracle = new or old
    if not oracle:
        print("no qemu-riscv64 to compare with\n0 passed, 0 failed, %d skipped" % args.count)
        return
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        program = build(args.keep or temporary, rows, args)
        want, status = run(oracle, program)
        if status:
            print("sequences: the reference ended with status %d" % status)
            failed += 1
        for tier in args.tier.split(","):
            ketch = [*shlex.split(args.ketch), "-cpu", "max", *TIERS[tier]]
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
