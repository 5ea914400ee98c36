#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assembles loops.S with the riscv64 binutils and puts the encodings into loops.txt.  Then
UPDATE_GOLDEN=1 makes counts_test write the counts."""

import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
HEAD = """# Host instructions of small loops (loops.S): of the code of the whole region, and of the blocks in
# its loops, for a host with the features of x86-64-v3.  encode.py makes the names and encodings,
# `UPDATE_GOLDEN=1 bazel run //testsuite/translator:counts_test` the rest.
"""


def encodings():
    """name -> instructions as numbers, in the order of the source."""
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "loops")
        subprocess.run(["riscv64-linux-gnu-as", "-march=rv64gc_zba_zbb_zbs", "-o", binary + ".o",
                        os.path.join(HERE, "loops.S")], check=True)
        # Branches are the linker's to fill in; sections keep their names.
        subprocess.run(["riscv64-linux-gnu-ld", "--no-relax", "--unique=.text.*", "-e", "0", "-o", binary,
                        binary + ".o"], check=True)
        text = subprocess.run(["riscv64-linux-gnu-objdump", "-d", binary], check=True, capture_output=True,
                              text=True).stdout
    found = {}
    for line in text.splitlines():
        section = re.match(r"Disassembly of section \.text\.(\w+):", line)
        insn = re.match(r"\s+[0-9a-f]+:\s+([0-9a-f]{4,8})\s", line)
        if section:
            name = section.group(1)
            found[name] = []
        elif insn:
            found[name].append(insn.group(1))
    return found


def main():
    with open(os.path.join(HERE, "loops.txt"), "w", encoding="ascii") as f:
        f.write(HEAD)
        for name, insns in encodings().items():
            f.write(f"\nloop {name}\ninsn {' '.join(insns)}\n")


if __name__ == "__main__":
    main()
