#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one gets to see of translated code: --perf, --profile, --gdb-jit."""

import glob
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
COMPILER = "riscv64-linux-gnu-gcc"
TIMEOUT = suite.PATIENCE


def ketch(options, folder, *args):
    return suite.run([os.path.abspath(options.ketch), "run", *args], TIMEOUT, cwd=folder)


def ending(result):
    return f"{suite.status_text(result.status)}: {result.output} {result.errors[-2000:]}"


def read_jitdump(path):
    """(name, address, code) of each record; raises when the file is not as the specification says."""
    with open(path, "rb") as f:
        data = f.read()
    magic, version, size, machine, _, pid, _, flags = struct.unpack_from("<IIIIIIQQ", data)
    assert (magic, version, size, machine, flags) == (0x4A695444, 1, 40, 62, 0), "header"
    assert str(pid) in os.path.basename(path), "process"
    records, at, last = [], size, 0
    while at < len(data):
        kind, size, time, _, _, vma, address, code_size, index = struct.unpack_from("<IIQIIQQQQ", data, at)
        assert kind == 0 and index == len(records) and vma == address and time >= last, "record"
        name = data[at + 56:data.index(b"\0", at + 56)]
        assert size == 56 + len(name) + 1 + code_size, "size of a record"
        records.append((name.decode(), address, data[at + size - code_size:at + size]))
        at, last = at + size, time
    return records


def read_map(path):
    """(name, address, size) of each line."""
    with open(path, encoding="ascii") as f:
        lines = [line.rstrip("\n").split(" ", 2) for line in f]
    os.unlink(path)
    return [(name, int(start, 16), int(size, 16)) for start, size, name in lines]


def wanted_names(names, wanted):
    for pattern in wanted:
        if not any(re.fullmatch(pattern, n) for n in names):
            return f"no unit is called {pattern}"
    return None


NAMES = ["ketch_stubs", r"hot_sum\+0x[0-9a-f]+ \[region\]", r"hot_store\+0x[0-9a-f]+ \[region\]",
         r"main\+0(x[0-9a-f]+)? \[jit\]"]


def perf_both(options, folder, target):
    """The map and the jitdump name the same units, whose code does not overlap."""
    result = ketch(options, folder, "--perf=both", target)
    dumps = glob.glob(os.path.join(folder, "jit-*.dump"))
    if result.output != b"1\n" or result.errors or len(dumps) != 1:
        return f"{ending(result)} {dumps}"
    pid = re.search(r"jit-(\d+)", dumps[0]).group(1)
    records, lines = read_jitdump(dumps[0]), read_map(f"/tmp/perf-{pid}.map")
    if [(n, a, len(c)) for n, a, c in records] != lines:
        return "the map and the jitdump differ"
    for (_, a, size), (_, b, _) in zip(sorted(lines, key=lambda x: x[1]), sorted(lines, key=lambda x: x[1])[1:]):
        if a + size > b:
            return f"units at {a:#x} and {b:#x} overlap"
    if any(not code for _, _, code in records):
        return "a unit without code"
    return wanted_names([n for n, _, _ in records], NAMES)


def perf_follows_no_link(options, folder, target):
    """Others can foresee the map's name in /tmp: the file that a link of theirs leads to is left alone."""
    victim = os.path.join(folder, "victim")
    with open(victim, "w", encoding="ascii") as f:
        f.write("mine")
    script = 'echo $$ >pid; ln -s "$1" /tmp/perf-$$.map && exec "$2" run --perf=map "$3"'
    result = suite.run(["sh", "-c", script, "sh", victim, os.path.abspath(options.ketch), target], TIMEOUT, cwd=folder)
    with open(os.path.join(folder, "pid"), encoding="ascii") as f:
        os.unlink(f"/tmp/perf-{f.read().strip()}.map")
    with open(victim, encoding="ascii") as f:
        if f.read() != "mine":
            return "the file was overwritten"
    return None if b"cannot be written" in result.errors else ending(result)


def perf_fork(options, folder, target):
    """A forked child has files of its own, with the units of its parent and its own."""
    result = ketch(options, folder, "--perf=jitdump", target, "fork")
    dumps = sorted(glob.glob(os.path.join(folder, "jit-*.dump")), key=os.path.getsize)
    if result.errors or len(dumps) != 2:
        return f"{ending(result)} {dumps}"
    files = [{n for n, _, _ in read_jitdump(d)} for d in dumps]
    child = [f for f in files if any(n.startswith("in_child") for n in f)]
    if len(child) != 1:
        return "not exactly one of the two processes ran in_child()"
    return wanted_names(child[0], NAMES)


def perf_names_libraries(options, folder, target):
    """Functions of shared libraries have names too; a stripped file gives its own."""
    binary = os.path.join(folder, "dynamic")
    subprocess.run([COMPILER, "-O1", "-o", binary, target + ".c"], check=True)
    result = ketch(options, folder, "--perf=jitdump", "-L", "/usr/riscv64-linux-gnu", binary)
    if result.status or result.errors:
        return ending(result)
    names = {n for n, _, _ in read_jitdump(glob.glob(os.path.join(folder, "jit-*.dump"))[0])}
    return wanted_names(names, NAMES + [r"printf\+0 .*|__printf.*|_IO_printf\+0 .*",
                                        r"ld-linux-riscv64-lp64d\.so\.1\+0x[0-9a-f]+ \[jit\]|_dl_.*"])


def perf_report(options, folder, target):
    """perf itself finds the names, after `perf inject`, and the code."""
    if not shutil.which("perf"):
        return "skip: no perf"
    run = ["perf", "record", "-q", "-e", "cpu-clock", "-k", "mono", "-o", "data"]
    recorded = suite.run([*run, os.path.abspath(options.ketch), "run", "--perf=jitdump", target, "long"],
                         TIMEOUT, cwd=folder)
    if recorded.status != 0 or recorded.output != b"1\n":
        return f"skip: perf record cannot run here: {recorded.errors[-200:]}"
    injected = suite.run(["perf", "inject", "--jit", "-i", "data", "-o", "injected"], TIMEOUT, cwd=folder)
    report = suite.run(["perf", "report", "--stdio", "-i", "injected"], TIMEOUT, cwd=folder)
    if re.search(rb"hot_sum\+0x[0-9a-f]+ \[region\]", report.output):
        return None
    return f"not in the report; record: {ending(recorded)}; inject: {ending(injected)}; report: {ending(report)}"


def profile(folder):
    with open(os.path.join(folder, "report"), encoding="utf-8") as f:
        return f.read()


def profile_report(options, folder, target):
    """The hot loop is in the table and listed with its three kinds of code and its exits."""
    result = ketch(options, folder, "--profile=report", target, "long")
    if result.output != b"1\n" or result.errors:
        return ending(result)
    report = profile(folder)
    for pattern in [r"[1-9]\d* samples in \d+\.\d\d s",
                    r"\d+\.\d %  in translated code",
                    r"\d+\.\d %  hot_sum\n",
                    r"\d+\.\d % +\d+ +\d+ +\d+ +\d+  hot_sum\+0x[0-9a-f]+ \[region\]\n",
                    r"==== hot_sum\+0x[0-9a-f]+ \[region\] at 0x",
                    r" +\d+  100\.0 %  return +0x[0-9a-f]+  c\.jr ra\n",
                    r"block 1, loop\n",
                    r"0x[0-9a-f]+  mul a\d,a\d,a\d +\| %\d+:i64 = mul %\d+, %\d+ +\| (mov|imul) r"]:
        if not re.search(pattern, report):
            return f"no {pattern} in {report[:3000]}"
    return None


def profile_exits(options, folder, target):
    """Why a region was left, and how often: calls that it cannot foresee."""
    result = ketch(options, folder, "--profile=report", target, "calls")
    if result.status:
        return ending(result)
    report = profile(folder)
    counts = [int(n) for n in re.findall(r"^ +(\d+) +[\d.]+ %  computed call ", report, re.M)]
    return None if any(n > 1000000 for n in counts) else f"{counts} in {report[:3000]}"


def profile_lists_sequences(options, folder, target):
    """Instructions that are translated as one are all listed, in their order."""
    result = ketch(options, folder, "--profile=report", target, "atomic")
    if result.status:
        return ending(result)
    report = profile(folder)
    return None if re.search(r"(?s)==== hot_atomic.*0x[0-9a-f]+  lr\.d .*\n.*0x[0-9a-f]+  bne .*\n"
                             r".*0x[0-9a-f]+  sc\.d .*\n.*0x[0-9a-f]+  (c\.)?bne", report) else report[:3000]


def profile_of_a_killed_program(options, folder, target):
    """A program that a signal ends has a profile as well."""
    command = [os.path.abspath(options.ketch), "run", "--profile=report", target, "spin"]
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) as guest:
            try:
                guest.stdout.readline()  # it runs
                guest.send_signal(number)
                guest.wait(TIMEOUT)
            finally:
                guest.kill()
        if guest.returncode != -number:
            return suite.status_text(guest.returncode)
        if " samples in " not in profile(folder):
            return f"no report after {number}"
    result = ketch(options, folder, "--profile", target, "abort")
    return None if result.status == -6 and b" samples in " in result.errors else ending(result)


def profile_ends_beside_threads(options, folder, target):
    """Threads run on while the report is made: what interrupts them then is no signal for the program."""
    for _ in range(10):
        result = ketch(options, folder, "--profile=report", target, "beside")
        if result.status or result.errors or " samples in " not in profile(folder):
            return ending(result)
    return None


def profile_is_invisible(options, folder, target):
    """The sampling signal and its timer: nothing of it in programs that test signals and timers."""
    for name in ("restart", "rtsig", "storm", "fpstate"):
        source = os.path.join(HERE, "../userland/guest", name + ".c")
        binary = os.path.join(folder, name)
        subprocess.run([COMPILER, "-O1", "-w", "-static", "-pthread", "-o", binary, source, "-lm"], check=True)
        result = ketch(options, folder, "--profile=report", binary)
        if result.status != 0 or result.output != b"passed\n" or result.errors:
            return f"{name}: {ending(result)}"
    return None


def gdb_backtrace(options, folder, target):
    """A gdb that is attached to Ketch names the guest's function, and gets from there to the start of Ketch."""
    if not shutil.which("gdb"):
        return "skip: no gdb"
    command = [os.path.abspath(options.ketch), "run", "--gdb-jit", target, "spin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) as guest:
        try:
            guest.stdout.readline()  # it runs
            before = suite.processor_seconds(guest.pid)
            suite.wait_for(lambda: suite.processor_seconds(guest.pid) > before + 0.5, "it stands still")
            gdb = ["gdb", "-nx", "-batch", "-p", str(guest.pid), "-ex", "backtrace"]
            found = suite.run(gdb, TIMEOUT).output.decode(errors="replace")
        finally:
            guest.kill()
    if "#0" not in found:
        return f"skip: gdb cannot attach here: {found[-200:]}"
    return None if re.search(r"(?s)#0 +0x[0-9a-f]+ in hot_sum\+0x[0-9a-f]+ \[region\] \(\)\n"
                             r"#1 .* tr_run .* _start \(", found) else found[-2000:]


MACHINE_CC = [COMPILER, "-O2", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-static", "-nostdlib",
              "-fno-pic", "-no-pie", "-fno-stack-protector", "-Wl,--build-id=none,--no-relax",
              "-Wl,--no-warn-rwx-segments", "-T", os.path.join(HERE, "../frontends/riscv/machine/link.ld")]


def machine_names(options, folder, _):
    """Of a whole machine, too: names of functions by the symbols of its program, and what -d shows."""
    program = os.path.join(folder, "machine")
    subprocess.run([*MACHINE_CC, "-o", program, os.path.join(HERE, "../plugins/guest/machine.c")], check=True)
    result = suite.run([os.path.abspath(options.ketch), "vm", "--non-security", "-nographic", "-bios", program,
                        "--perf=both", "--profile=report", "--gdb-jit", "-d", "in_asm,nochain", "-dfilter",
                        "0x80000000+4", "-D", "log"], TIMEOUT, cwd=folder)
    dumps = glob.glob(os.path.join(folder, "jit-*.dump"))
    if result.status != 0 or result.output != b"machine\n" or len(dumps) != 1:
        return f"{ending(result)} {dumps}"
    pid = re.search(r"jit-(\d+)", dumps[0]).group(1)
    records, lines = read_jitdump(dumps[0]), read_map(f"/tmp/perf-{pid}.map")
    if [(n, a, len(c)) for n, a, c in records] != lines:
        return "the map and the jitdump differ"
    report = profile(folder)
    if "Left translated code" not in report or not re.search(r"^ +\d+  wait$", report, re.M):
        return report[:1000]
    with open(os.path.join(folder, "log"), encoding="utf-8") as f:
        shown = re.findall(r"^unit (.*), \d+ insns", f.read(), re.M)
    if shown != ["0x80000000 _start"]:
        return f"-dfilter leaves {shown}"
    return wanted_names([n for n, _, _ in records], [r"fib\+0 \[(jit|region)\]", r"use_window\+0 \[jit\]"])


CASES = [machine_names, perf_both, perf_follows_no_link, perf_fork, perf_names_libraries, perf_report,
         profile_report, profile_exits, profile_lists_sequences, profile_of_a_killed_program,
         profile_ends_beside_threads, profile_is_invisible, gdb_backtrace]


def main():
    options = suite.parser(__doc__).parse_args()
    cases = suite.choose(CASES, options, lambda c: c.__name__)
    if not shutil.which(COMPILER):
        return suite.skip_all(len(cases), f"no {COMPILER}")
    with tempfile.TemporaryDirectory() as work:
        target = os.path.join(work, "target")
        shutil.copy(os.path.join(HERE, "target.c"), work)
        subprocess.run([COMPILER, "-O1", "-static", "-o", target, target + ".c"], check=True)

        def job(case):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return [(case.__name__, case(options, folder, target))]
                except (AssertionError, OSError, struct.error, subprocess.SubprocessError) as error:
                    return [(case.__name__, suite.explain(error))]

        return suite.run_all(cases, job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
