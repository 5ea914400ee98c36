#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""machine_test.py - programs without an operating system, in M, S and U, on Ketch's harts and on
QEMU's: what they print must be the same, in every tier and with every way to reach memory.

    machine_test.py RUNNER [PROGRAM...]

The programs are the .S files beside this one; they say what they do that QEMU does differently from
the manual, and leave it out.  Skips visibly without a cross compiler or qemu-system-riscv64.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../.."))

import suite  # noqa: E402

TOOLS = "riscv64-linux-gnu-"
QEMU = "qemu-system-riscv64"
SECONDS = 300

# Program, macros, harts, -cpu of Ketch, -M of QEMU.  QEMU 7.2 has all paging modes.
PROGRAMS = (
    ("csr", [], 1, "", "virt"),
    ("trap", [], 1, "", "virt"),
    ("fp", [], 1, "", "virt"),
    ("interrupt", [], 1, "", "virt"),
    ("paging", ["PAGING_MODE=8"], 1, "", "virt"),
    ("paging", ["PAGING_MODE=9"], 1, "", "virt"),
    ("paging", ["PAGING_MODE=10"], 1, "sv57=on", "virt"),
    ("smp", [], 2, "", "virt"),
    ("sswi", [], 2, "", "virt,aclint=on"),
)
WAYS = (
    ["--tier=interp"],
    ["--tier=jit", "--mmu=flat"],
    ["--tier=jit", "--mmu=tlb"],
    ["--tier=jit", "--hot=20"],
    ["--tier=jit", "--hot=20", "--check"],
    ["--tier=jit", "--mmu=tlb", "--check"],
)


def build(folder, name, macros):
    """(ELF file, the same as memory)"""
    elf, raw = os.path.join(folder, "p"), os.path.join(folder, "p.bin")
    subprocess.run([TOOLS + "gcc", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-static",
                    "-nostdlib", "-fno-pic", "-no-pie", "-Wl,--build-id=none,--no-relax",
                    "-Wl,--no-warn-rwx-segments", "-T", os.path.join(HERE, "link.ld"), "-o", elf]
                   + ["-D" + m for m in macros]
                   + [os.path.join(HERE, "start.S"), os.path.join(HERE, name + ".S")], check=True)
    subprocess.run([TOOLS + "objcopy", "-O", "binary", elf, raw], check=True)
    return elf, raw


def on_one_processor():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def output(command, setup=None):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=SECONDS, preexec_fn=setup)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode() + "\n(does not end)"
    return done.stdout.decode() + ("" if done.returncode == 0 else "\n(exit status %d)" % done.returncode)


def first_difference(ours, theirs):
    ours, theirs = ours.splitlines() + ["(end)"], theirs.splitlines() + ["(end)"]
    line = next(i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1])
    return "line %d\n  ketch %s\n  qemu  %s" % (line + 1, ours[line], theirs[line])


def compare(runner, program, folder):
    name, macros, harts, cpu, board = program
    elf, raw = build(folder, name, macros)
    want = output([QEMU, "-M", board, "-bios", "none", "-nographic", "-monitor", "none", "-cpu",
                   "rv64,h=off", "-smp", str(harts), "-kernel", elf])
    failed = 0
    # With as many harts as processors, or more, they let each other go first (translator/machine.c).
    runs = [(way, setup) for setup in [None] + [on_one_processor] * (harts > 1) for way in WAYS]
    for way, setup in runs:
        got = output([runner, "--harts=%d" % harts] + (["--cpu=" + cpu] if cpu else []) + way + [raw],
                     setup)
        if got != want or not want.count("\n"):
            failed += 1
            print("%s %s %s%s: %s" % (name, " ".join(macros), " ".join(way),
                                      " on one processor" if setup else "",
                                      first_difference(got, want) if got != want else "no output"))
    return len(runs) - failed, failed


def main():
    runner, wanted = sys.argv[1], sys.argv[2:]
    for tool in (TOOLS + "gcc", QEMU):
        if not shutil.which(tool):
            return suite.skip_unit_test("machine_test", f"no {tool}")
    chosen = [p for p in PROGRAMS if not wanted or p[0] in wanted]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for program in chosen:
            good, bad = compare(runner, program, folder)
            passed, failed = passed + good, failed + bad
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
