#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""objdump_test.py - Ketch's disassembly against GNU objdump's, on random encodings of every row.

    objdump_test.py ENCODINGS_PROGRAM [N [SEED]]

Skips visibly when there is no riscv64-linux-gnu-objdump or it knows nothing of an extension.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))

import suite  # noqa: E402

TOOLS = "riscv64-linux-gnu-"
MARCH = "rv64gc_zba_zbb_zbs_zbc_zbkb_zbkx_zkn_zks_zicbom_zicboz_zicbop_zihintpause_zawrs_zfhmin_svinval"


def assemble(lines, folder):
    source, program = os.path.join(folder, "e.s"), os.path.join(folder, "e.o")
    with open(source, "w") as f:
        for line in lines:
            f.write(".insn %d, 0x%s\n" % (len(line) // 2, line))
    subprocess.run([TOOLS + "as", "-march=" + MARCH, "-o", program, source], check=True)
    text = subprocess.run([TOOLS + "objdump", "-d", "-M", "no-aliases", program],
                          capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\s+[0-9a-f]+:\t([0-9a-f]+)\s+(\S.*)$", text, re.M)


# How objdump spells what we print otherwise, each with the reason.
ALIASES = (
    (r"^c\.nop (.*)", r"c.addi zero,\1"),            # it has no other name for the hint
    (r"^(c\.s...) (\w+),0x0$", r"\g<1>64 \2"),       # a shift by 0 is RV128's by 64
)


def theirs(text):
    """Objdump's line without tabs, symbols and comments."""
    return re.sub(r"\s*(<.*>|#.*)$", "", text).replace("\t", " ")


def same(ours, objdump):
    for pattern, replacement in ALIASES:
        ours = re.sub(pattern, replacement, ours)
    if ours.startswith("csr") and ",0x" in ours:
        return True  # objdump also names registers that we do not have
    # Objdump has no 0x before the target of a branch.
    return ours == objdump or re.sub(r"\b0x([0-9a-f]+)$", r"\1", ours) == objdump


def main():
    encodings, n = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "40"
    made = subprocess.run([encodings, n] + sys.argv[3:4], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    pairs = [line.split(" ", 1) for line in made]
    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = assemble([p[0] for p in pairs], folder)
    except FileNotFoundError:
        return suite.skip_unit_test("objdump_test", f"no {TOOLS}objdump")
    bad, unknown = 0, set()
    if len(lines) != len(pairs):
        print("objdump shows %d instructions of %d" % (len(lines), len(pairs)))
        return 1
    for (bits, ours), (_, text) in zip(pairs, lines):
        name = ours.split(" ", 1)[0]
        if text.startswith((".2byte", ".4byte", ".insn", "0x")):
            unknown.add(name)
        elif not same(ours, theirs(text)):
            bad += 1
            print("%-8s ketch: %-40s objdump: %s" % (bits, ours, theirs(text)))
    print("%d encodings, %d differ" % (len(pairs), bad))
    print("objdump does not know: %s" % " ".join(sorted(unknown)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
