#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""QEMU's own plugins under Ketch, against the same under QEMU; plugins of our own, among them some as
others might write them (third/); bad plugins.

The plugins are compiled from the sources of Debian's qemu packages (7.2 of bookworm, 10.0 of
trixie), which tools/debian.py fetches into the cache.  What each prints is reduced to its totals.
Those must be the ones that qemu-riscv64 gives: the machine's own when it is 7.2, for the 7.2
plugins and - the totals being the same things - for those of 10.0, since Debian builds QEMU 10.0
without plugins; with --qemu10 PATH another one for these.  known_differences.txt explains what the
reduction leaves out."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import suite  # noqa: E402
import debian  # noqa: E402

GUEST_CC = ["riscv64-linux-gnu-gcc", "-O2", "-nostdlib", "-static", "-march=rv64gc", "-mabi=lp64d",
            "-fno-stack-protector"]
TIERS = {"jit": [], "regions": ["--tier-threshold", "30"], "interp": ["--tier", "interp"]}
SECONDS = suite.PATIENCE


def last(pattern, text):
    """The numbers of the last match."""
    found = re.findall(pattern, text, re.M)
    return found[-1] if found else None


def rows(pattern, text):
    """All matches, in an order that does not depend on that of equal counts."""
    return sorted(re.findall(pattern, text, re.M))


# With other totals in 7.2 than in 10.0: 7.2 takes blocks for one whose pc ^ length is the same.
OWN_TOTALS = ("hotblocks",)


def hot(text):
    """Blocks by count, without those that share the smallest one: the list is cut among them."""
    found = [(int(n), pc, size) for pc, size, n in
             re.findall(r"^(0x0*1[0-9a-f]{4}), \d+, (\d+), (\d+)$", text, re.M)]
    return sorted((f for f in found if f[0] > min(found)[0]), reverse=True)


def opcodes(text):
    """Counts by opcode; of a short instruction only its two bytes count."""
    found = {}
    for n, code in re.findall(r"\((\d+) hits\)\t\(op=0x([0-9a-f]+)", text):
        code = int(code, 16)
        code = code if code & 3 == 3 else code & 0xffff
        found[code] = found.get(code, 0) + int(n)
    return sorted((n, code) for code, n in found.items() if n > min(found.values()))


# What is asked of a plugin: its arguments in 7.2 and 10.0 (None: not there), and its totals.
PLUGINS = {
    "insn inline": ("insn,inline=on", "insn,inline=on", lambda t: last(r"insns: (\d+)", t)),
    "insn": ("insn,inline=off", "insn,inline=off", lambda t: last(r"insns: (\d+)", t)),
    "bb inline": ("bb,inline=on", "bb,inline=on", lambda t: last(r"bb's: (\d+), insns: (\d+)", t)),
    "bb": ("bb,inline=off", "bb,inline=off", lambda t: last(r"bb's: (\d+), insns: (\d+)", t)),
    "mem inline": ("mem,inline=on", "mem,inline=on", lambda t: last(r"mem accesses: (\d+)", t)),
    "mem": ("mem,callback=on", "mem,callback=on", lambda t: last(r"mem accesses: (\d+)", t)),
    "hotblocks": ("hotblocks,inline=on", "hotblocks,inline=on", hot),
    "howvec": (None, "howvec,inline=on", opcodes),
    "hotpages": ("hotpages", "hotpages", lambda t: rows(r"^0x[0-9a-f]+, 0x0001, *(\d+), 0x0001, *(\d+)",
                                                        t)),
    "syscall": ("syscall,print=off", "syscall,print=off", lambda t: rows(r"^(\d+) +(\d+) +(\d+)", t)),
}


class Setup:
    """Compiled guests and plugins in `folder`."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.guests = {}
        self.qemu = {"7.2": shutil.which("qemu-riscv64"), "10.0": options.qemu10}

    def guest(self, name):
        if name not in self.guests:
            self.guests[name] = os.path.join(self.folder, name)
            subprocess.run([*GUEST_CC, "-o", self.guests[name], os.path.join(HERE, "guest", name + ".c")],
                           check=True)
        return self.guests[name]

    def compile(self, target, source, *flags):
        """A plugin as the Makefile of QEMU 7.2 builds them: without the library glib."""
        glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, text=True,
                              capture_output=True).stdout.split()
        path = os.path.join(self.folder, target)
        subprocess.run(["gcc", "-O1", "-w", "-fPIC", "-shared", "-o", path, source, *flags, *glib],
                       check=True)
        return path

    def qemu_plugins(self, version, release):
        """name -> path of all of QEMU's that compile for Linux."""
        top = debian.source(release, "qemu", debian.QEMU_SOURCES)
        include = os.path.join(top, "include", "qemu")
        found = {}
        for folder in ("contrib/plugins", "tests/plugin", "tests/tcg/plugins"):
            full = os.path.join(top, folder)
            for source in sorted(os.listdir(full)) if os.path.isdir(full) else ():
                name = source[:-2]
                if source.endswith(".c") and name != "win32_linker":
                    found[name] = self.compile(f"{version}-{name}.so", os.path.join(full, source),
                                               "-I", include)
        return found


def run(command, folder, log=True):
    """Exit status; what plugins printed and what went to stderr."""
    path = os.path.join(folder, f"log-{os.getpid()}-{next(counter)}")
    place = command.index("-plugin")
    full = command[:place] + (["-d", "plugin", "-D", path] if log else []) + command[place:]
    result = suite.run(full, SECONDS, cwd=folder)
    text = result.errors.decode(errors="replace")
    if log and os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as f:
            text += f.read()
        os.unlink(path)
    return result.status, text


counter = iter(range(1 << 30))


def is_7_2(qemu):
    if not qemu:
        return False
    text = subprocess.run([qemu, "--version"], capture_output=True, text=True).stdout
    return " version 7.2" in text


def totals(setup, runner, spec, plugins, guest, reduce):
    name, _, arguments = spec.partition(",")
    plugin = plugins[name] + ("," + arguments if arguments else "")
    status, text = run([*runner, "-plugin", plugin, setup.guest(guest)], setup.folder)
    found = reduce(text)
    if status != 0 or not found:
        return None, f"{suite.status_text(status)}: {text[-300:]}"
    return found, str(found)


def compare(setup, plugins, case):
    """Verdicts of one plugin on one guest."""
    what, guest = case
    specs, reduce = PLUGINS[what][:2], PLUGINS[what][2]
    verdicts = []
    want7 = want10 = None
    if specs[0]:
        want7 = totals(setup, [setup.qemu["7.2"]], specs[0], plugins["7.2"], guest, reduce)
        want10 = None if what in OWN_TOTALS else want7
    if setup.qemu["10.0"]:
        want10 = totals(setup, [setup.qemu["10.0"]], specs[1], plugins["10.0"], guest, reduce)
    for version, spec, want in (("7.2", specs[0], want7), ("10.0", specs[1], want10)):
        if spec and not want:
            verdicts.append((f"{what} of {version} on {guest}", "skip: needs --qemu10"))
        for tier, flags in TIERS.items() if spec and want else ():
            got = totals(setup, [setup.options.ketch, "run", *flags], spec, plugins[version], guest, reduce)
            why = None if got[0] and got[0] == want[0] else f"{got[1]} instead of {want[1]}"
            verdicts.append((f"{what} of {version} on {guest}, {tier}", why))
    return verdicts


def others(setup, plugins):
    """QEMU's that check themselves or end the run: (name, arguments, guest, status, pattern)."""
    cases = [
        ("7.2", "empty", "", "mix", 0, r"^$"),
        ("10.0", "inline", "", "mix", 0, r"insn: (\d+) \(cond cb\)"),
        ("10.0", "inline", "", "faults", 0, r"insn: (\d+) \(cond cb\)"),
        ("10.0", "inline", "", "threads", 0, r"insn: (\d+) \(cond cb\)"),
        ("10.0", "reset", "", "mix", 0, r"^reset done\nuninstall done\nplugin exit\n$"),
        ("10.0", "stoptrigger", "icount=100000:7", "mix", 7, r"icount reached"),
        ("10.0", "cflow", "", "mix", 0, r"branch"),
        ("10.0", "bbv", "interval=10000,outfile=bbv", "mix", 0, r""),
        ("7.2", "cache", "", "mix", 0, r"^0 +146\d{3} "),
        ("10.0", "cache", "", "mix", 0, r"^0 +146\d{3} "),
        ("7.2", "execlog", "", "faults", 0, r'0x[0-9a-f]+, 0x[0-9a-f]+, "ecall"'),
        ("10.0", "execlog", "reg=a0", "faults", 0, r"a0 -> 0x"),
        ("10.0", "ips", "ips=1000000000", "mix", 0, r""),
        ("7.2", "drcov", "filename=drcov.trace", "mix", 0, r""),
    ]
    for version, name, arguments, guest, status, pattern in cases:
        for tier, flags in TIERS.items():
            plugin = plugins[version][name] + ("," + arguments if arguments else "")
            got, text = run([setup.options.ketch, "run", *flags, "-plugin", plugin, setup.guest(guest)],
                            setup.folder)
            ok = got == status and re.search(pattern, text, re.M)
            yield f"{name} of {version} on {guest}, {tier}", None if ok else \
                f"{suite.status_text(got)}: {text[-300:]}"


# Plugins that must be refused or blamed: flags of bad.c, and what is said.
BAD = [
    ("-DVERSION=1 -DMISSING", r"undefined symbol: qemu_plugin_does_not_exist"),
    ("-DVERSION=0", r"version 0 .* versions 1 to 5"),
    ("-DVERSION=6", r"version 6 .* versions 1 to 5"),
    ("-DNO_VERSION", r"does not export qemu_plugin_version"),
    ("-DVERSION=4 -DNO_INSTALL", r"does not export qemu_plugin_install"),
    ("-DVERSION=4 -DSTATUS=3", r"qemu_plugin_install\(\) returned 3"),
    ("-DVERSION=2 -DIN_INSTALL=CRASH", r"crashed in qemu_plugin_install\(\): signal 11"),
    ("-DVERSION=2 -DIN_BLOCK=CRASH", r"crashed in its vcpu_tb_trans callback: signal 11"),
    ("-DVERSION=2 -DIN_EXEC=CRASH", r"crashed in a callback of translated code: signal 11"),
    ("-DVERSION=2 -DIN_EXEC=abort()", r"called abort\(\) in a callback of translated code"),
    ("-DVERSION=2 -DIN_UNINSTALLED=CRASH", r"crashed in its callback of .* qemu_plugin_uninstall\(\): signal 11"),
    ("-DVERSION=2 -DIN_CONSTRUCTOR=HANG", r"did not return within 10 seconds"),
]


def bad(setup):
    for n, (flags, pattern) in enumerate(BAD):
        plugin = setup.compile(f"bad{n}.so", os.path.join(HERE, "bad.c"), *flags.split())
        status, text = run([setup.options.ketch, "run", "-plugin", plugin, setup.guest("mix")],
                           setup.folder, log=False)
        ok = status == 1 and plugin in text and re.search(pattern, text)
        yield f"bad plugin {flags}", None if ok else f"{suite.status_text(status)}: {text[-300:]}"
    for command, pattern in ((["-plugin", "./none.so"], r"none\.so: No such file"),
                             (["-plugin", "{guest}"], r"plugin .*mix: it was built for another machine"),
                             (["-plugin", "{folder}"], r"Is a directory"),
                             (["-plugin", "{here}/bad.c"], r"bad\.c: .*(invalid ELF header|file too short)"),
                             (["-plugin", "file="], r"needs a file"),
                             (["--check", "-plugin", "{good}"], r"--check")):
        good = setup.compile("good.so", os.path.join(HERE, "bad.c"), "-DVERSION=4")
        command = [c.format(good=good, guest=setup.guest("mix"), folder=setup.folder, here=HERE) for c in command]
        status, text = run([setup.options.ketch, "run", *command, setup.guest("mix")], setup.folder,
                           log=False)
        ok = status == 1 and re.search(pattern, text)
        yield f"bad option {command}", None if ok else f"{suite.status_text(status)}: {text[-300:]}"


# What checks.c prints with an argument.
CHECKS = {
    "info": r"^target riscv64 min 1 cur 5 system 0 args 2 info=on x=1,2\n$",
    "writes": r"^wrote 8 8\n$",
    "gone": r"^leaves\nreset\nuninstalled\n$",
    "registers": r"^seen 5\nwrote 8\nread back 42\npc 0\nno registers -1\n$",
    "memory": r"^read 1 seven\nwrote 1\nbad 0 0\nphysical 1 1 0\n$",
    "values": r"^(?:load 8 64: 1122334455667788\n)?store 8 64: 1122334455667788\nload 1 8s: fe\nload 2 16: fdfe\n"
              r"load 4 32: 5\nstore 4 32: c\nload 8 64: 405edd2f1a9fbe77\n$",
    "program": r"^targets 1 1 1\nsymbol target\n$",
    "life": r"^init 0\nvcpus 1\nexit 0\n$",
    "fork": r"^exit 1\nexit 0\n$|^exit 0\nexit 1\n$",
}


def checks(setup):
    plugin = setup.compile("checks.so", os.path.join(HERE, "checks.c"), "-I", suite.TOP)
    for name, pattern in CHECKS.items():
        for tier, flags in TIERS.items():
            status, text = run([setup.options.ketch, "run", *flags, "-plugin", f"{plugin},{name},x=1,,2",
                                setup.guest("targets"), name], setup.folder)
            ok = status == 0 and re.search(pattern, text)
            yield f"checks {name}, {tier}", None if ok else f"{suite.status_text(status)}: {text[-500:]}"


# third/*.c: plugins as others might write them.  Each: what is loaded, the guests, all that they say.
SAMPLED = r"sampling: (?P<insns>[1-9]\d*) instructions, [1-9]\d* accesses\n"
THIRD = [
    (["sampling"], ("mix", "faults", "threads"), SAMPLED),
    (["sampling,symbol=fib"], ("mix",), SAMPLED),
    (["looking"], ("mix", "faults", "threads"), r"looking: 0 wrong\n"),
    (["pairing"], ("mix",), r"pairing: 0 wrong, 1 begun, 22 calls, waits 0\n"),
    (["pairing,number=64"], ("mix",), r"pairing: 0 wrong, 1 begun, 20 calls, waits 0\n"),
    (["pairing"], ("threads",), r"pairing: 0 wrong, 5 begun, \d+ calls, waits 0\n"),
    (["leaving,after=5000", "sampling", "looking"], ("mix", "threads"),
     rf"leaving: uninstalled, 0 late\n{SAMPLED}looking: 0 wrong\n"),
    (["sampling", "leaving,after=20000,again=on"], ("mix", "threads"),
     rf"leaving: reset, 0 late\nleaving: uninstalled, 0 late\n{SAMPLED}"),
    (["threading"], ("mix", "signals"), r"threading: 0 wrong of some\n"),
    (["leaving,after=1000000000", "leaving"], ("mix",), r"leaving: has not left, 0 late\n"),
    *((["sampling", f"leaving,{how}"], ("threads",), rf"leaving: uninstalled, 0 late\n{SAMPLED}")
      for how in ("from=access,after=1000", "from=syscall,after=2", "from=return,after=2", "from=init,after=3")),
    (["sampling", "leaving,from=block,after=3,again=on"], ("mix",),
     rf"leaving: reset, 0 late\nleaving: uninstalled, 0 late\n{SAMPLED}"),
]


def compile_third(setup):
    return {name: setup.compile(f"third-{name}.so", os.path.join(HERE, "third", name + ".c"), "-O2", "-I",
                                os.path.join(suite.TOP, "plugins"))
            for name in ("sampling", "looking", "pairing", "leaving", "threading")}


def with_plugins(specs, paths):
    """The options that load them."""
    named = [spec.partition(",") for spec in specs]
    return [word for name, comma, rest in named for word in ("-plugin", paths[name] + comma + rest)]


def third(setup):
    paths = compile_third(setup)
    for specs, guests, pattern in THIRD:
        for guest in guests:
            seen = {}
            for tier, flags in TIERS.items():
                status, text = run([setup.options.ketch, "run", *flags, *with_plugins(specs, paths),
                                    setup.guest(guest)], setup.folder)
                match = re.fullmatch(pattern, text)
                ok = status == 0 and match
                if ok and guest != "threads" and "insns" in match.groupdict():
                    ok = seen.setdefault("insns", match["insns"]) == match["insns"]
                yield f"{' and '.join(specs)} on {guest}, {tier}", None if ok else \
                    f"{suite.status_text(status)}: {text[-500:]} {seen}"
    for specs, why in ((["sampling,sym=fib"], "unknown option sym=fib"), (["leaving,again=perhaps"], "")):
        status, text = run([setup.options.ketch, "run", *with_plugins(specs, paths), setup.guest("mix")],
                           setup.folder)
        ok = status == 1 and why in text and re.search(r"third-\w+\.so: qemu_plugin_install\(\) returned -1", text)
        yield f"{specs[0]} is refused", None if ok else f"{suite.status_text(status)}: {text[-300:]}"


def main():
    parser = suite.parser(__doc__)
    parser.add_argument("--qemu10", help="a qemu-riscv64 10.0 that was built with plugins")
    options = parser.parse_args()
    options.ketch = os.path.realpath(options.ketch)
    if not all(shutil.which(c) for c in (GUEST_CC[0], "gcc", "pkg-config")):
        print("SKIPPED the cross compiler, gcc or pkg-config is not here")
        return suite.Report(1).close()
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(folder, options)
        for guest in ("mix", "faults", "threads", "targets"):
            setup.guest(guest)  # before jobs that want the same one at once
        cases = [lambda: list(bad(setup)), lambda: list(checks(setup)), lambda: list(third(setup))]
        try:
            plugins = {v: setup.qemu_plugins(v, r) for v, r in (("7.2", "bookworm"), ("10.0", "trixie"))}
        except debian.DebianError as e:
            cases.append(lambda: [("QEMU's plugins", f"skip: {e}")])
        else:
            cases.append(lambda: list(others(setup, plugins)))
            if is_7_2(setup.qemu["7.2"]):
                cases += [lambda c=(p, g): compare(setup, plugins, c)
                          for p in PLUGINS for g in ("mix", "faults")]
            else:
                cases.append(lambda: [("totals of QEMU 7.2", "skip: qemu-riscv64 is not 7.2")])
        return suite.run_all(cases, lambda job: job(), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
