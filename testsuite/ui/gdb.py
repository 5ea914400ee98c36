#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gdb debugs real programs under Ketch: gdb-multiarch, scripted, on programs built here and on one of
Debian's; and a few requests that no gdb of today makes for this guest."""

import glob
import os
import random
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402
import rsp  # noqa: E402
import debian  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
COMPILER = "riscv64-linux-gnu-gcc"
SYSROOT = "/usr/riscv64-linux-gnu"
GDB = "gdb-multiarch"
TIMEOUT = suite.PATIENCE
PACKAGES = ["lua5.4"]
LARGE = 1 << 30  # a limit for core files


class Case:
    """Lines for gdb after `target remote`, what its output and the program's contain, in order, and
    the program's exit status (None: whatever it is)."""

    def __init__(self, name, program, script, wanted, status=None, args=(), suspend=True):
        self.name, self.program, self.script, self.wanted = name, program, script, wanted
        self.status, self.args, self.suspend = status, args, suspend


PASS = "handle SIGUSR1 nostop noprint pass"
COME_BACK = "another gdb, as soon as the program waits"

CASES = [
    Case("breakpoint and backtrace", "threads",
         [PASS, "break add", "continue", "backtrace", "finish", "continue", "kill"],
         [r"signal 10", r"Breakpoint 1, add \(a=21, b=21\)", r"#1 .* twice \(x=21\)", r"#2 .* main",
          r"Value returned is \$1 = 42", r"twice 42", r"Breakpoint 1, add \(a=2, b=3\)"]),
    Case("conditional breakpoint", "threads",
         [PASS, "break add if a == 2", "continue", "print b", "kill"],
         [r"twice 42", r"Breakpoint 1, add \(a=2, b=3\)", r"\$1 = 3"]),
    Case("registers can be changed", "threads",
         [PASS, "break add", "continue", "set var $a0 = 58", "delete", "break half", "continue",
          "print $fa0", "set var $fa0 = 9.0", "print $frm", "print $fcsr", "delete", "continue"],
         [r"twice 79", r"double = 5", r"half 4.5", r"exited with code 05"], 5),
    Case("stepping", "threads",
         [PASS, "break twice", "continue", "next", "next", "print sum", "stepi", "x/i $pc",
          "delete", "tbreak half", "continue", "step", "step", "continue"],
         [r"Breakpoint 1, twice", r"\$1 = 42", r"=> 0x", r"half \(x=5\)", r"main \(", r"exited with code 05"],
         5),
    Case("step into", "threads", [PASS, "break twice", "continue", "step", "step", "up", "kill"],
         [r"add \(a=21, b=21\)", r"#1 .* twice \(x=21\)"]),
    Case("watchpoint on the heap", "threads",
         [PASS, "tbreak run_threads", "continue", "watch *word", "continue", "backtrace 1",
          "info threads", "delete", "continue"],
         [r"Hardware watchpoint 2", r"Old value = 7\s+New value = 42", r"#0 .* work \(opaque=0x2\)",
          r"\* \d.* work", r"word 42 count 6000", r"exited with code 05"], 5),
    Case("watchpoint on reads", "threads",
         [PASS, "tbreak run_threads", "continue", "rwatch word[0]", "continue", "delete", "continue"],
         [r"Hardware read watchpoint 2", r"Value = (7|42)", r"word 42 count 6000"], 5),
    Case("through a signal handler", "threads",
         [PASS, "break handler", "continue", "backtrace", "up 2", "delete", "continue"],
         [r"handler \(sig=10\)", r"#1  <signal handler called>", r"#\d+ .* raise", r"#\d+ .* main",
          r"signal 10", r"exited with code 05"], 5),
    Case("signals stop", "threads",
         ["continue", "print $_siginfo.si_signo", "signal 0"],
         [r"received signal SIGUSR1", r"\$1 = 10", r"twice 42"], 5),
    Case("another signal", "threads", ["continue", "signal SIGTERM"],
         [r"received signal SIGUSR1", r"terminated with signal SIGTERM"], -15),
    Case("a signal at a breakpoint", "threads",
         [PASS, "break twice", "continue", "delete", "signal SIGUSR1"],
         [r"Breakpoint 1, twice", r"signal 10\n(.*\n)*signal 10", r"exited with code 05"], 5),
    Case("a signal for another thread", "threads",
         [PASS, "break work", "continue", "delete", "thread 1", "signal SIGTERM"],
         [r"Breakpoint 1, work", r"terminated with signal SIGTERM"], -15),
    Case("siginfo can be written", "threads",
         [PASS, "continue", "print $_siginfo._sifields._rt.si_sigval.sival_int",
          "set var $_siginfo._sifields._rt.si_sigval.sival_int = 77", "continue"],
         [r"received signal SIGUSR2", r"\$1 = 3", r"signal 12 code -1 value 77", r"exited with code 05"], 5,
         ("queue",)),
    Case("threads", "threads",
         [PASS, "break work", "continue", "continue", "continue", "info threads", "thread apply all print 6 * 7",
          "set var $hit = $_thread", "set scheduler-locking on", "thread 1", "print add(20, 22)", "thread $hit", "next", "next",
          "print id", "set scheduler-locking off", "delete", "continue"],
         [r"hit Breakpoint 1, work \(opaque=0x", r"\* \d .*work", r"Thread 1 .*\n\$\d+ = 42",
          r"= 42", r"\$\d+ = [123]\b", r"word 42 count 6000", r"exited with code 05"], 5),
    Case("thread-local variables", "threads",
         ["print mine", PASS, "break work", "continue", "set var $hit = $_thread", "print mine", "set var mine = 42",
          "print mine", "thread 1", "print mine", "print (int)errno", "set var mine = 43", "thread $hit", "print mine",
          "kill"],
         [r"failed to process qGetTLSAddr|Cannot find thread-local", r"Breakpoint 1, work", r"\$1 = 7", r"\$2 = 42",
          r"\$3 = 7", r"\$4 = \d+", r"\$5 = 42"]),
    Case("memory", "threads",
         [PASS, "break twice", "continue", "set var *word = 1234567", "print *word",
          "set var *(char *)$pc = *(char *)$pc", "x/4xb $sp", "print *(int *)0", "find $sp, +64, (char)0", "kill"],
         [r"= 1234567", r"Cannot access memory at address 0x0"]),
    Case("the process", "threads",
         ["info auxv", "info proc exe", "info proc mappings", "generate-core-file core",
          "shell test $(stat -c %s core) -lt 50000000 && echo of the guest alone", "monitor help", "monitor maps",
          "monitor nothing", "kill"],
         [r"AT_ENTRY", r"exe = '/.*/threads'", r"/threads\n", r"Saved corefile", r"of the guest alone", r"maps +the guest's memory", r"\[stack\]", r"unknown command"]),
    Case("follow the parent", "forks",
         ["break child_work", "break parent_work", "continue", "backtrace 1", "delete", "catch exec", "continue",
          "tbreak main", "continue", "backtrace", "continue"],
         [r"child 42", r"child's status 42", r"now spawned", r"spawned status 9", r"parent_work \(x=5\)",
          r"parent 15", r"executing new program", r"main \(argc=2", r"now execed",
          r"exited with code 011"], 9),
    Case("follow the child", "forks",
         ["set follow-fork-mode child", "break child_work", "break parent_work", "continue", "backtrace 1",
          "continue"],
         [r"child_work \(x=21\)", r"child 42", r"exited with code 052", r"parent 15", r"now execed"], 9),
    Case("follow a child of posix_spawn", "forks",
         ["break parent_work", "catch fork", "continue", "continue", "set follow-fork-mode child", "catch exec",
          "delete 1", "continue", "break main", "continue", "print argv[1]", "continue"],
         [r"forked process \d+\), .*_Fork", r"forked process \d+\), ", r"process \d+ is executing new program",
          r"Breakpoint 4.*, main", r"\"spawned\"", r"now spawned", r"exited with code 011", r"parent 15"], 9),
    Case("a child that gdb keeps", "forks",
         ["set detach-on-fork off", "break child_work", "break parent_work", "continue", "detach inferiors 2", "set detach-on-fork on",
          "continue", "backtrace 1", "delete", "continue"],
         [r"E\.only one process of a fork can be debugged", r"Inferior 2 .* detached", r"parent_work \(x=5\)",
          r"child's status 42", r"now execed", r"exited with code 011"], 9),
    Case("siginfo of stops", "threads",
         [PASS, "tbreak main", "continue", "print $_siginfo.si_signo", "print add(20, 22)", "print $_siginfo.si_signo * 100 + $_siginfo.si_code",
          "tbreak work", "continue", "thread 1", "print $_siginfo.si_signo", "kill"],
         [r"main", r"\$1 = 5", r"\$2 = 42", r"\$3 = 501", r"Temporary breakpoint 2.*work", r"\$4 = 19"]),
    Case("detach and come back", "threads",
         [PASS, "tbreak main", "continue", "detach", COME_BACK, PASS, "backtrace 1", "print spins > 0",
          "set var go_on = 1", "delete", "continue"],
         [r"main", r"Inferior 1 .* detached", r"main \(", r"\$1 = 1", r"signal 10",
          r"word 42", r"exited with code 05"], 5, ("spin",)),
    Case("come later", "threads",
         [PASS, "info threads", "print spins > 0", "set var go_on = 1", "continue"],
         [r"\* 1 .* main", r"\$1 = 1", r"word 42", r"exited with code 05"], 5, ("spin",), False),
    Case("in a system call", "threads",
         [PASS, "backtrace", "print add(1, 2)", "break twice", "detach"],
         [r"#\d .*read", r"#\d+ .* main", r"\$1 = 3"], None, ("read",), False),
    Case("in sigwait, with every signal blocked", "threads",
         [PASS, "backtrace", "signal SIGUSR2"],
         [r"#\d .*sigwait", r"waited for 12", r"exited with code 05"], 5, ("sigwait",), False),
    Case("every register has gdb's name for it", "threads", ["maint print remote-registers", "kill"],
         [r"\n fp +8 .* 8 +64"]),
]


def find(text, wanted):
    """The first of `wanted` that does not come after the one before, or None."""
    at = 0
    for regex in wanted:
        found = re.compile(regex).search(text, at)
        if not found:
            return regex
        at = found.end()
    return None


class Guest:
    """Ketch with a program, waiting for its debugger, or running: in its loop or in its system call."""

    def __init__(self, options, tier, folder, command, suspend=True, extra=()):
        self.address = os.path.join(tempfile.mkdtemp(dir=folder), "gdb")
        self.path = os.path.join(folder, "output")
        spec = f"unix:{self.address}" + ("" if suspend else ",suspend=n")
        with open(self.path, "wb") as output:
            self.child = subprocess.Popen(  # pylint: disable=consider-using-with
                [options.ketch, "run", f"--tier={tier}", "-g", spec, *extra, *command],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=folder)

    def __enter__(self):
        suite.wait_for(lambda: suite.listens(self.address) or self.child.poll() is not None, "nobody listens")
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()

    def said(self):
        with open(self.path, encoding="latin-1") as f:
            return f.read()

    def settle(self):
        """Waits for what it says before its loop or its system call, and then until it is there."""
        suite.wait_for(lambda: "waits" in self.said(), "it does not say that it waits")
        before = suite.processor_seconds(self.child.pid)
        suite.wait_for(lambda: self.sleeps() or suite.processor_seconds(self.child.pid) > before + 0.2,
                       "it does not run")

    def sleeps(self):
        """Whether its first thread waits in read(0, ...) or rt_sigtimedwait(), or, where that is a secret, at all."""
        try:
            with open(f"/proc/{self.child.pid}/syscall", encoding="ascii") as f:
                return f.read().startswith(("0 0x0 ", "128 "))
        except (FileNotFoundError, PermissionError):
            with open(f"/proc/{self.child.pid}/stat", encoding="ascii", errors="replace") as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "S"

    def end(self):
        """Exit status and output; what does not end by itself is killed."""
        try:
            self.child.stdin.close()
            status = self.child.wait(suite.PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            status = suite.TIMED_OUT
        return status, self.said()

    def wanted(self, status):
        """None, or how it ended instead."""
        got, output = self.end()
        return None if got == status else f"{suite.status_text(got)}, not {status}: {output}"


def build(name, folder, *flags):
    binary = os.path.join(folder, name)
    subprocess.run([COMPILER, "-g", "-O1", "-pthread", *flags, "-o", binary,
                    os.path.join(HERE, "gdb", name + ".c")], check=True)
    return binary


def gdb(folder, binary, script, sysroot=SYSROOT):
    """Its output, after the script."""
    path = os.path.join(folder, "script")
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(script) + "\n")
    result = suite.run([GDB, "-nx", "-batch", "-iex", "set pagination off", "-iex", "set confirm off",
                        "-iex", "set debuginfod enabled off", "-iex", f"set remotetimeout {suite.PATIENCE}",
                        "-iex", f"set sysroot {sysroot}",
                        "-iex", "set auto-load safe-path /", "-x", path, binary], TIMEOUT, cwd=folder)
    text = result.output.decode("latin-1") + result.errors.decode("latin-1")
    return re.sub(r"\b(\w+)=\1@entry=", r"\1=", text)


def relaxed(script):
    """A command that fails does not end the script."""
    return ["python\ndef do(line):\n  try:\n    gdb.execute(line)\n  except gdb.error as e:\n"
            "    print(str(e), flush=True)\nend"] + [f"python do({line!r})" for line in script]


def sessions(guest, folder, case):
    """What gdb prints that is started for each part of the script."""
    lines, text = list(case.script), ""
    while lines:
        end = lines.index(COME_BACK) if COME_BACK in lines else len(lines)
        script = [f"target remote {guest.address}", *lines[:end]]
        text += gdb(folder, os.path.join(folder, case.program), relaxed(script))
        lines = lines[end + 1:]
        if lines:
            guest.settle()
    return text


def run_case(case, options, tier, folder):
    with Guest(options, tier, folder, [build(case.program, folder), *case.args], case.suspend,
               ("-L", SYSROOT)) as guest:
        if not case.suspend:
            guest.settle()
        text = sessions(guest, folder, case)
        status, output = guest.end()
    missing = [w for w in case.wanted if not re.search(w, text) and not re.search(w, output)]
    if missing or (case.status is not None and status != case.status):
        return f"{suite.status_text(status)}, not found: {missing}\n{text}\n{output}"
    return None


# ---- Without gdb ----

def catch_syscalls(options, tier, folder):
    with Guest(options, tier, folder, [build("threads", folder)], True, ("-L", SYSROOT)) as guest:
        client = rsp.Client(guest.address)
        seen = [client.ask("?")[:3], client.ask("QPassSignals:1e"), client.ask("QCatchSyscalls:1;40")]
        entry = client.ask("vCont;c")
        seen += [entry[-17:], client.number(17), client.number(10), client.number(12)]
        seen += [client.ask("P0c=0100000000000000")]  # write one byte only
        back = client.ask("vCont;c")
        seen += [back[-18:], client.number(10), client.ask("QCatchSyscalls:0"), client.ask("vCont;c")]
        wanted = ["T05", "OK", "OK", "syscall_entry:40;", 64, 1, 10, "OK", "syscall_return:40;", 1, "OK", "W05"]
        if seen != wanted:
            return f"{wanted} wanted, {seen}; {guest.said()}"
        return guest.wanted(5) or (None if guest.said().startswith("s") else guest.said())


def interrupts(options, tier, folder):
    """Control-C in a loop and in a system call; the socket is its owner's; non-stop is refused."""
    for what in "spin", "read":
        with Guest(options, tier, folder, [os.path.join(folder, "threads"), what], True, ("-L", SYSROOT)) as guest:
            mode = stat.S_IMODE(os.stat(guest.address).st_mode)
            client = rsp.Client(guest.address)
            seen = [mode, client.ask("QNonStop:1")[:2], client.ask("vRun;00")[:2]]
            client.send("vCont;c")
            guest.settle()
            client.socket.sendall(b"\3")
            seen += [client.read()[:3], client.ask("D")]
            if seen != [0o600, "E.", "E.", "T02", "OK"]:
                return f"{what}: {seen}; {guest.said()}"
            if what == "read" and (why := guest.wanted(5)):
                return why
            if what == "read" and "read 0" not in guest.said():
                return guest.said()
    return None


def waiting_can_be_ended(options, tier, folder):
    """A program that waits for its debugger dies of a signal like any other."""
    with Guest(options, tier, folder, [os.path.join(folder, "threads")], True, ("-L", SYSROOT)) as guest:
        time.sleep(0.3)
        guest.child.send_signal(signal.SIGINT)
        return guest.wanted(-signal.SIGINT)


def sockets_of_children(options, tier, folder):
    """With %d in the path a child of fork listens, too."""
    address = os.path.join(folder, "at-%d")
    with subprocess.Popen([options.ketch, "run", f"--tier={tier}", "-L", SYSROOT, "-g",
                           f"unix:{address},suspend=n", build("forks", folder), "wait"], cwd=folder) as parent:
        own = address.replace("%d", str(parent.pid))

        def childs():
            return [p for p in glob.glob(address.replace("%d", "*")) if p != own and suite.listens(p)]

        try:
            path = suite.wait_for(childs, "no child listens")[0]
            text = gdb(folder, os.path.join(folder, "forks"),
                       relaxed([f"target remote {path}", "set var go_on = 1", "continue"]))
            status = parent.wait(suite.PATIENCE)
        finally:
            parent.kill()
    left = glob.glob(address.replace("%d", "*"))
    if "exited with code 04" not in text or status != 4 or left:
        return f"{suite.status_text(status)}, left over: {left}\n{text}"
    return None


def debian_program(options, tier, folder):
    root = debian.sysroot("riscv64", PACKAGES)
    program = os.path.join(root, "usr/bin/lua5.4")
    with Guest(options, tier, folder, [program, "-e", "io.write(6 * 7, '\\n')"], True, ("-L", root)) as guest:
        text = gdb(folder, program, relaxed([f"target remote {guest.address}", "set breakpoint pending on",
                                             "tbreak fwrite", "continue", "backtrace 2", "info sharedlibrary",
                                             "continue"]), "target:")
        status, output = guest.end()
    missing = find(text, [r"fwrite", r"#1 ", r"Yes .*/libc.so.6", r"exited normally"])
    if missing or status or "42" not in output:
        return f"{suite.status_text(status)}, not found: {missing}\n{text}\n{output}"
    return None


def addresses(binary):
    """Of its symbols; the program is not position-independent."""
    lines = subprocess.run(["riscv64-linux-gnu-nm", binary], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in map(str.split, lines.splitlines()) if len(words) == 3}


def move(client, symbols, rng):
    """Lets the program go on in one way or another, until it stops; the stop reply."""
    how = rng.randrange(5)
    if how == 0:
        client.send("vCont;c")
        time.sleep(rng.random() / 50)
        client.socket.sendall(b"\3")
        return client.read()
    if how == 1:
        return client.ask(f"vCont;s:{rng.choice(client.ask('qfThreadInfo')[1:].split(','))};c")
    point = [f"0,{symbols['usleep']:x},2", f"2,{symbols['total']:x},8", f"4,{symbols['total'] + 8:x},8"][how - 2]
    client.ask("Z" + point)
    reply = client.ask("vCont;c")
    client.ask("z" + point)
    return reply


def storm(options, tier, folder):
    """Random stops, steps, points, detaches and lost connections, in a program with much going on."""
    binary = build("storm", folder, "-static")
    symbols, rng, end = addresses(binary), random.Random(1), time.monotonic() + 4
    with Guest(options, tier, folder, [binary], False) as guest:
        while time.monotonic() < end:
            if guest.child.poll() is not None:
                return f"ended by itself: {guest.wanted(6)}"
            client = rsp.Client(guest.address)
            client.ask("qSupported:multiprocess+;fork-events+" if rng.random() < 0.5 else "qSupported:")
            client.ask(f"QPassSignals:{rng.choice(['e;14', ''])}")
            for _ in range(rng.randrange(1, 12)):
                reply = move(client, symbols, rng)
                if reply[0] != "T":
                    return f"stop reply {reply}; {guest.said()}"
                child = re.search(r";fork:p([0-9a-f]+)", reply)
                if child:
                    client.ask(f"D;{child[1]}")
            if rng.random() < 0.3:
                client.socket.close()
            else:
                client.ask("D")
        client = rsp.Client(guest.address)
        client.ask(f"M{symbols['stop']:x},4:01000000")
        client.ask("D")
        return guest.wanted(6)


def crowd(options, tier, folder):
    """Threads that hit one breakpoint at the same time, and one that goes on alone."""
    binary = build("crowd", folder, "-static", "-march=rv64g")
    symbols = addresses(binary)
    with Guest(options, tier, folder, [binary]) as guest:
        client = rsp.Client(guest.address)
        client.want("OK", f"Z0,{symbols['ready']:x},4")
        client.stop("vCont;c")
        client.want("OK", f"z0,{symbols['ready']:x},4")
        client.want("OK", f"M{symbols['go']:x},4:01000000")
        blocks = {client.ask(f"qGetTLSAddr:{thread},0,0") for thread in client.threads()}
        rsp.check(len(blocks) == 4 and not any("E" in b for b in blocks), f"thread-local variables at {blocks}")
        rsp.crowd(client, symbols["spot"], 60)
        rsp.crowd_after(client, symbols["spot"])
        client.want("OK", f"Z0,{symbols['spot']:x},4")
        client.stop("vCont;c")
        client.want("OK", "D")
        client = rsp.Client(guest.address)
        rsp.crowd_after(client, symbols["spot"])
        client.send("k")
        return guest.wanted(-signal.SIGKILL)


def steps(options, tier, folder):
    binary = build("crowd", folder, "-static")
    symbols = addresses(binary)
    with Guest(options, tier, folder, [binary]) as guest:
        client = rsp.Client(guest.address)
        rsp.steps(client, symbols["ready"] & -4, symbols["go"])
        client.send("k")
        return guest.wanted(-signal.SIGKILL)


def breaks_and_steps(client, at):
    """Stops at `at` again and again, goes on from there and steps."""
    for n in range(20):
        client.ask(f"Z0,{at:x},2")
        if client.ask("vCont;c")[:3] != "T05" or client.number(32) != at:
            raise ValueError("no stop at the breakpoint")
        client.ask(f"z0,{at:x},2")
        for _ in range(n):
            client.ask("vCont;s")


def plugins_count_once(options, tier, folder):
    """What has a breakpoint or is stepped is counted as it is without a debugger."""
    binary = os.path.join(folder, "counted")
    subprocess.run([COMPILER, "-O2", "-nostdlib", "-static", "-fno-stack-protector", "-o", binary,
                    os.path.join(HERE, "..", "plugins", "guest", "mix.c")], check=True)
    counts, said = [], []
    for debug in (False, True):
        with Guest(options, tier, folder, [binary], True, ("-d", "plugin", "-plugin", "mix")) as guest:
            client = rsp.Client(guest.address)
            if debug:
                breaks_and_steps(client, addresses(binary)["fib"])
            client.ask("vCont;c")
            said.append(guest.end())
            counts += re.findall(r"mix: (\d+) instructions", said[-1][1])
    return None if len(counts) == 2 and counts[0] == counts[1] else f"{said}"


def core_of(options, tier, folder, limit, args=()):
    """The core file (None: there is none) and the exit status, with RLIMIT_CORE at `limit`."""
    def set_limit():
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))

    command = [options.ketch, "run", f"--tier={tier}", "-L", SYSROOT, os.path.join(folder, "crash"), *args]
    made = subprocess.run(command, cwd=folder, preexec_fn=set_limit, capture_output=True,
                          timeout=TIMEOUT, check=False)
    cores = glob.glob(os.path.join(folder, "ketch_crash_*.core"))
    return cores[0] if cores else None, made.returncode


def core_file(options, tier, folder):
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if most != resource.RLIM_INFINITY and most < LARGE:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, LARGE))
        except ValueError:
            return "skip: this user may not have core files"
    binary = build("crash", folder)
    core, status = core_of(options, tier, folder, LARGE)
    if not core or status != -signal.SIGSEGV:
        return f"core file {core}, {suite.status_text(status)}"
    text = gdb(folder, binary, relaxed([f"core-file {core}", "backtrace", "print *record", "print shared",
                                        "info registers pc fa0", "print $_siginfo.si_signo", "info threads",
                                        "thread 2", "backtrace", "info auxv", "info proc mappings",
                                        "info sharedlibrary"]))
    os.remove(core)
    missing = find(text, [r"Program terminated with signal SIGSEGV", r"#0 .* follow \(pointer=0xbad000, scale=4\)",
                          r"#1 .* main", r"in the heap.*number = 4886718345", r"shared page",
                          r"pc +0x.*<follow\+", r"fa0 .*double = 1\b", r"= 11\b", r"3 +Thread", r"#1 .* sleeper \(\)",
                          r"AT_ENTRY", r"/crash\n", r"/libc.so.6"])
    if missing:
        return f"not found: {missing}\n{text}"
    core, status = core_of(options, tier, folder, LARGE, ["abort"])
    if not core or status != -signal.SIGABRT:
        return f"abort(): core file {core}, {suite.status_text(status)}"
    os.remove(core)
    core, status = core_of(options, tier, folder, 40000)
    size = os.stat(core).st_blocks * 512 if core else 0
    if not 4096 <= size <= 45056:
        return f"{size} bytes written under a limit of 40000"
    os.remove(core)
    core, status = core_of(options, tier, folder, 0)
    return f"a core file under a limit of 0: {core}" if core else None


EXTRA = [catch_syscalls, interrupts, waiting_can_be_ended, sockets_of_children, storm, crowd, steps, debian_program,
         core_file, plugins_count_once]


def name_of(case):
    return case.name if isinstance(case, Case) else case.__name__.replace("_", " ")


def main():
    options = suite.parser(__doc__).parse_args()
    tiers = options.tier.split(",")

    def job(pair):
        case, tier = pair
        name = f"{name_of(case)} ({tier})"
        with tempfile.TemporaryDirectory() as folder:
            if not isinstance(case, Case):
                build("threads", folder)
            try:
                why = run_case(case, options, tier, folder) if isinstance(case, Case) else \
                    case(options, tier, folder)
            except debian.DebianError as error:
                why = f"skip: {error}"
            except (OSError, ValueError, subprocess.SubprocessError) as error:  # a time-out is an OSError
                why = suite.explain(error)
        return [(name, why)]

    if not shutil.which(COMPILER) or not shutil.which(GDB):
        print(f"needs {GDB} and {COMPILER}")
        return suite.run_all([0], lambda _: [("gdb", f"skip: no {GDB} or no {COMPILER}")], 1)
    cases = suite.choose(CASES + EXTRA, options, name_of)
    return suite.run_all([(c, t) for c in cases for t in tiers], job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
