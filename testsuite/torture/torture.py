#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gcc's C torture tests (gcc.c-torture/execute of the package gcc-12-source), cross-compiled for
riscv64 and run under Ketch: a test that passes under qemu-riscv64 must pass here.

Sources are unpacked and binaries kept in $KETCH_CACHE/torture; a test that does not compile, or
that fails under QEMU itself, is skipped."""

import glob
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402
import debian  # noqa: E402

COMPILER = "riscv64-linux-gnu-gcc"
TARBALLS = "/usr/src/gcc-12/gcc-12*.tar.xz"
FOLDER = "gcc/testsuite/gcc.c-torture/execute"
OPTIONS = re.compile(r'dg-(?:additional-)?options\s+(?:{\s*"([^"]*)"\s*}|"([^"]*)")\s*(?:{([^}]*)})?')
FLAGS = ["-w", "-static"]
TIERS = {
    "interp": ["--tier=interp"],
    "jit": ["--tier=jit"],
    "regions": ["--tier=jit", "--tier-threshold=1"],
    "checked": ["--tier=jit", "--tier-threshold=1", "--check"],
}


def sources():
    """The folder with the tests, unpacked on first use."""
    tarballs = sorted(glob.glob(TARBALLS))
    if not tarballs:
        sys.exit("torture: the package gcc-12-source is not installed")
    folder = debian.cache_folder("torture", "source")
    stamp = os.path.join(folder, "complete")
    if not os.path.exists(stamp):
        with tarfile.open(tarballs[-1]) as tar:
            for member in tar:
                _, _, name = member.name.partition("/")
                if name.startswith(FOLDER + "/") and member.isfile():
                    member.name = name[len(FOLDER) + 1:]
                    tar.extract(member, folder, set_attrs=False)
        open(stamp, "w", encoding="ascii").close()
    return folder


def cases(folder, levels):
    """(name, level), sorted; tests of builtins consist of X.c, X-lib.c and lib/main.c."""
    names = [os.path.relpath(p, folder) for p in glob.glob(f"{folder}/**/*.c", recursive=True)]
    names = [n for n in names if not n.endswith("-lib.c") and not n.startswith("builtins/lib/")]
    return [(n, level) for n in sorted(names) for level in levels]


def test_options(path):
    """Options that the test asks for, unless for particular machines."""
    with open(path, encoding="latin-1") as f:
        found = OPTIONS.findall(f.read())
    return [o for a, b, machines in found if not machines for o in shlex.split(a or b)]


def build(folder, case, version):
    """The binary, or None when it does not compile; both are remembered."""
    name, level = case
    path = os.path.join(folder, name)
    files = [path]
    if name.startswith("builtins/"):
        files += [path[:-2] + "-lib.c", os.path.join(folder, "builtins/lib/main.c")]
    command = [COMPILER, level, *FLAGS, *test_options(path)]
    key = hashlib.sha256("\0".join([version, *command]).encode()).hexdigest()[:12]
    target = os.path.join(debian.cache_folder("torture", "bin", key), name.replace("/", "_")[:-2])
    if os.path.exists(target):
        return target
    if os.path.exists(target + ".failed"):
        return None
    new = f"{target}.{os.getpid()}"  # another run may do the same
    run = suite.run([*command, *files, "-o", new, "-lm"])
    if run.status != 0:
        with open(target + ".failed", "wb") as f:
            f.write(run.errors)
        return None
    os.rename(new, target)
    return target


def passes_under_qemu(binary, qemu):
    """Remembered beside the binary."""
    for verdict in ("good", "bad"):
        if os.path.exists(f"{binary}.{verdict}"):
            return verdict == "good"
    good = suite.run([*qemu, binary]).status == 0
    open(f"{binary}.{'good' if good else 'bad'}", "w", encoding="ascii").close()
    return good


class Torture:
    def __init__(self, options):
        self.options = options
        self.folder = sources()
        self.qemu = options.qemu.split()
        self.version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True,
                                      check=True).stdout.split("\n")[0]

    def job(self, case):
        title = f"{case[0]} {case[1]}"
        binary = build(self.folder, case, self.version)
        tiers = self.options.tier.split(",")
        if binary is None:
            return [(title, "skip: does not compile")] * len(tiers)
        if not passes_under_qemu(binary, self.qemu):
            return [(title, "skip: fails under QEMU")] * len(tiers)
        return [(f"{title} {tier}", self.verdict(binary, tier)) for tier in tiers]

    def verdict(self, binary, tier):
        command = [self.options.ketch, "run", *TIERS[tier], binary]
        result = suite.run(command, self.options.timeout)
        if result.status == 0:
            return None
        why = result.errors.decode(errors="replace").strip().split("\n")[-1][:200]
        return f"{suite.status_text(result.status)} {why}\n    {suite.shell(command)}"


def main():
    p = suite.parser(__doc__)
    p.add_argument("--levels", default="-O0,-O2", help="comma-separated (--levels=-O2)")
    p.add_argument("--qemu", default="qemu-riscv64")
    p.add_argument("--timeout", type=int, default=suite.PATIENCE)
    options = p.parse_args()
    torture = Torture(options)
    chosen = suite.choose(cases(torture.folder, options.levels.split(",")), options,
                          name=lambda c: c[0])
    return suite.run_all(chosen, torture.job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
