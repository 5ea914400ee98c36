#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""QEMU's own tests of its translator, tests/tcg, under Ketch: the programs of multiarch and riscv64 in user
mode, those that need no operating system, and the scripts that gdb runs on both.

The sources are those of Debian's package of QEMU 10.0, which tools/debian.py fetches into the cache; the
compiled programs are kept there, too.  A test passes when it says so by its exit status; floating point
is compared with qemu-riscv64.  known_differences.txt names what is left out.  --plugins runs every program
with every plugin of QEMU's tests as well."""

import hashlib
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

COMPILER = "riscv64-linux-gnu-gcc"
GDB = "gdb-multiarch"
SECONDS = suite.PATIENCE
TIERS = {"jit": [], "regions": ["--tier-threshold=1"], "interp": ["--tier=interp"]}

USER_FLAGS = ["-Wno-stringop-overread", "-O0", "-g", "-fno-strict-aliasing", "-static", "-pthread"]
BARE_FLAGS = ["-O1", "-g", "-nostdlib", "-static", "-march=rv64gc_zicsr", "-mcmodel=medany", "-ffreestanding",
              "-fno-stack-protector", "-DCHECK_UNALIGNED=1", "-Wl,-Ttext=0x80000000,--build-id=none"]
# Of the Makefiles: what else a program is built with, and what it is run with.
FLAGS = {"test-noc": ["-nostdlib", "-Wa,--noexecstack"], "test-fcvtmod": ["-march=rv64imafdc"]}
OPTIONS = {"test-noc": ["-cpu", "rv64,c=false"], "test-fcvtmod": ["-cpu", "rv64,d=true,zfa=true"],
           "test-aes": ["-cpu", "rv64,zk=on"]}
BARE = ("hello", "memory", "interrupt")
MACHINE = ["-M", "virt", "-display", "none", "-monitor", "none", "-serial", "null"]

# gdb's scripts: on what program, its arguments, its environment, whether it waits for gdb.
USER_SCRIPTS = {
    "sha1": ("sha1", [], {}, True),
    "test-qxfer-auxv-read": ("sha1", [], {}, True),
    "test-proc-mappings": ("sha1", [], {}, True),
    "test-qxfer-siginfo-read": ("segfault", ["-s"], {}, True),
    "test-thread-breakpoint": ("testthread", [], {}, True),
    "registers": ("sha512", [], {}, True),
    "prot-none": ("prot-none", [], {"PROT_NONE_PY": "1"}, True),
    "catch-syscalls": ("catch-syscalls", [], {}, True),
    "follow-fork-mode-child": ("follow-fork-mode", [], {}, True),
    "follow-fork-mode-parent": ("follow-fork-mode", [], {}, True),
    "late-attach": ("late-attach", [], {"LATE_ATTACH_PY": "1"}, False),
}
MACHINE_SCRIPTS = {"memory": ("memory", []), "interrupt": ("interrupt", ["-smp", "2"]), "registers": ("memory", [])}


def known_differences():
    with open(os.path.join(HERE, "known_differences.txt"), encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f]
    return dict(re.match(r"([\w-]+): (.+)", line).groups() for line in lines if line and line[0] != "#")


class Setup:
    """Sources, and programs that are compiled when they are first asked for."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.top = debian.source("trixie", "qemu", debian.QEMU_SOURCES)
        self.tests = os.path.join(self.top, "tests/tcg")
        self.cache = debian.cache_folder("qemu-tests")
        self.alone = os.path.join(folder, "ketch-riscv64")  # one program's command line, for execve()
        os.symlink(os.path.realpath(options.ketch), self.alone)
        self.sources = {}
        for part in ("multiarch/arm-compat-semi", "multiarch/linux", "multiarch", "riscv64"):
            for name in sorted(os.listdir(os.path.join(self.tests, part))):
                if name.endswith((".c", ".S")) and name != "issue1060.S":
                    self.sources[name[:-2]] = os.path.join(self.tests, part, name)

    def compile(self, name, command, sources):
        """The path of what `command` makes of the sources with -o PATH."""
        digest = hashlib.sha256(" ".join(command).encode())
        for path in sources:
            with open(path, "rb") as f:
                digest.update(f.read())
        target = os.path.join(self.cache, f"{name}-{digest.hexdigest()[:12]}")
        if not os.path.exists(target):
            part = f"{target}.{os.getpid()}"
            subprocess.run([*command, "-o", part, *sources, "-lm"], check=True, stderr=subprocess.PIPE)
            os.rename(part, target)
        return target

    def user(self, name):
        command = [COMPILER, *USER_FLAGS, *FLAGS.get(name, []), "-I", os.path.join(self.tests, "riscv64")]
        sources = [self.sources[name]]
        if name.startswith("float_"):
            sources += [os.path.join(self.tests, "multiarch/libs/float_helpers.c")]
        return self.compile(name, command, sources)

    def bare(self, name):
        sources = [os.path.join(HERE, "boot.S"), os.path.join(self.tests, "multiarch/system", name + ".c"),
                   os.path.join(self.tests, "minilib/printf.c")]
        return self.compile("bare-" + name, [COMPILER, *BARE_FLAGS, "-I", os.path.join(self.tests, "minilib")],
                            sources)

    def issue1060(self):
        source = os.path.join(self.tests, "riscv64/issue1060.S")
        script = os.path.join(self.tests, "riscv64/semihost.ld")
        return self.compile("issue1060", [COMPILER, "-nostdlib", "-static", "-Wl,--build-id=none,-T," + script], [source])

    def plugin(self, name):
        glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, text=True,
                              capture_output=True).stdout.split()
        command = ["gcc", "-O1", "-w", "-fPIC", "-shared", "-I", os.path.join(self.top, "include/qemu"), *glib]
        return self.compile(name + ".so", command, [os.path.join(self.tests, "plugins", name + ".c")])

    def run(self, command):
        """In a folder of its own: some make files with fixed names."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            return suite.run(command, SECONDS, cwd=folder, env={**os.environ, "QEMU": self.alone})

    def ketch(self, tier, *args):
        return [self.options.ketch, "run", *TIERS[tier], *args]

    def machine(self, tier, *args):
        return [self.options.ketch, "vm", "--non-security", *TIERS[tier], *MACHINE, *args]


def ended(result, status=0):
    if result.status == status:
        return None
    said = (result.output + result.errors).decode(errors="replace")[-400:]
    return f"{suite.status_text(result.status)}: {said!r}"


# ---- The programs ----

def program(setup, name, tiers):
    path = setup.user(name)
    want = setup.run(["qemu-riscv64", path]).output if name.startswith("float_") else None
    for tier in tiers:
        result = setup.run(setup.ketch(tier, *OPTIONS.get(name, []), path))
        why = ended(result)
        if not why and want is not None and result.output != want:
            why = "its output is not what qemu-riscv64 gives"
        yield f"{name}, {tier}", why


def accesses(setup):
    """The program prints the patterns that must be in the log of the plugin."""
    path, log = setup.user("test-plugin-mem-access"), os.path.join(setup.folder, "accesses")
    plugin = setup.plugin("mem") + ",print-accesses=true"
    result = setup.run(setup.ketch("jit", "-plugin", plugin, "-d", "plugin", "-D", log, path))
    why = ended(result)
    if not why:
        with open(log, encoding="utf-8") as f:
            text = f.read()
        missing = [p for p in result.output.decode().split("\n") if not re.search(p, text)]
        why = f"not in the log: {missing}" if missing else None
    yield "test-plugin-mem-access with mem", why


def with_plugin(setup, name, plugin):
    if name == "test-plugin-mem-access" and plugin == "mem":
        return
    spec = setup.plugin(plugin) + (",inline=true" if plugin == "mem" else "")
    yield f"{name} with {plugin}", ended(setup.run(
        setup.ketch("jit", "-plugin", spec, "-d", "plugin", "-D", "/dev/null", setup.user(name))))


# ---- Machines ----

def bare(setup, name, tiers):
    """Its output goes through the semihosting console; memory's writes are counted by a plugin."""
    output, log = os.path.join(setup.folder, name + ".out"), os.path.join(setup.folder, name + ".log")
    options = ["-bios", "none", "-chardev", f"file,path={output},id=output", "-semihosting-config",
               "enable=on,target=native,chardev=output", "-kernel", setup.bare(name)]
    for tier in tiers:
        counted = name == "memory" and tier == "jit"
        plugin = ["-plugin", setup.plugin("mem") + ",region-summary=true", "-d", "plugin", "-D", log]
        result = setup.run(setup.machine(tier, *(plugin if counted else []), *options))
        why = ended(result)
        if counted and not why:
            script = os.path.join(setup.tests, "multiarch/system/validate-memory-counts.py")
            why = ended(setup.run([sys.executable, script, output, log]))
        yield f"{name} on a machine, {tier}", why


def issue1060(setup, tiers):
    for tier in tiers:
        yield f"issue1060, {tier}", ended(setup.run(setup.machine(
            tier, "-semihosting", "-device", f"loader,file={setup.issue1060()}")))


# ---- gdb ----

def debugged(setup, name, script, binary, command, env):
    """`command` with a socket for gdb: gdb's verdict, and nothing is left."""
    with tempfile.TemporaryDirectory(dir=setup.folder) as folder:
        path = os.path.join(folder, "gdb")
        with open(os.path.join(folder, "output"), "w+b") as output:
            child = subprocess.Popen(command(path), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                     cwd=folder, env={**os.environ, **env})
            suite.wait_for(lambda: suite.listens(path) or child.poll() is not None, "nobody listens")
            result = suite.run([GDB, binary, "-q", "-n", "-batch", "-iex", "set remotetimeout 60", "-ex",
                                "set pagination off", "-ex", "set confirm off", "-ex", f"target remote {path}", "-x",
                                os.path.join(setup.tests, "multiarch/gdbstub", script + ".py")], SECONDS,
                               cwd=folder, env={**os.environ, "PYTHONPATH":
                                                os.path.join(setup.top, "tests/guest-debug")})
            why = ended(result)
            if not why and b"All tests complete: 0 failures" not in result.output:
                why = f"gdb said {result.output[-300:]!r}"
            try:
                child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                why = why or "the guest is still there"
    yield name, why


def user_script(setup, script):
    name, arguments, env, waits = USER_SCRIPTS[script]
    binary = setup.user(name)

    def command(path):
        return setup.ketch("jit", "-g", path + ("" if waits else ",suspend=n"), binary, *arguments)
    return debugged(setup, f"gdb: {script}", script, binary, command, env)


def machine_script(setup, script):
    name, options = MACHINE_SCRIPTS[script]
    binary = setup.bare(name)

    def command(path):
        return setup.machine("jit", "-bios", "none", *options, "-semihosting", "-kernel", binary, "-S", "-gdb",
                             f"unix:path={path},server=on")
    return debugged(setup, f"gdb on a machine: {script}", script, binary, command, {})


# ---- All ----

def cases_of(setup, options):
    """(name, function that yields verdicts)."""
    left_out = known_differences()
    tiers = [t for t in TIERS if t in options.tier.split(",")]
    programs = [n for n in setup.sources if n not in left_out]
    cases = [(n, lambda n=n: program(setup, n, tiers)) for n in programs]
    cases += [(n, lambda n=n: iter([(n, "skip: " + left_out[n])])) for n in left_out]
    cases += [(n, lambda n=n: bare(setup, n, tiers)) for n in BARE if n != "interrupt"]
    cases += [("issue1060", lambda: issue1060(setup, tiers)), ("accesses", lambda: accesses(setup))]
    if shutil.which(GDB):
        cases += [("gdb " + s, lambda s=s: user_script(setup, s)) for s in USER_SCRIPTS]
        cases += [("gdb machine " + s, lambda s=s: machine_script(setup, s)) for s in MACHINE_SCRIPTS]
    else:
        cases.append(("gdb", lambda: iter([("gdb's scripts", f"skip: {GDB} is not here")])))
    if options.plugins:
        multiarch = [n for n in programs if "/multiarch" in setup.sources[n] and "semi" not in n]
        cases += [(f"{n} with {p}", lambda n=n, p=p: with_plugin(setup, n, p)) for n in multiarch
                  for p in ("bb", "empty", "inline", "insn", "mem", "reset", "syscall")]
    return cases


def main():
    parser = suite.parser(__doc__)
    parser.set_defaults(tier="jit,regions,interp")
    parser.add_argument("--plugins", action="store_true", help="every program with every plugin of the tests")
    options = parser.parse_args()
    for tool in (COMPILER, "qemu-riscv64"):
        if not shutil.which(tool):
            return suite.skip_all(1, f"no {tool}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            setup = Setup(folder, options)
        except debian.DebianError as e:
            return suite.skip_all(1, str(e))
        cases = suite.choose(cases_of(setup, options), options, lambda c: c[0])
        return suite.run_all(cases, lambda c: list(c[1]()), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
