#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the programs of testsuite/userland/guest for riscv64, static and dynamic, and runs them.

    run.py [--qemu] [--tier T] [--static-only] [--keep DIR] KETCH [NAME ...]

A program passes when it prints "passed" and ends with status 0.  KETCH is the ketch command, or
with --qemu any command that takes a program and its arguments (-L PREFIX before it).
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CC = "riscv64-linux-gnu-gcc"
PREFIX = "/usr/riscv64-linux-gnu"
TIMEOUT = 120


def build(name, static, folder):
    out = os.path.join(folder, name + ("-static" if static else "-dynamic"))
    source = os.path.join(HERE, "guest", name + ".c")
    if os.path.exists(out) and os.path.getmtime(out) > os.path.getmtime(source):
        return out
    flags = ["-O1", "-g", "-Wall", "-Wno-unused-result", "-Wno-infinite-recursion", "-pthread"]
    if static:
        flags.append("-static")
    subprocess.run([CC, *flags, source, "-o", out, "-lm"], check=True)
    return out


def run(command):
    try:
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT} s"
    if p.returncode == 0 and p.stdout == b"passed\n":
        return None
    text = (p.stdout + p.stderr).decode(errors="replace").strip()
    return f"status {p.returncode}: {text[-2000:]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qemu", action="store_true", help="KETCH takes a program directly")
    parser.add_argument("--tier", help="passed on to ketch")
    parser.add_argument("--static-only", action="store_true")
    parser.add_argument("--keep", metavar="DIR", help="where the programs are built and stay")
    parser.add_argument("ketch")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if not shutil.which(CC):
        print(f"skipped: {CC} is not installed")
        return 0
    command = [os.path.abspath(args.ketch)] if os.path.exists(args.ketch) else [args.ketch]
    if not args.qemu:
        command.append("run")
    if args.tier:
        command.append(f"--tier={args.tier}")
    folder = args.keep or tempfile.mkdtemp(prefix="ketch-guest-")
    os.makedirs(folder, exist_ok=True)
    names = args.names or sorted(os.path.splitext(os.path.basename(p))[0]
                                 for p in glob.glob(os.path.join(HERE, "guest", "*.c")))
    failed = 0
    for name in names:
        for static in (True,) if args.static_only else (True, False):
            kind = "static" if static else "dynamic"
            program = build(name, static, folder)
            problem = run(command + ([] if static else ["-L", PREFIX]) + [program])
            print(f"{'FAIL' if problem else 'ok  '} {name} ({kind})", flush=True)
            if problem:
                failed += 1
                print(problem, flush=True)
    if not args.keep:
        shutil.rmtree(folder)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
