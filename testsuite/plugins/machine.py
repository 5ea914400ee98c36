#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plugins in whole machines: QEMU's own under `ketch vm`, against the same under qemu-system-riscv64 7.2;
a plugin of our own; those that come with Ketch; Linux.

guest/machine.c, alone on a machine, does the same each time; what is compared is the count of
everything and, with execlog, every instruction and access of it.  known_differences.txt says what
QEMU counts otherwise."""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios

HERE = os.path.dirname(os.path.realpath(__file__))
for folder in ("..", "../machines"):
    sys.path.insert(0, os.path.join(HERE, folder))

import suite  # noqa: E402
import debian  # noqa: E402
import guest  # noqa: E402
import plugins  # noqa: E402

QEMU = "qemu-system-riscv64"
GUEST_CC = ["riscv64-linux-gnu-gcc", "-O2", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-static",
            "-nostdlib", "-fno-pic", "-no-pie", "-fno-stack-protector", "-Wl,--build-id=none,--no-relax",
            "-Wl,--no-warn-rwx-segments", "-T", os.path.join(HERE, "../frontends/riscv/machine/link.ld")]
WAYS = {"jit": [], "regions": ["--tier-threshold", "30"], "tlb": ["--mmu=tlb", "--tier-threshold", "30"],
        "interp": ["--tier", "interp"]}
SECONDS = 600

# QEMU's test device ends the process inside the store to it: that is no access yet, and nothing follows.
# Ketch's machine stops soon after it, at the WFI.
MORE_INSNS = 1
DEVICES = {"riscv.aclint.mtimer": "mtimer", "riscv.aclint.swi": "mswi", "riscv.sifive.plic": "plic"}


def device(name):
    """QEMU's serial port has no name."""
    return "uart" if name.startswith("anon") else DEVICES.get(name, name)


def total(pattern, more):
    def reduce(text, ours):
        found = re.findall(pattern, text, re.M)
        return int(found[-1]) - (more if ours else 0) if found else None
    return reduce


def devices(text, _):
    """Accesses by device; the one to the test device, see above."""
    rows = re.findall(r"^([a-z0-9.]+), 0x0, (\d+), (\d+), +(\d+), (\d+)$", text, re.M)
    return sorted((device(name), *counts) for name, *counts in rows if name != "test")


def pages(text, _):
    """Pages of RAM by reads and writes."""
    rows = re.findall(r"^0x0*([0-9a-f]+), 0x0001, *(\d+), 0x000[01], *(\d+)$", text, re.M)
    return sorted(row for row in rows if int(row[0], 16) >= 0x80000000)


def trace(text, _):
    """(pc, code, accesses) of each instruction.  Of short ones QEMU shows what lies behind them, too;
    its ROM has an address of its own."""
    found = []
    for pc, code, accesses in re.findall(r'^0, 0x([0-9a-f]+), 0x([0-9a-f]+), "[^"]*"(.*)$', text, re.M):
        code = int(code, 16)
        accesses = [(kind, int(at, 16) & 0xf7ffffff, device(name)) for kind, at, name in
                    re.findall(r"(load|store), 0x([0-9a-f]+), ([a-zA-Z0-9.]+)", accesses)]
        found.append((int(pc, 16), code if code & 3 == 3 else code & 0xffff,
                      [a for a in accesses if a[2] != "test"]))
    return [row for row in found if row[1] != 0x10500073]  # the WFI at the end, and the other


# What is asked: arguments in 7.2 and 10.0, the program, what is made of the text.
CASES = {
    "insn inline": ("insn,inline=on", "insn,inline=on", "machine", total(r"insns: (\d+)", MORE_INSNS)),
    "insn": ("insn,inline=off", "insn,inline=off", "machine", total(r"^total insns: (\d+)", MORE_INSNS)),
    "mem inline": ("mem,inline=on", "mem,inline=on", "machine", total(r"mem accesses: (\d+)", 1)),
    "mem": ("mem,callback=on", "mem,callback=on", "machine", total(r"mem accesses: (\d+)", 1)),
    "hwprofile": ("hwprofile", "hwprofile", "machine", devices),
    "hotpages": ("hotpages,sortby=address", "hotpages,sortby=address", "machine", pages),
    "execlog": ("execlog", "execlog", "short", trace),
}


class Setup(plugins.Setup):
    """Compiled guests and plugins in `folder`."""

    def __init__(self, folder, options):
        super().__init__(folder, options)
        for name, flags in (("machine", []), ("short", ["-DSHORT"])):
            self.guests[name] = os.path.join(folder, name)
            subprocess.run([*GUEST_CC, *flags, "-o", self.guests[name],
                            os.path.join(HERE, "guest/machine.c")], check=True)

    def machine(self, name, *args):
        return [self.options.ketch, "vm", "--non-security", "-nographic", "-bios", self.guests[name], *args]

    def qemu_machine(self, name):
        return [QEMU, "-M", "virt", "-nographic", "-bios", self.guests[name]]


def run(setup, command, spec, all_plugins):
    """Exit status, what plugins printed and stderr."""
    name, _, arguments = spec.partition(",")
    plugin = all_plugins[name] + ("," + arguments if arguments else "")
    return plugins.run([*command, "-plugin", plugin], setup.folder)


def compare(setup, found, what):
    """Verdicts of one row of CASES."""
    specs, program, reduce = CASES[what][:2], *CASES[what][2:]
    status, text = run(setup, setup.qemu_machine(program), specs[0], found["7.2"])
    want = reduce(text, False)
    if status != 0 or not want:
        return [(what, f"QEMU: {suite.status_text(status)}: {text[-300:]}")]
    verdicts = []
    for version, spec in zip(("7.2", "10.0"), specs):
        for way, flags in WAYS.items():
            status, text = run(setup, setup.machine(program, *flags), spec, found[version])
            got = reduce(text, True)
            why = None
            if status != 0 or got != want:
                why = f"{suite.status_text(status)}: " + difference(got, want)
            verdicts.append((f"{what} of {version}, {way}", why))
    return verdicts


def difference(got, want):
    if not isinstance(got, list) or not isinstance(want, list):
        return f"{got} instead of {want}"
    at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]), min(len(got), len(want)))
    return f"row {at} of {len(got)} and {len(want)}: {got[at:at + 2]} instead of {want[at:at + 2]}"


# ---- A plugin of our own ----

CHECKS = r"""riscv64 system 1 vcpus 1 of 1
init 0 pc 1000
idle 0
resume 0
priv 1 paging 8
translate 1 1
virtual 0 1 physical 0 1
write 0 1 1 1
nothing there 0 0 4 4 0
load uart io 1 at 10000005 = 0
load plic io 1 at c000004 = 0
store plic io 1 at c000004 = 0
(?:.*\n)+store uart io 1 at 10000000 = a
(?:.*\n)+exit of 1
"""


def checks(setup):
    plugin = setup.compile("machine_checks.so", os.path.join(HERE, "machine_checks.c"), "-I", suite.TOP)
    for way, flags in WAYS.items():
        status, text = run(setup, setup.machine("short", *flags), "checks", {"checks": plugin})
        ok = status == 0 and re.search(CHECKS, text) and "insn_haddr" not in text
        yield f"checks, {way}", None if ok else f"{suite.status_text(status)}: {text[-900:]}"


# third/*.c, on the long program: what is loaded, all that they say.
THIRD = [
    (["sampling"], plugins.SAMPLED),
    (["looking"], r"looking: 0 wrong\n"),
    (["pairing"], r"pairing: 0 wrong, 1 begun, 0 calls, waits 1\n"),
    (["leaving,after=5000", "sampling", "pairing"],
     rf"leaving: uninstalled, 0 late\n{plugins.SAMPLED}pairing: 0 wrong, 1 begun, 0 calls, waits 1\n"),
]


def third(setup):
    paths = plugins.compile_third(setup)
    for specs, pattern in THIRD:
        counts = set()
        for way, flags in WAYS.items():
            status, text = plugins.run([*setup.machine("machine", *flags), *plugins.with_plugins(specs, paths)],
                                       setup.folder)
            match = re.search(rf"^{pattern}\Z", text, re.M)
            ok = status == 0 and match
            if ok and "insns" in match.groupdict():
                counts.add(match["insns"])
            yield f"{' and '.join(specs)}, {way}", None if ok and len(counts) < 2 else \
                f"{suite.status_text(status)}: {text[-500:]} {counts}"


def bad(setup):
    for flags, pattern in (("-DVERSION=2 -DIN_INSTALL=CRASH", r"crashed in qemu_plugin_install\(\): signal 11"),
                           ("-DVERSION=2 -DIN_BLOCK=CRASH", r"crashed in its vcpu_tb_trans callback: signal 11"),
                           ("-DVERSION=2 -DIN_EXEC=CRASH", r"crashed in a callback of translated code"),
                           ("-DVERSION=2 -DIN_EXEC=abort()", r"called abort\(\) in a callback of translated code"),
                           ("-DVERSION=4 -DSTATUS=3", r"qemu_plugin_install\(\) returned 3")):
        plugin = setup.compile(f"bad{hash(flags)}.so", os.path.join(HERE, "bad.c"), *flags.split())
        status, text = run(setup, setup.machine("short"), "bad", {"bad": plugin})
        ok = status == 1 and plugin in text and re.search(pattern, text)
        yield f"bad plugin {flags}", None if ok else f"{suite.status_text(status)}: {text[-300:]}"


def terminal(setup):
    """A plugin that crashes leaves the terminal as it was."""
    plugin = setup.compile("bad-terminal.so", os.path.join(HERE, "bad.c"), "-DVERSION=2",
                           "-DIN_EXEC=CRASH")
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    try:
        status = subprocess.call(setup.machine("short", "-plugin", plugin), stdin=slave, stdout=slave,
                                 stderr=subprocess.DEVNULL, timeout=SECONDS)
        same = termios.tcgetattr(slave) == before
        yield "terminal", None if status == 1 and same else f"{suite.status_text(status)}, as it was: {same}"
    finally:
        os.close(master)
        os.close(slave)


# ---- Those that come with Ketch ----

def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return int(found.group(1)) if found else None


def read(setup, name):
    with open(os.path.join(setup.folder, name), encoding="utf-8") as f:
        return f.read()


def bundled(setup):
    """Blocks are counted by all alike; the trace has the accesses of the log; symbols are the program's."""
    command = setup.machine("short")
    for spec in ("mix,memory=on", "hotblocks,top=100000", "callgraph,out=folded", "execlog,out=log",
                 "memtrace,out=trace", "cachesim", "drcov,out=coverage"):
        command += ["-plugin", spec]
    result = suite.run(command, SECONDS, cwd=setup.folder)
    text = result.errors.decode()
    log = read(setup, "log")
    stacks = read(setup, "folded").splitlines()
    counts = {number(r"^mix: (\d+) instructions", text), number(r"^hotblocks: (\d+) instructions", text),
              sum(int(line.rsplit(" ", 1)[1]) for line in stacks)}
    ok = result.status == 0 and len(counts) == 1
    ok = ok and 1000 < log.count("\n") < min(counts)  # these count blocks that fault whole
    yield "bundled: instructions", None if ok else f"{suite.status_text(result.status)}: {counts} {text[-500:]}"
    traced = suite.run([setup.options.ketch, "trace", "cat", "trace"], SECONDS, cwd=setup.folder)
    traced = [line.split() for line in traced.output.decode().splitlines()[1:]]
    logged = [(int(line.split()[1], 16), kind, int(at, 16)) for line in log.splitlines()
              for kind, at in re.findall(r"  (load|store) (0x[0-9a-f]+) =", line)]
    same = [(int(pc, 16), kind.rstrip("0123456789"), int(a, 16)) for _, pc, kind, a in traced] == logged
    yield "bundled: memtrace", None if same and len(logged) > 200 else f"{len(traced)} and {len(logged)} accesses"
    yield "bundled: symbols", None if any("in_supervisor;use_window" in s for s in stacks) else f"{stacks[:9]}"
    with open(os.path.join(setup.folder, "coverage"), "rb") as f:
        head = f.read(400).decode(errors="replace")
    ok = re.search(r"Module Table: version 2, count 1\n.*\n +0, 0x0+, .*/short\nBB Table: \d\d+ bbs", head)
    yield "bundled: drcov", None if ok else head
    result = suite.run(setup.machine("short", "-plugin", "syscalls"), SECONDS, cwd=setup.folder)
    ok = result.status == 1 and b"a machine makes no system calls" in result.errors
    yield "bundled: syscalls", None if ok else result.errors.decode()[-300:]


# ---- Linux ----

def boot(setup, linux, *args):
    with guest.Machine(setup.options.ketch, *args, linux=linux) as machine:
        machine.up()
        answer = machine.run("echo $((6 * 7))")
        machine.send("poweroff -f\n")
        machine.end(seconds=SECONDS)
        return None if answer == "42" else f"the shell said {answer!r}"


def trace_whole(setup, linux):
    """Both harts fill buffers faster than they are written, and translate meanwhile."""
    path = os.path.join(setup.folder, "linux.trace")
    why = boot(setup, linux, "-plugin", f"memtrace,out={path}", "-smp", "2")
    result = suite.run([setup.options.ketch, "trace", "stat", path], SECONDS)
    accesses = number(r"^(\d+) accesses by", result.output.decode())
    os.unlink(path)
    if not why and (result.status != 0 or not accesses or accesses < 10000000):
        why = f"{accesses} accesses; {suite.status_text(result.status)}: {result.errors.decode()[-300:]}"
    return why


def linux_case(setup, linux, found):
    log = os.path.join(setup.folder, "linux.log")

    def case(spec, *args):
        why = boot(setup, linux, "-d", "plugin", "-D", log, "-plugin", spec, *args)
        return why, read(setup, "linux.log")

    why, text = case(found["10.0"]["insn"] + ",inline=on", "-smp", "2")
    each = [int(n) for n in re.findall(r"^cpu \d+ insns: (\d+)", text, re.M)]
    if not why and (len(each) != 2 or min(each) < 1000000 or number(r"^total insns: (\d+)", text) != sum(each)):
        why = text[-300:]
    yield "Linux, 2 harts: insn of 10.0", why
    yield "Linux, 2 harts: memtrace", trace_whole(setup, linux)
    why, text = case(found["7.2"]["hwprofile"])
    rows = {device(name): int(writes) for name, writes in
            re.findall(r"^([a-z0-9.-]+), 0x0, \d+, \d+, +\d+, (\d+)$", text, re.M)}
    if not why and not (rows.get("uart", 0) > 1000 and rows.get("plic")):
        why = text[-300:]
    yield "Linux: hwprofile of 7.2", why
    why = boot(setup, linux, "-plugin", "mix,memory=on,out=" + os.path.join(setup.folder, "mix.out"),
               "-plugin", "hotblocks,out=" + os.path.join(setup.folder, "hot.out"))
    counts = (number(r"^mix: (\d+) instructions", read(setup, "mix.out")),
              number(r"^hotblocks: (\d+) instructions", read(setup, "hot.out")))
    if not why and (counts[0] != counts[1] or not counts[0] or counts[0] < 100000000):
        why = f"{counts}"
    yield "Linux: mix, hotblocks", why


def guarded(name, cases):
    def job():
        try:
            return list(cases())
        except guest.Failed as e:
            return [(name, str(e))]
        except Exception as e:  # pylint: disable=broad-exception-caught
            return [(name, suite.explain(e))]
    return job


def linux_job(setup, found):
    try:
        linux = guest.Images(setup.folder)
    except guest.CannotRun as e:
        why = f"skip: {e}"
        return lambda: [("Linux", why)]
    return guarded("Linux", lambda: linux_case(setup, linux, found))


def main():
    options = suite.parser(__doc__).parse_args()
    options.ketch, options.qemu10 = os.path.realpath(options.ketch), None
    if not all(shutil.which(c) for c in (GUEST_CC[0], "gcc", "pkg-config")):
        print("SKIPPED the cross compiler, gcc or pkg-config is not here")
        return suite.Report(1).close()
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(folder, options)
        cases = [guarded(fn.__name__, lambda fn=fn: fn(setup)) for fn in (checks, third, bad, terminal, bundled)]
        try:
            found = {v: setup.qemu_plugins(v, r) for v, r in (("7.2", "bookworm"), ("10.0", "trixie"))}
        except debian.DebianError as e:
            cases.append(lambda: [("QEMU's plugins", f"skip: {e}")])
        else:
            cases.append(linux_job(setup, found))
            if plugins.is_7_2(shutil.which(QEMU)):
                cases += [lambda what=what: compare(setup, found, what) for what in CASES]
            else:
                cases.append(lambda: [("totals of QEMU 7.2", "skip: qemu-system-riscv64 is not 7.2")])
        return suite.run_all(cases, lambda job: job(), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
