#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guest programs of testsuite/userland/syscalls and riscv: each is built for riscv64 and for the host, and both
must print the same: what Linux itself does is the reference. A program that says SKIP-COMPARE in
its first lines is only run: it must end by itself with status 0.

Nothing may come out of Ketch but what the program printed, except lines that the program announces
with EXPECT-LOG: a regular expression."""

import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402
import debian  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
GUEST = ["riscv64-linux-gnu-gcc", "-static"]
HOST = ["gcc"]
FLAGS = ["-w", "-O1", "-pthread"]
TIMEOUT = suite.PATIENCE


def build(source, compiler, kind):
    """The binary, or the compiler's complaint."""
    name = os.path.splitext(os.path.relpath(source, HERE))[0].replace("/", "-")
    return suite.built(os.path.join(debian.cache_folder("guests"), f"{name}.{kind}"), [*compiler, *FLAGS, source],
                       [source, *glob.glob(os.path.join(os.path.dirname(source), "*.h"))])


def directives(source):
    with open(source, encoding="utf-8") as f:
        head = f.read(4000)
    return "SKIP-COMPARE" in head, [m.strip() for m in re.findall(r"EXPECT-LOG: (.*)", head)]


def difference(want, got):
    """The first line that differs, or None."""
    want, got = want.decode("latin-1").splitlines(), got.decode("latin-1").splitlines()
    for a, b in zip(want, got):
        if a != b:
            return f"wanted \"{a}\", got \"{b}\""
    if len(want) != len(got):
        return f"{len(want)} lines wanted, {len(got)} lines"
    return None


def judge(result, native, allowed):
    if result.status != 0:
        return suite.status_text(result.status) + ": " + result.errors.decode("latin-1")[-200:]
    for line in result.errors.decode("latin-1").splitlines():
        if not any(re.fullmatch(p, line) for p in allowed):
            return f"unexpected on standard error: {line}"
    return difference(native.output, result.output) if native else None


def job(source, options):
    name = os.path.relpath(source, HERE)
    only_run, allowed = directives(source)
    guest, why = build(source, GUEST, "riscv64")
    if not guest:
        return [(name, f"does not compile: {why}")]
    native = None
    if not only_run:
        host, why = build(source, HOST, "host")
        if not host:
            return [(name, f"does not compile for the host: {why}")]
        native = suite.run([host], TIMEOUT)
        if native.status != 0:
            return [(name, f"skip: the host's own run has {suite.status_text(native.status)}")]
    verdicts = []
    for tier in options.tier.split(","):
        command = [options.ketch, "run", f"--tier={tier}", guest]
        verdicts.append((f"{name} ({tier})", judge(suite.run(command, TIMEOUT), native, allowed)))
    return verdicts


def main():
    options = suite.parser(__doc__).parse_args()
    sources = suite.choose(sorted(glob.glob(f"{HERE}/syscalls/*.c") + glob.glob(f"{HERE}/riscv/*.c")), options)
    if not shutil.which(GUEST[0]):
        return suite.skip_all(len(sources), f"no {GUEST[0]}")
    return suite.run_all(sources, lambda s: job(s, options), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
