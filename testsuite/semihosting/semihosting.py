#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Semihosting: a program that makes every call, in user mode and on a machine, against QEMU 7.2."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import suite  # noqa: E402

COMPILER = ["riscv64-linux-gnu-gcc", "-O1", "-nostdlib", "-static", "-march=rv64gc_zicsr", "-mabi=lp64d",
            "-mcmodel=medany", "-ffreestanding", "-fno-stack-protector"]
AT_RAM = ["-Wl,-Ttext=0x80000000", "-Wl,--build-id=none"]
SECONDS = suite.PATIENCE
TIERS = {"jit": [], "regions": ["--tier-threshold=1"], "interp": ["--tier=interp"]}
MACHINE = ["-M", "virt", "-display", "none", "-bios", "none", "-monitor", "none", "-serial", "null"]

# What the words for the program make it do, and its exit status.
WORDS = {"a b": 42, "exit": 1, "breakpoint": None}

# Differences from QEMU 7.2 that are wanted: it forgets O_APPEND, and finds no heap where the program was not
# started by -device loader.
WANTED = [("length 10000\nclose 0\nno such file", "length 10003\nclose 0\nno such file"),
          ("a heap 0", "a heap 1")]


class Setup:
    """The program for user mode, for a machine, and for a machine's lowest privilege."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        calls, start = (os.path.join(HERE, name) for name in ("calls.c", "start.S"))
        self.user, self.machine, self.low = (os.path.join(folder, n) for n in ("user", "machine", "low"))
        for path, flags in ((self.user, ["-Wl,-e,main", calls]), (self.machine, [*AT_RAM, start, calls]),
                            (self.low, ["-DUSER", *AT_RAM, start, calls])):
            subprocess.run([*COMPILER, "-o", path, *flags], check=True)

    def run(self, command, stdin=b""):
        """Exit status and all that was printed, without the line about isolation; in a folder of its own, since
        the program writes files."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            result = suite.run(command, SECONDS, stdin=stdin, cwd=folder)
        text = (result.errors + result.output).decode(errors="replace")
        return result.status, re.sub(r"^ketch: no isolation .*\n", "", text)


def wanted(result):
    status, text = result
    for before, after in WANTED:
        text = text.replace(before, after)
    return status, text


def verdict(got, want):
    return None if got == want else f"{suite.status_text(got[0])}: {got[1]!r} instead of " \
        f"{suite.status_text(want[0])}: {want[1]!r}"


def in_user_mode(setup, words):
    command = [setup.user, *words.split()]
    want = wanted(setup.run(["qemu-riscv64", *command]))
    expected = WORDS[words]
    if expected is not None and want[0] != expected:
        yield f"QEMU in user mode, {words}", suite.status_text(want[0])
    for tier, flags in TIERS.items():
        yield f"user mode, {words}, {tier}", verdict(setup.run([setup.options.ketch, "run", *flags, *command]),
                                                     want)


def on_machine(setup, case):
    words, program, user = case
    config = ",".join(["enable=on", f"userspace={user}", "arg=program", *(f"arg={w}" for w in words.split())])
    options = [*MACHINE, "-semihosting-config", config, "-kernel", program]
    want = wanted(setup.run(["qemu-system-riscv64", *options]))
    for tier, flags in TIERS.items():
        got = setup.run([setup.options.ketch, "vm", "--non-security", *flags, *options])
        yield f"{os.path.basename(program)}, userspace={user}, {words}, {tier}", verdict(got, want)


def by_hand(setup):
    """What QEMU 7.2 has not, or not so: (name, command, input, status, pattern)."""
    ketch = setup.options.ketch
    machine = [ketch, "vm", "--non-security", *MACHINE]
    kernel = ["-kernel", setup.machine]
    cases = [
        ("console in user mode", [ketch, "run", setup.user, "read"], b"abX", 42, r"got a\ngot b\ngot X\n"),
        ("no input", [ketch, "run", setup.user, "a"], b"", 42, r"command 3\n"),
        ("console on a chardev", [*machine, "-chardev", "stdio,id=c", "-semihosting-config",
                                  "enable=on,chardev=c,arg=p,arg=read", *kernel],
         b"abX", 42, r"got a\s+got b\s+got X\s"),
        ("arguments are the kernel's", [*machine, "-semihosting", *kernel, "-append", "exit now"], b"", 1, r"^$"),
        ("a loaded program in the firmware's place",
         [ketch, "vm", "--non-security", "-M", "virt", "-display", "none", "-serial", "null", "-semihosting",
          "-device", f"loader,file={setup.machine}"], b"", 42, r"standard output 0\n"),
        ("target gdb", [*machine, "-semihosting-config", "target=gdb"], b"", 1, r"serves the calls .* not: 'gdb'"),
        ("no such chardev", [*machine, "-semihosting-config", "chardev=c"], b"", 1, r"no -chardev with id=c"),
    ]
    for name, command, stdin, status, pattern in cases:
        got, text = setup.run(command, stdin)
        ok = got == status and re.search(pattern, text)
        yield name, None if ok else f"{suite.status_text(got)}: {text!r}"


def is_off(setup):
    """Without the option the sequence is a breakpoint: the program spins in its handler."""
    try:
        subprocess.run([setup.options.ketch, "vm", "--non-security", *MACHINE, "-kernel", setup.machine],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=1.5, check=False)
        why = "the machine ended"
    except subprocess.TimeoutExpired as e:
        text = re.sub(rb"^ketch: no isolation .*\n", b"", e.stderr or b"")
        why = f"it printed {text!r}" if text else None
    yield "off by default", why


def main():
    options = suite.parser(__doc__).parse_args()
    for tool in ("riscv64-linux-gnu-gcc", "qemu-riscv64", "qemu-system-riscv64"):
        if not shutil.which(tool):
            return suite.skip_all(1, f"no {tool}")
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(folder, options)
        cases = [(in_user_mode, w) for w in WORDS]
        cases += [(on_machine, (w, program, user)) for w in WORDS
                  for program, user in ((setup.machine, "off"), (setup.low, "on"), (setup.low, "off"))]
        cases = suite.choose(cases, options, lambda c: str(c[1]))
        return suite.run_all([*cases, (lambda s, _: by_hand(s), None), (lambda s, _: is_off(s), None)],
                             lambda c: list(c[0](setup, c[1])), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
