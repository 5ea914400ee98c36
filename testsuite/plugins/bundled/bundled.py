#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The plugins that come with Ketch, each against what another counts of the same run, and the
interface of ketch-plugin.h, in all tiers."""

import collections
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))

import suite  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
COMPILER = "riscv64-linux-gnu-gcc"
TIMEOUT = 600
BUNDLED = ["mix", "hotblocks", "execlog", "memtrace", "cachesim", "drcov", "callgraph", "syscalls"]
TIERS = {"jit": [], "interp": ["--tier=interp"], "regions": ["--tier-threshold=1"]}


class Run:
    """A guest under a plugin; files that the plugin writes are in its folder."""

    def __init__(self, options, tier, folder):
        self.options, self.tier, self.folder = options, tier, folder

    def __call__(self, *plugins, guest="one", args=()):
        options = [a for p in plugins for a in ("-plugin", p)]
        result = suite.run([os.path.abspath(self.options.ketch), "run", *TIERS[self.tier], *options,
                            os.path.join(self.folder, "..", guest), *args], TIMEOUT, cwd=self.folder)
        assert result.status == 0 and b"done" in result.output, \
            f"{suite.status_text(result.status)}: {result.output} {result.errors[-2000:]}"
        return result.errors.decode()

    def ketch(self, *args):
        return suite.run([os.path.abspath(self.options.ketch), *args], TIMEOUT, cwd=self.folder)

    def read(self, name, mode="r"):
        with open(os.path.join(self.folder, name), mode) as f:
            return f.read()


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    assert found, f"no {pattern} in {text[:1000]}"
    return int(found.group(1))


def totals_agree(run):
    """Instructions: mix, hotblocks, callgraph's stacks, lines of execlog."""
    text = run("mix", "hotblocks,top=100000", "callgraph,out=folded", "execlog,out=log")
    mix = number(r"^mix: (\d+) instructions", text)
    stacks = sum(int(line.rsplit(" ", 1)[1]) for line in run.read("folded").splitlines())
    lines = run.read("log").count("\n")
    hot = number(r"^hotblocks: (\d+) instructions", text)
    listed = sum(int(n) for n in re.findall(r"^ *[\d.]+% +(\d+) +\d+ +\d+  [0-9a-f]+ ", text, re.M))
    assert mix > 100000, text
    return None if mix == hot == stacks == lines == listed else f"{mix} {hot} {stacks} {lines} {listed}"


def mix_counts_kinds(run):
    """fill() stores 100000 times; the shares are those of the counts."""
    text = run("mix,top=1000,memory=on")
    rows = re.findall(r"^ *([\d.]+)% +(\d+) +\d+  ([a-z0-9.]+)$", text, re.M)
    total = number(r"^mix: (\d+) instructions", text)
    assert sum(int(n) for _, n, _ in rows) == total
    stores = sum(int(n) for _, n, kind in rows if re.fullmatch(r"(c\.)?(sd|sw|sh|sb|sdsp|swsp|fsd|fsw)", kind))
    reported = number(r"(\d+) stores$", text)
    atomics = sum(int(n) for _, n, kind in rows if re.match(r"amo|sc\.", kind))
    return None if 100000 <= stores <= reported <= stores + atomics else f"{stores} {reported} {atomics}"


def memtrace_is_complete(run, guest="one"):
    """The file has each access of the log, in its order, and keeps no room; `stat` counts as mix does."""
    text = run("memtrace,out=t", "execlog,out=log", "mix,memory=on", guest=guest)
    status = os.stat(os.path.join(run.folder, "t"))
    assert status.st_blocks * 512 < status.st_size + (64 << 10), status
    result = run.ketch("trace", "cat", "t")
    traced = [line.split() for line in result.output.decode().splitlines()[1:]]
    logged = []
    for line in run.read("log").splitlines():
        pc = int(line.split()[1], 16)
        logged += [(pc, kind, int(a, 16)) for kind, a in re.findall(r"  (load|store) (0x[0-9a-f]+) =", line)]
    assert len(traced) > 100000
    if [(int(pc, 16), kind.rstrip("0123456789"), int(a, 16)) for _, pc, kind, a in traced] != logged:
        return "the trace differs from the log"
    stat = run.ketch("trace", "stat", "t").output.decode()
    counts = (number(r"^loads +(\d+)", stat), number(r"^stores +(\d+)", stat))
    mixed = (number(r"(\d+) loads,", text), number(r"(\d+) stores$", text))
    return None if counts == mixed and sum(counts) == len(traced) else f"{counts} {mixed}"


def memtrace_has_no_access_that_faults(run):
    """Nor those behind it in the block, although all are known from the first one."""
    return memtrace_is_complete(run, "faults")


def memtrace_filters(run):
    """Only the stores of one function; a forked child and a thread have their own."""
    run("memtrace,out=%p.t,loads=off,filter=symbol=fill", guest="all")
    counts = []
    for name in sorted(n for n in os.listdir(run.folder) if n.endswith(".t")):
        lines = run.ketch("trace", "cat", name).output.decode().splitlines()[1:]
        assert all(line.split()[2] == "store8" for line in lines)
        counts.append(collections.Counter(line.split()[0] for line in lines))
    return None if sorted(sorted(c.values()) for c in counts) == [[100000], [100000, 100000]] else f"{counts}"


def memtrace_with_vfork(run):
    """What children with their parent's memory do is in its file; the thread that writes it is not theirs."""
    run("memtrace,out=t,loads=off,filter=symbol=store", guest="vforks")
    stat = run.ketch("trace", "stat", "t").output.decode()
    stores = number(r"^stores +(\d+)", stat)
    return None if stores == 3000000 else stat


def memtrace_with_killed_vfork(run):
    """A child with its parent's memory that is killed anywhere leaves none of its locks behind."""
    run("memtrace,out=t", guest="vforks", args=("killed",))
    return None if run.ketch("trace", "stat", "t").status == 0 else "the trace cannot be read"


def damaged_traces(run):
    """A file cut short or changed anywhere is reported, and never crashes the reader."""
    run("memtrace,out=t")
    data = run.read("t", "rb")
    for cut in list(range(0, 200, 7)) + [len(data) // 2, len(data) - 1]:
        for changed in (data[:cut], data[:cut] + b"\xff" + data[cut + 1:]):
            with open(os.path.join(run.folder, "bad"), "wb") as f:
                f.write(changed)
            result = run.ketch("trace", "stat", "bad")
            if result.status not in (0, 1) or (result.status and b"ketch trace: " not in result.errors):
                return f"changed at {cut}: {result.status} {result.errors}"
    whole = number(r"^(\d+) accesses", run.ketch("trace", "stat", "t").output.decode())
    with open(os.path.join(run.folder, "cut"), "wb") as f:
        f.write(data[:-1])
    result = run.ketch("trace", "stat", "cut")
    if not 0 <= number(r"^(\d+) accesses", result.output.decode()) < whole or b"was cut short" not in result.errors:
        return f"one byte less: {result}"
    with open(os.path.join(run.folder, "old"), "wb") as f:
        f.write(data.replace(b"KETCHST3", b"KETCHST2"))
    for name, sentence in (("old", b"has format 2 of traces"), ("/dev/null", b"is not a trace")):
        result = run.ketch("trace", "stat", name)
        if result.status != 1 or sentence not in result.errors:
            return f"{name}: {result.errors}"
    return None


def killed(run, plugins, sig, *args):
    """What is on standard error when a signal has ended a program that would run for ever."""
    options = [a for p in plugins for a in ("-plugin", p)]
    command = [os.path.abspath(run.options.ketch), "run", *TIERS[run.tier], *options,
               os.path.join(run.folder, "..", "endless"), *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=run.folder) as guest:
        try:
            guest.stdout.readline()
            guest.send_signal(sig)
            errors = guest.communicate(timeout=suite.PATIENCE)[1].decode()
        finally:
            guest.kill()
    assert guest.returncode == -sig, f"{suite.status_text(guest.returncode)}: {errors[-2000:]}"
    return errors


def killed_programs_report(run):
    """A signal that ends the program, from the terminal or anybody, ends it as exit() does for plugins."""
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGRTMIN):
        text = killed(run, ["mix", "callgraph,out=folded"], sig, *(["store"] * (sig % 2)))
        assert number(r"^mix: (\d+) instructions", text) > 1000, text
        assert re.search(r";store \d+$", run.read("folded"), re.M), run.read("folded")
    killed(run, ["memtrace,out=t,loads=off,filter=symbol=store"], signal.SIGINT)
    stat = run.ketch("trace", "stat", "t")
    return None if stat.status == 0 and number(r"^stores +(\d+)", stat.output.decode()) >= 64 else f"{stat}"


def cachesim_counts(run):
    """As many data accesses as there are, and misses in a loop over more than the cache."""
    text = run("cachesim,dsize=1024,dways=2", "mix,memory=on", "memtrace,out=t")
    accesses, misses = (int(n) for n in re.search(r"^vcpu 0 data +(\d+) +(\d+)", text, re.M).groups())
    mixed = number(r"(\d+) loads,", text) + number(r"(\d+) stores$", text)
    big = run("cachesim,dsize=65536")
    fewer = int(re.search(r"^vcpu 0 data +\d+ +(\d+)", big, re.M).group(1))
    sets = [collections.OrderedDict() for _ in range(1024 // 64 // 2)]
    expected = 0
    for line in run.ketch("trace", "cat", "t").output.decode().splitlines()[1:]:
        kind, address = line.split()[2:]
        size = int(re.sub(r"\D", "", kind))
        for cache_line in {int(address, 16) // 64, (int(address, 16) + size - 1) // 64}:
            ways = sets[cache_line % len(sets)]
            expected += cache_line not in ways
            ways[cache_line] = True
            ways.move_to_end(cache_line)
            if len(ways) > 2:
                ways.popitem(last=False)
    if "fill" not in text or not accesses >= mixed or fewer * 10 > misses:
        return f"{accesses} {mixed} {misses} {fewer}"
    return None if misses == expected else f"{misses} misses, a second model says {expected}"


def drcov_blocks(run):
    """The blocks that ran, of the right file, with their place in it."""
    text = run("drcov,out=cov", "hotblocks,top=100000")
    data = run.read("cov", "rb")
    head, table = re.match(rb"(DRCOV VERSION: 2\nDRCOV FLAVOR: .*?BB Table: \d+ bbs\n)(.*)$", data, re.S).groups()
    rows = [struct.unpack_from("<IHH", table, at) for at in range(0, len(table), 8)]
    assert number(r"BB Table: (\d+) bbs", head.decode()) == len(rows)
    modules = re.findall(r"^ *(\d+), (0x[0-9a-f]+), (0x[0-9a-f]+), .*, (.*)$", head.decode(), re.M)
    names = [os.path.basename(m[3]) for m in modules]
    assert "one" in names, names
    base = int(modules[names.index("one")][1], 16)
    ran = {int(a, 16) for runs, a in re.findall(r"^ *[\d.]+% +\d+ +(\d+) +\d+  ([0-9a-f]+) ", text, re.M)
           if int(runs)}
    covered = {base + start for start, _, module in rows if module == names.index("one")}
    return None if covered and covered <= ran and len(covered) >= len(ran) - 5 else f"{len(covered)} {len(ran)}"


def callgraph_stacks(run):
    """Who called whom, through a signal, a longjmp and deep recursion; the picture is well-formed."""
    run("callgraph,out=folded,svg=svg")
    text = run.read("folded")
    for pattern in [r"main;middle;innermost \d+$", r"main;fill \d+$", r"main(;jumps){21} \d+$",
                    r"handler;middle;innermost \d+$"]:
        if not re.search(pattern, text, re.M):
            return f"no {pattern}"
    if re.search(r"jumps.*;fill ", text):
        return "longjmp() left its functions on the stack"
    root = xml.etree.ElementTree.fromstring(run.read("svg"))
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    return None if any(t.startswith("fill: ") for t in titles) else f"{titles[:5]}"


def callgraph_of_other_stacks(run):
    """Four hundred calls deep; what switches between stacks has no stack that grows with each switch."""
    run("callgraph,out=folded,svg=svg", guest="stacks")
    lines = run.read("folded").splitlines()
    for pattern in [r"main(;deep){401} \d+$", r"work_here(;\w+)? \d+$", r"work_there(;\w+)? \d+$"]:
        if not any(re.search(pattern, line) for line in lines):
            return f"no {pattern}"
    switched = [line for line in lines if "work_there" in line]
    if max(line.count(";") for line in switched) > 20:
        return f"the longest of {len(switched)} stacks: {max(switched, key=len)[:2000]}"
    xml.etree.ElementTree.fromstring(run.read("svg"))
    return None


def syscalls_as_strace(run):
    """The same calls with the same results as -strace."""
    run("syscalls,out=log")
    calls = [json.loads(line) for line in run.read("log").splitlines()]
    result = suite.run([os.path.abspath(run.options.ketch), "run", *TIERS[run.tier], "-strace",
                        os.path.join(run.folder, "..", "one")], TIMEOUT)
    names = re.findall(r"^(?:\d+ )?([a-z0-9_]+)\(", result.errors.decode(), re.M)
    if [c["name"] for c in calls] != names:
        return f"{[c['name'] for c in calls]} {names}"
    writes = [c for c in calls if c["name"] == "write"]
    return None if writes and writes[-1]["ret"] == len("done 99843\n") else f"{writes}"


def interface(run):
    """IR of a plugin's own counts as a callback does; stacks go through the signal handler."""
    text = run(os.path.join(run.folder, "..", "extra.so"))
    a, b = re.search(r"^bit (\d+) (\d+)$", text, re.M).groups()
    if a != b or int(a) < 10000:
        return text
    called, of = (int(n) for n in re.search(r"^sp (\d+) of (\d+)$", text, re.M).groups())
    if of % 11 or called != 2 * 11 + 2:
        return text
    stack = re.search(r"^stack (.*)$", text, re.M).group(1)
    return None if re.match(r"innermost middle handler .*\braise main .*_start $", stack) else stack


def wrong_options(run):
    """One sentence that names the plugin."""
    for plugin, sentence in [("mix,tip=3", "plugin mix: there is no option 'tip'"),
                             ("mix,top=x", "plugin mix: 'top=x' has no value"),
                             ("cachesim,dsize=1000", "plugin cachesim: the data cache has no power of two"),
                             ("cachesim,line=0x8000000000000000,dways=2", "plugin cachesim: the instruction cache has no"),
                             ("cachesim,l2size=0x10000000000", "plugin cachesim: the second-level cache has 1099511627776"),
                             ("memtrace,filter=x", "plugin memtrace: 'x' is no filter"),
                             *((f"{name},out=/nowhere/x", f"plugin {name}: cannot write /nowhere/x") for name in BUNDLED),
                             ("callgraph,svg=/nowhere/%p", "plugin callgraph: cannot write /nowhere/"),
                             ("nosuch", "plugin nosuch: ")]:
        result = run.ketch("run", "-plugin", plugin, os.path.join(run.folder, "..", "one"))
        if result.status != 1 or sentence not in result.errors.decode() or result.output:
            return f"{plugin}: {result.status} {result.errors}"
    return None


def help_of_plugins(run):
    """Is what was asked for: no error, and the program does not run."""
    for plugin in BUNDLED:
        result = run.ketch("run", "-plugin", f"{plugin},help", os.path.join(run.folder, "..", "one"))
        if result.status or result.errors or not result.output.startswith(f"options of the plugin {plugin}:".encode()):
            return f"{plugin}: {result}"
    return None


def full_disks(run):
    """What could not be written is said, by the plugin's name; the program does not notice."""
    for plugin in BUNDLED:
        result = run.ketch("run", "-plugin", f"{plugin},out=/dev/full", os.path.join(run.folder, "..", "one"))
        wanted = f"plugin {plugin}: cannot write /dev/full" if plugin == "memtrace" else \
            f"plugin {plugin}: its report is incomplete: "
        if wanted not in result.errors.decode() or result.status != (plugin == "memtrace"):
            return f"{plugin}: {result.status} {result.errors}"
    run("memtrace,out=t")
    for what in ("cat", "stat"):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([os.path.abspath(run.options.ketch), "trace", what, "t"], stdout=full,
                                    stderr=subprocess.PIPE, cwd=run.folder, timeout=TIMEOUT, check=False)
        if result.returncode != 1 or b"a write has failed" not in result.stderr:
            return f"trace {what}: {result}"
    return None


CASES = [totals_agree, mix_counts_kinds, memtrace_is_complete, memtrace_has_no_access_that_faults,
         memtrace_filters, memtrace_with_vfork, memtrace_with_killed_vfork, damaged_traces, killed_programs_report,
         cachesim_counts, drcov_blocks, callgraph_stacks, callgraph_of_other_stacks, syscalls_as_strace, interface, wrong_options,
         help_of_plugins, full_disks]


def build(options, work):
    """The guest alone (`one`), with its thread and child (`all`), with faults; the test's plugin."""
    guest = [COMPILER, "-O2", "-static", "-fasynchronous-unwind-tables", os.path.join(HERE, "work.c"), "-o"]
    subprocess.run([*guest, os.path.join(work, "one"), "-DALONE"], check=True)
    subprocess.run([*guest, os.path.join(work, "all")], check=True)
    subprocess.run([*guest, os.path.join(work, "faults"), "-DALONE", "-DFAULTS"], check=True)
    subprocess.run([COMPILER, "-O2", "-static", os.path.join(HERE, "vforks.c"), "-o",
                    os.path.join(work, "vforks")], check=True)
    for name in ("endless", "stacks"):
        subprocess.run([COMPILER, "-O2", "-static", "-pthread", os.path.join(HERE, f"{name}.c"), "-o",
                        os.path.join(work, name)], check=True)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], check=True, capture_output=True,
                           text=True).stdout.split()
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                    "-I", suite.TOP, os.path.join(HERE, "extra.c"), "-o", os.path.join(work, "extra.so"), *flags],
                   check=True)


def main():
    options = suite.parser(__doc__).parse_args()
    cases = [(c, t) for c in suite.choose(CASES, options, lambda c: c.__name__) for t in TIERS
             if t in options.tier.split(",") or t == "regions"]
    if not shutil.which(COMPILER):
        return suite.skip_all(len(cases), f"no {COMPILER}")
    with tempfile.TemporaryDirectory() as work:
        build(options, work)

        def job(case):
            fn, tier = case
            with tempfile.TemporaryDirectory(dir=work) as folder:
                try:
                    return [(f"{fn.__name__} {tier}", fn(Run(options, tier, folder)))]
                except Exception as error:  # pylint: disable=broad-exception-caught
                    return [(f"{fn.__name__} {tier}", suite.explain(error))]

        return suite.run_all(cases, job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
