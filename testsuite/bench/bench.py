#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ketch and QEMU against native code: user+system CPU time and peak memory of each row.

Every row is run natively, under Ketch and under each qemu-riscv64, in turn, `--repeat` times; the
table shows medians, as ratios to native.  Outputs must agree.  Kernels (kernels/) are built with
`-O2`, static, from the same source for both machines; the other programs are Debian's, the same
version for both, fetched into the cache by tools/debian.py."""

import argparse
import dataclasses
import fnmatch
import hashlib
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tools"))
sys.path.insert(0, HERE)

import debian  # noqa: E402
import launcher  # noqa: E402
import machine  # noqa: E402
import plot  # noqa: E402
import plugins  # noqa: E402

FLAGS = ["-O2", "-pthread"]


@dataclasses.dataclass
class Row:
    """One row of the table.

    name      what it is called
    program   kernel (source file below kernels/) or Debian program (path in the sysroot)
    amount    first argument, scaled by --quick; None: the program takes none
    args      other arguments; {amount}, {scripts} and {data} are replaced
    loop      starts of the program that make one measurement
    approx    native output may differ in the last digits (fused multiply-add in the guest)
    package   of Debian, when it is not a kernel
    stdin     file for standard input, as in args
    """

    name: str
    program: str
    amount: int = None
    args: tuple = ("{amount}",)
    loop: int = 1
    approx: bool = False
    package: str = None
    stdin: str = os.devnull
    native: str = None  # path of the native program, when it differs
    native_package: str = None


ROWS = [
    Row("coremark", "coremark.c", 40000),
    Row("strings", "strings.c", 8000000),
    Row("fib", "fib.c", 41, ("{log_amount}",)),
    Row("switch", "switch.c", 12000000),
    Row("threaded", "threaded.c", 12000000),
    Row("virtual", "virtual.cc", 40000),
    Row("funcptr", "funcptr.c", 60000000),
    Row("qsort", "qsort.c", 40),
    Row("sha256", "sha256.c", 2400),
    Row("sieve", "sieve.c", 200),
    Row("matmul", "matmul.c", 24, approx=True),
    Row("nbody", "nbody.c", 5000000, approx=True),
    Row("mandelbrot", "mandelbrot.c", 1600, ("{root_amount}",), approx=True),
    Row("exceptions", "exceptions.cc", 100000),
    Row("setjmp", "setjmp.c", 20000000),
    Row("malloc", "malloc.c", 12000000),
    Row("mutex-1", "mutex.c", 50000000, ("{amount}", "1")),
    Row("mutex-2", "mutex.c", 10000000, ("{amount}", "2")),
    Row("atomic-1", "atomic.c", 40000000, ("{amount}", "1")),
    Row("atomic-2", "atomic.c", 10000000, ("{amount}", "2")),
    Row("chase", "chase.c", 150000000),
    Row("division", "division.c", 60000000),
    Row("largecode", "largecode.py", 6000000),
    Row("syscall", "syscall.c", 2000000),
    Row("pipe", "pipe.c", 50000),
    Row("hello", "hello.c", None, (), loop=20),
    Row("sqlite3", "usr/bin/sqlite3", 1, ("-batch", ":memory:"), package="sqlite3",
        stdin="{scripts}/mixed.sql"),
    Row("python3", "usr/bin/python3.13", 10, ("-S", "{scripts}/mixed.py", "{amount}"),
        package="python3.13"),
    Row("lua5.4", "usr/bin/lua5.4", 20, ("{scripts}/mixed.lua", "{amount}"), package="lua5.4"),
    Row("cc1", "usr/libexec/gcc/riscv64-linux-gnu/14/cc1", None,
        ("-quiet", "-O2", "{data}/source.i", "-o", "-"), package="cpp-14-riscv64-linux-gnu",
        native="usr/libexec/gcc-cross/riscv64-linux-gnu/14/cc1",
        native_package="cpp-14-riscv64-linux-gnu"),
    Row("gzip", "usr/bin/gzip", None, ("-c", "{data}/text"), package="gzip"),
    Row("xz", "usr/bin/xz", None, ("-c", "-T1", "-2", "{data}/text"), package="xz-utils"),
    Row("zstd", "usr/bin/zstd", None, ("-q", "-c", "-T1", "-9", "{data}/text"), package="zstd"),
    Row("sha512", "usr/bin/openssl", None, ("dgst", "-sha512", "{data}/large"),
        package="openssl"),
    Row("python3-start", "usr/bin/python3.13", None, ("-S", "-c", "print(1)"), loop=5,
        package="python3.13"),
]


class BenchError(Exception):
    """One sentence for the user."""


def build(row):
    """(native, guest) binaries of a kernel, built when the sources or flags are new."""
    kernels = os.path.join(HERE, "kernels")
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for name in sorted(os.listdir(kernels)):
        if name == row.program or name.endswith(".h"):
            with open(os.path.join(kernels, name), "rb") as f:
                digest.update(f.read())
    stem, extension = os.path.splitext(row.program)
    folder = debian.cache_folder("bench", f"{stem}-{digest.hexdigest()[:16]}")
    compiler = "g++" if extension == ".cc" else "gcc"
    result = []
    for machine in ("x86_64", "riscv64"):
        target = os.path.join(folder, machine)
        result.append(target)
        if os.path.exists(target):
            continue
        source = os.path.join(kernels, row.program)
        if extension == ".py":
            generated = os.path.join(folder, "generated.c")
            with open(generated, "w", encoding="ascii") as f:
                subprocess.run([sys.executable, source], stdout=f, check=True)
            source = generated
        command = [f"{machine}-linux-gnu-{compiler}", *FLAGS, "-static", "-I", kernels, source, "-o",
                   target + ".new", "-lm"]
        if subprocess.run(command).returncode != 0:
            raise BenchError(f"{row.name}: {' '.join(command)} failed")
        os.rename(target + ".new", target)
    return result


def prepare_data():
    """Input files for Debian's programs, the same on every machine."""
    folder = debian.cache_folder("bench", "data-1")
    if os.path.exists(os.path.join(folder, "source.i")):
        return folder
    words, state, text = [], 1, []
    for _ in range(600000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        if len(words) < 3000:
            words.append("".join(chr(97 + (state >> s) % 26) for s in range(20, 28 + state % 30, 4)))
        text.append(words[(state >> 40) % len(words) * ((state >> 33) % 97) // 96 % len(words)])
    data = " ".join(text).encode()
    for name, content in (("text", data[:3000000]), ("large", data * 20)):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content)
    source = subprocess.run([sys.executable, f"{HERE}/kernels/largecode.py", "100"], check=True,
                            capture_output=True).stdout
    expanded = subprocess.run(["riscv64-linux-gnu-gcc", "-E", "-P", "-I", f"{HERE}/kernels", "-"],
                              input=source, check=True, capture_output=True).stdout
    with open(os.path.join(folder, "source.i"), "wb") as f:
        f.write(expanded)
    return folder


class Runner:
    """One way to run a row: `prefix` in front of the guest program, or natively."""

    def __init__(self, name, prefix):
        self.name = name
        self.prefix = prefix  # None: native

    def command(self, row, binaries, roots):
        if self.prefix is None:
            native = binaries[0]
            return debian.command(roots[0], native) if row.package else [native]
        sysroot = ["-L", roots[1]] if row.package else []
        return [*self.prefix, *sysroot, binaries[1]]


def run_once(command, stdin, loop):
    """(CPU seconds of one run, peak KiB, output, status) of `loop` runs, their children too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, \
            tempfile.TemporaryFile() as report, open(stdin, "rb") as source:
        subprocess.run([launcher.build("gcc"), str(report.fileno()), str(loop), *command], check=True,
                       stdin=source, stdout=out, stderr=errors, pass_fds=[report.fileno()])
        for f in (out, errors, report):
            f.seek(0)
        cpu, peak, status = report.read().split()
        status = int(status)
        text = errors.read()[-300:] if status else out.read()
        return float(cpu) / loop, int(peak), text, status


def normal(output):
    """What must be equal: without the line that names the libraries a compiler was built with."""
    return re.sub(rb'(?m)^\s*\.ident.*\n|^#.*\n', b"", output)


def agree(a, b, approx):
    if not approx or a == b:
        return a == b
    try:
        return all(abs(float(x) - float(y)) <= 2e-3 * abs(float(x))
                   for x, y in zip(a.split(), b.split(), strict=True))
    except ValueError:
        return False


def fetch(rows):
    """All packages of the rows at once."""
    rows = [r for r in rows if r.package]
    if rows:
        debian.sysroot("amd64", sorted({r.native_package or r.package for r in rows}))
        debian.sysroot("riscv64", sorted({r.package for r in rows}))


def amounts(row, divisor):
    """The words that stand for the amount of work, or a part of it, in a row's arguments."""
    if row.amount is None:
        return {}
    return {
        "amount": max(1, row.amount // divisor),
        "log_amount": row.amount - round(math.log(divisor, 1.618)),
        "root_amount": round(row.amount / math.sqrt(divisor)),
    }


def prepare(row, options):
    """(binaries, roots, arguments, stdin) of a row."""
    words = amounts(row, options.divisor) | {"scripts": os.path.join(HERE, "scripts"), "data": ""}
    if row.package:
        words["data"] = prepare_data()
        roots = (debian.sysroot("amd64", [row.native_package or row.package]),
                 debian.sysroot("riscv64", [row.package]))
        binaries = (os.path.join(roots[0], row.native or row.program),
                    os.path.join(roots[1], row.program))
    else:
        roots = (None, None)
        binaries = build(row)
    return binaries, roots, [a.format(**words) for a in row.args], row.stdin.format(**words)


def measure(row, runners, options):
    """{runner: {"cpu": median, "peak": KiB, "samples": [...], "error": text or absent}}"""
    binaries, roots, args, stdin = prepare(row, options)
    results = {r.name: {"samples": [], "peak": 0} for r in runners}
    reference = {}
    for _ in range(options.repeat):
        for runner in runners:
            entry = results[runner.name]
            if "error" in entry:
                continue
            command = runner.command(row, binaries, roots) + args
            cpu, peak, output, status = run_once(command, stdin, row.loop)
            guest = runner.prefix is not None
            output = normal(output)
            if status != 0:
                entry["error"] = f"exit status {status}: {output.decode(errors='replace').strip()}"
            elif not agree(reference.setdefault(guest, output), output, False):
                entry["error"] = "output differs between runs or translators"
            elif not agree(reference.setdefault(not guest, output), output, row.approx):
                entry["error"] = "output differs from native"
            entry["samples"].append(cpu)
            entry["peak"] = max(entry["peak"], peak)
    for entry in results.values():
        entry["cpu"] = statistics.median(entry["samples"])
    return results


def cell(entry, native, first):
    if "error" in entry:
        return "failed"
    if first:
        return f"{entry['cpu'] * 1000:.1f} ms"
    return f"{entry['cpu'] / native['cpu']:.2f}" if native["cpu"] > 0 else "-"


def print_header(runners):
    print("".join([f"{'row':14}"] + [f"{r.name:>13}" for r in runners]
                  + [f"{'MB ' + r.name:>16}" for r in runners]))


def print_row(row, results, runners):
    native = results["native"]
    cells = [f"{cell(results[r.name], native, i == 0):>13}" for i, r in enumerate(runners)]
    memory = [f"{results[r.name]['peak'] / 1024:16.1f}" for r in runners]
    print(f"{row.name:14}" + "".join(cells + memory), flush=True)
    for r in runners:
        if "error" in results[r.name]:
            print(f"    {r.name}: {results[r.name]['error']}")


def geometric_means(table, runners):
    """Over the rows that all of the runners passed: {runner: mean ratio}."""
    whole = [t for t in table.values() if not any("error" in e for e in t.values())]
    if not whole:
        return {}
    return {r.name: statistics.geometric_mean(t[r.name]["cpu"] / t["native"]["cpu"] for t in whole)
            for r in runners}


def qemu_name(command):
    run = subprocess.run([*command, "--version"], capture_output=True, text=True)
    version = re.search(r"version (\d+\.\d+)", run.stdout)
    return f"qemu-{version.group(1)}" if version else "qemu"


def find_runners(options):
    runners = [Runner("native", None)]
    ketch = options.ketch.split()
    if shutil.which(ketch[0]):
        runners.append(Runner("ketch", ketch))
    else:
        print(f"{ketch[0]} is not built (tools/build): without Ketch", file=sys.stderr)
    qemus = [[os.path.join(d, "qemu-riscv64")] for d in os.get_exec_path()]
    qemus = [q for q in qemus if os.access(q[0], os.X_OK)] + [q.split() for q in options.qemu or []]
    if not options.no_debian:
        qemus.append(debian.qemu_riscv64())
    seen = set()
    for q in qemus:
        name = qemu_name(q)
        if os.path.realpath(q[-1]) not in seen and name not in [r.name for r in runners]:
            seen.add(os.path.realpath(q[-1]))
            runners.append(Runner(name, q))
    if options.only:
        runners = [r for r in runners if r.name == "native" or r.name in options.only.split(",")]
    return runners


def parse(args):
    p = argparse.ArgumentParser(prog="tools/bench", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", help="names or patterns, comma-separated (default: all)")
    p.add_argument("--list", action="store_true", help="print the names of the rows")
    p.add_argument("--repeat", type=int, help="measurements of each (default 5; --quick: 1)")
    p.add_argument("--quick", action="store_true", help="an eighth of the work, once")
    p.add_argument("--divisor", type=int, metavar="N", help="an N-th of the work")
    p.add_argument("--ketch", default=os.path.join(TOP, "out/bin/ketch-riscv64"),
                   help="how to start Ketch (default out/bin/ketch-riscv64)")
    p.add_argument("--qemu", action="append", help="another qemu-riscv64 (besides those on PATH)")
    p.add_argument("--plugins", action="store_true",
                   help="what counting instructions and tracing memory accesses cost (a 32nd of the work)")
    p.add_argument("--machine", action="store_true",
                   help="the CPU-bound kernels inside a machine, on Ketch and qemu-system-riscv64")
    p.add_argument("--only", help="runners, comma-separated: ketch, qemu-7.2, ...")
    p.add_argument("--no-debian", action="store_true", help="no rows and no QEMU from the network")
    p.add_argument("--json", help="write all figures to this file")
    p.add_argument("--svg", help="write a plot to this file")
    options = p.parse_args(args)
    options.repeat = options.repeat or (1 if options.quick else 5)
    options.divisor = options.divisor or (32 if options.plugins else 8 if options.quick else 1)
    return options


def select(options):
    patterns = (options.rows or "*").split(",")
    rows = [r for r in ROWS if any(fnmatch.fnmatch(r.name, p) for p in patterns)
            and not (options.no_debian and r.package)]
    if not rows:
        raise BenchError(f"no row is called {options.rows}; --list prints them")
    return rows


def write_json(path, table, runners):
    with open(path, "w", encoding="ascii") as f:
        json.dump({"date": time.strftime("%Y-%m-%d"), "runners": [r.name for r in runners],
                   "rows": table}, f, indent=1)
        f.write("\n")


def compare(rows, runners, options):
    """{row: {runner: see measure()}}, printed as it comes."""
    table = {}
    print_header(runners)
    for row in rows:
        table[row.name] = measure(row, runners, options)
        print_row(row, table[row.name], runners)
    means = geometric_means(table, runners)
    print(f"{'geom. mean':14}" + "".join(f"{means.get(r.name, float('nan')):13.2f}" for r in runners))
    if options.svg:
        plot.write(options.svg, table, [r.name for r in runners if r.name != "native"])
    return table


def main(args):
    options = parse(args)
    if options.list:
        print("\n".join(r.name for r in ROWS))
        return 0
    rows = select(options)
    if options.machine:
        table = machine.compare(rows, options, prepare, run_once)
        runners = []
    else:
        table, runners = outside(rows, options)
    if options.json:
        write_json(options.json, table, runners)
    return 1 if any("error" in e for t in table.values() for e in t.values()) else 0


def outside(rows, options):
    """Without a machine: the table and its runners."""
    runners = find_runners(options)
    fetch(rows)
    if options.plugins:
        table = plugins.compare(rows, runners, lambda row, these: measure(row, these, options))
    else:
        table = compare(rows, runners, options)
    return table, runners


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BenchError, debian.DebianError, machine.guest.CannotRun, machine.guest.Failed) as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
