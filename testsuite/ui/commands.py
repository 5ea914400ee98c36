#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ketch command line: what right and wrong commands say and which exit status they give.

The guest programs are made here, byte by byte: a riscv64 ELF file with one segment."""

import dataclasses
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402

EXIT_42 = bytes.fromhex("1305a002 9308d005 73000000")  # li a0, 42; li a7, 93; ecall
UNKNOWN = bytes.fromhex("ffffffff")


def elf(code, machine=243, flags=5):
    """An executable of `code` at 0x10000."""
    size = 64 + 56 + len(code)
    header = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 2, machine, 1, 0x10078, 64, 0,
                         flags, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x10000, 0x10000, size, size, 0x1000)
    return header + segment + code


FILES = {
    "good": elf(EXIT_42),
    "other": elf(EXIT_42, machine=183),
    "truncated": elf(EXIT_42)[:80],
    "text": b"no program\n",
    "script": b"#! ./good -x\n",
    "script_of_script": b"#!./script\n",
    "script_of_host": b"#!/bin/sh\n",
    "script_of_itself": b"#!./script_of_itself\n",
    "script_of_nothing": b"#!./nothing\n",
    "script_without": b"#! \n",
    "empty": b"",
    "crash": elf(UNKNOWN),
}


@dataclasses.dataclass
class Command:
    """Arguments of ketch, its exit status, a pattern that its output has, and whether the output is
    one line."""

    args: str
    status: int
    pattern: str = ""
    sentence: bool = False
    program: str = "ketch"


COMMANDS = [
    Command("run good", 42),
    Command("run --tier=interp good", 42),
    Command("run --tier=jit ./good", 42),
    Command("run -one-insn-per-tb good", 42),
    Command("run --check good", 42),
    Command("run -- good", 42),
    Command("good", 42, program="ketch-riscv64"),
    Command("-cpu help", 0, "rv64", program="ketch-riscv64"),
    Command("run --stats good", 42, r"(?s)ns_per_insn +\d.*memory_per_insn +\d"),
    Command("run --profile good", 42, "samples in"),
    Command("run -d in good", 42, "ecall"),
    Command("run -d help", 0, "strace"),
    Command("run -strace good", 42, r"exit\(42\)"),
    Command("run crash", -4, ""),
    Command("run -d unimp crash", -4, r"(?i)ffffffff"),
    Command("help", 0, "usage:"),
    Command("--help", 0, "usage:"),
    Command("help run", 0, "usage: ketch run"),
    Command("help vm", 0, "usage: ketch vm"),
    Command("help help", 0, "ketch run"),
    Command("help trace", 0, "usage: ketch trace"),
    Command("help nonsense", 1, "nonsense", True),
    Command("trace --help", 0, "usage: ketch trace"),
    Command("explain -h", 0, "usage: ketch explain"),
    Command("binfmt --help", 0, "usage: ketch binfmt"),
    Command("trace stat", 1, "usage: ketch trace"),
    Command("version", 0, r"ketch \d"),
    Command("run --help", 0, "-strace"),
    Command("explain riscv64 00c5853b", 0, "addw"),
    Command("explain riscv64 ffffffff", 0, "illegal"),
    Command("explain riscv64 ffffffff", 0, r"push qword ptr .*\n.* jmp .*\n.* \.quad 0x"),
    Command("explain riscv64 nonsense", 1, "", True),
    Command("explain vax 00", 1, "vax", True),
    Command("", 1, "usage:"),
    Command("nonsense", 1, "nonsense"),
    Command("imgae", 1, "did you mean 'image'", True),
    Command("image craete x", 1, "did you mean 'create'", True),
    Command("run --stat good", 1, "did you mean '--stats'", True),
    Command("vm --non-sec", 1, "did you mean '--non-security'", True),
    Command("vm disk.img", 1, "only options.*disk.img", True),
    Command("run -plugin nonsense good", 1, "nonsense.* mix", True),
    Command("run", 1, ""),
    Command("run -nonsense good", 1, "-nonsense", True),
    Command("run -L", 1, "-L", True),
    Command("run --tier=best good", 1, "best", True),
    Command("run -d nonsense good", 1, "nonsense", True),
    Command("run --perf=nonsense good", 1, "nonsense", True),
    Command("run --perf --tier=interp good", 1, "--perf", True),
    Command("run --profile --tier=interp good", 1, "--profile", True),
    Command("run --profile=/nonexistent/file good", 1, "--profile", True),
    Command("run -s 12x good", 1, "12x", True),
    Command("run -p 8192 good", 1, "8192", True),
    Command("run -cpu z80 good", 1, "z80", True),
    Command("run -cpu rv64,v=on good", 1, "no processor with v", True),
    Command("run -tb-size none good", 1, "megabytes", True),
    Command("run -g nowhere good", 1, "wanted PORT", True),
    Command("run -g 1234,suspend=perhaps good", 1, "suspend=n", True),
    Command("run -g unix:path=/nonexistent/socket,server=on,wait=off,suspend=n good", 1, "cannot listen", True),
    Command("run -g unix:/nonexistent/socket good", 1, "cannot listen", True),
    Command("run -D /nonexistent/log -d in good", 1, "/nonexistent/log", True),
    Command("run nothing", 127, "nothing", True),
    Command("run /", 126, "", True),
    Command("run other", 126, "other", True),
    Command("run truncated", 126, "truncated", True),
    Command("run text", 126, "text: .*#!", True),
    Command("run .", 126, r"\.: Is a directory", True),
    Command("run script", 42),
    Command("run script_of_script", 42),
    Command("run -strace script_of_host", 126, "/bin/sh: .*x86-64.*-L", True),
    Command("run script_of_itself", 126, "script_of_itself", True),
    Command("run script_of_nothing", 127, "nothing", True),
    Command("run script_without", 126, "script_without", True),
    Command("run empty", 126, "empty", True),
    Command("binfmt nonsense", 1, ""),
]


def difference(command, result):
    """None, or what is wrong."""
    text = (result.output + result.errors).decode(errors="replace")
    if result.status != command.status:
        return f"{suite.status_text(result.status)}, not {command.status}: {text[:200]!r}"
    if not re.search(command.pattern, text):
        return f"no {command.pattern!r} in {text[:300]!r}"
    if command.sentence and text.count("\n") != 1:
        return f"not one line: {text[:300]!r}"
    return None


def main():
    options = suite.parser(__doc__).parse_args()
    ketch = os.path.abspath(options.ketch)
    with tempfile.TemporaryDirectory() as work:
        for name, data in FILES.items():
            with open(os.path.join(work, name), "wb") as f:
                f.write(data)
            os.chmod(os.path.join(work, name), 0o755)
        os.symlink(ketch, os.path.join(work, "ketch-riscv64"))

        def job(command):
            program = ketch if command.program == "ketch" else os.path.join(work, command.program)
            result = suite.run([program, *command.args.split()], cwd=work)
            return [(f"{command.program} {command.args}", difference(command, result))]

        return suite.run_all(suite.choose(COMMANDS, options, name=lambda c: c.args), job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
