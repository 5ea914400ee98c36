#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs all test suites: run.py [--full] [--suite NAME]...   (tools/test builds first)

Each suite prints its own progress and ends with a line "N passed, N failed, N skipped"; the last
line here is their sum.  The exit status is nonzero when something failed."""

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


@dataclasses.dataclass
class Suite:
    """A driver below testsuite/, its arguments by default and with --full."""

    name: str
    driver: str
    share: tuple
    full: tuple


SUITES = [
    Suite("commands", "ui/commands.py", (), ()),
    Suite("instructions", "frontends/fuzz/fuzz.py", ("--tier=jit", "--cases=4000"),
          ("--tier=jit,interp", "--cases=20000")),
    Suite("sequences", "frontends/sequences/sequences.py",
          ("--tier=interp,jit,regions,checked", "--count=2000"),
          ("--tier=interp,jit,regions,early,checked", "--count=12000", "--seed=2")),
    Suite("faults", "frontends/sequences/sequences.py",
          ("--faults", "--tier=jit,regions,early", "--count=150", "--seed=3", "--length=22"),
          ("--faults", "--tier=jit,regions,early", "--count=2000", "--seed=4")),
    Suite("guests", "userland/guests.py", (), ()),
    Suite("processes", "userland/processes.py", (), ()),
    Suite("precise", "userland/precise/precise.py", ("--count=6",), ("--count=60", "--seed=7")),
    Suite("tracing", "userland/tracing.py", (), ()),
    Suite("gdb", "ui/gdb.py", ("--tier=jit",), ()),
    Suite("observing", "observe/observe.py", (), ()),
    Suite("plugins", "plugins/plugins.py", (), ()),
    Suite("bundled", "plugins/bundled/bundled.py", (), ()),
    Suite("qemu_tests", "qemu/qemu_tests.py", ("--tier=jit,regions",), ("--plugins",)),
    Suite("semihosting", "semihosting/semihosting.py", (), ()),
    Suite("machine_plugins", "plugins/machine.py", (), ()),
    Suite("programs", "programs/programs.py", ("--tier=jit",), ("--full",)),
    Suite("images", "devices/host/block/images.py", (), ()),
    Suite("machines", "machines/machines.py", (), ("--kills=50", "--stress=600")),
    Suite("torture", "torture/torture.py", ("--levels=-O2", "--tier=jit,regions"),
          ("--levels=-O0,-O1,-O2,-O3,-Os", "--tier=jit,interp,regions,checked")),
]


def unit_tests():
    """Every target below //testsuite; counts the cases from their XML reports."""
    run = subprocess.run(["bazel", "test", "--config=opt", "--test_output=errors",
                          "--build_tests_only", "--noshow_loading_progress", "--noshow_progress",
                          "--ui_event_filters=-info", "//testsuite/..."],
                         cwd=TOP, stdin=subprocess.DEVNULL)
    logs = subprocess.run(["bazel", "info", "--config=opt", "bazel-testlogs"], cwd=TOP,
                          capture_output=True, text=True, check=True).stdout.strip()
    if run.returncode not in (0, 3):  # 3: built, some tests failed
        print("the unit tests could not be built")
        return 0, 1, 0
    passed = failed = skipped = 0
    for folder, _, names in sorted(os.walk(logs)):
        if "test.xml" not in names:
            continue
        for case in xml.etree.ElementTree.parse(os.path.join(folder, "test.xml")).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                skipped += 1
            else:
                passed += 1
    if run.returncode != 0 and failed == 0:
        failed = 1  # a crash or a time-out leaves no failed case behind
    sizes = os.path.join(logs, "testsuite/base/sizes_test/test.log")
    if os.path.exists(sizes):
        with open(sizes, encoding="utf-8") as f:
            print("".join(f.readlines()[2:]), end="")
    return passed, failed, skipped


def driver(suite, full):
    """Runs a driver, shows its output, returns the counts of its last line."""
    command = [sys.executable, os.path.join(TOP, "testsuite", suite.driver)]
    counts = None
    with subprocess.Popen(command + list(suite.full if full else suite.share), cwd=TOP, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as run:
        for line in run.stdout:
            found = COUNTS.match(line)
            if found:
                counts = [int(n or 0) for n in found.groups()]
            else:
                print(line, end="", flush=True)
    if counts is None:
        print(f"{suite.name}: ended with status {run.returncode} and no result")
        return 0, 1, 0
    if run.returncode != 0 and counts[1] == 0:
        counts[1] = 1
    return tuple(counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all of the big suites")
    parser.add_argument("--suite", action="append", choices=["unit"] + [s.name for s in SUITES],
                        help="only this one (may be repeated)")
    options = parser.parse_args()
    jobs = [("unit", unit_tests)]
    jobs += [(s.name, lambda s=s: driver(s, options.full)) for s in SUITES]
    totals = [0, 0, 0]
    for name, job in jobs:
        if options.suite and name not in options.suite:
            continue
        print(f"== {name}", flush=True)
        started = time.monotonic()
        counts = job()
        totals = [a + b for a, b in zip(totals, counts)]
        print(f"== {name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped "
              f"in {time.monotonic() - started:.0f} s", flush=True)
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
