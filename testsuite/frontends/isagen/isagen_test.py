#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""isagen_test.py - the generator on files that must pass (ok_*.isa; the result must compile) and
on files that must not (err_*.isa: `# expect: LINE: MESSAGE` is the start of what it says)."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CFLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes", "-Wshadow"]


def generate(path, folder):
    header = os.path.join(folder, "frontends", "test", "insns.h")
    os.makedirs(os.path.dirname(header), exist_ok=True)
    return subprocess.run([sys.executable, os.path.join(ROOT, "frontends", "isagen.py"), "--prefix",
                           "tt", "--name", "test", "--header", header, "--source",
                           header[:-1] + "c", path], capture_output=True, text=True)


def check_ok(path, folder):
    done = generate(path, folder)
    if done.returncode:
        return done.stderr
    done = subprocess.run(["gcc"] + CFLAGS + ["-I", folder, "-I", ROOT, "-c", "-o", "/dev/null",
                                              os.path.join(folder, "frontends/test/insns.c")],
                          capture_output=True, text=True)
    return done.stderr


def check_error(path, folder):
    want = open(path).readline().partition("# expect: ")[2].strip()
    done = generate(path, folder)
    start = "isagen: %s:%s" % (path, want)
    if done.returncode == 1 and want and done.stderr.startswith(start):
        return ""
    return "status %d, says '%s' instead of '%s...'" % (done.returncode, done.stderr.strip(), start)


def main():
    failed = 0
    names = sorted(n for n in os.listdir(HERE) if n.endswith(".isa"))
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            check = check_ok if name.startswith("ok_") else check_error
            wrong = check(os.path.join(HERE, name), folder)
        if wrong:
            failed += 1
            print("%s: %s" % (name, wrong))
    print("%d files, %d failed" % (len(names), failed))
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main()
