#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guest programs of testsuite/userland/guest about threads, signals, memory, exec and /proc: each is
built for riscv64, static and dynamic, and checks itself.  It must print "passed" and nothing else,
and end with status 0.  exec.c runs once more where faccessat2() is not permitted."""

import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402
import debian  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
COMPILER = "riscv64-linux-gnu-gcc"
PREFIX = "/usr/riscv64-linux-gnu"
# What a tier's name means; "regions" forms them at once.
TIERS = {"jit": ["--tier=jit"], "interp": ["--tier=interp"],
         "regions": ["--tier=jit", "--tier-threshold=1"]}
FACCESSAT2 = "439"
FLAGS = ["-O1", "-g", "-pthread", "-w"]
TIMEOUT = suite.PATIENCE


def build(source, kind):
    """The binary, or None and the compiler's complaint."""
    name = os.path.splitext(os.path.basename(source))[0]
    extra = ["-static"] if kind == "static" else []
    return suite.built(os.path.join(debian.cache_folder("guests"), f"{name}-{kind}"),
                       [COMPILER, *FLAGS, *extra, source, "-lm"], [source, os.path.join(HERE, "guest", "check.h")])


def without():
    """The host's program without.c."""
    source = os.path.join(HERE, "without.c")
    target = os.path.join(debian.cache_folder("guests"), "without")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        new = f"{target}.{os.getpid()}"
        subprocess.run(["gcc", "-O1", "-Wall", "-Werror", source, "-o", new], check=True)
        os.rename(new, target)
    return target


def judge(result):
    if result.status == 0 and result.output == b"passed\n" and not result.errors:
        return None
    text = (result.output + result.errors).decode(errors="replace").strip()
    return f"{suite.status_text(result.status)}: {text[-500:]}"


def job(source, options):
    name = os.path.relpath(source, HERE)
    verdicts = []
    for kind in ("static", "dynamic"):
        program, why = build(source, kind)
        if not program:
            return [(name, f"does not compile: {why}")]
        for tier in options.tier.split(","):
            command = [options.ketch, "run", *TIERS[tier], "-L", PREFIX, program]
            verdicts.append((f"{name} ({kind}, {tier})", judge(suite.run(command, TIMEOUT))))
    if name == "guest/exec.c":
        command = [without(), FACCESSAT2, options.ketch, "run", "-L", PREFIX, program]
        verdicts.append((f"{name} (no faccessat2)", judge(suite.run(command, TIMEOUT))))
    return verdicts


def main():
    parser = suite.parser(__doc__)
    parser.set_defaults(tier=",".join(TIERS))
    options = parser.parse_args()
    sources = suite.choose(sorted(glob.glob(f"{HERE}/guest/*.c")), options)
    if not shutil.which(COMPILER):
        return suite.skip_all(len(sources), f"no {COMPILER}")
    return suite.run_all(sources, lambda s: job(s, options), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
