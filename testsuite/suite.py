# SPDX-License-Identifier: Apache-2.0
"""What the big drivers share: running a command with a time limit, jobs in parallel, shares of a
list of cases, progress, the closing line."""

import argparse
import collections
import concurrent.futures
import contextlib
import hashlib
import html
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools"))

TIMED_OUT = 1000  # no exit status
REASONS = 10      # to skip something that are shown, the most frequent ones
PATIENCE = 300    # seconds for what takes one: a machine may be slow, and busy with something else

# What ignores a signal (nohup, a job in the background) hands that on to all that it starts; a
# handler ends at exec.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

# What gdb, compilers and others say is looked at.
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LANGUAGE", None)

# Many tests end by a signal; who wants a core file says so.
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

# The name of a socket has 107 characters at most.
if len(tempfile.gettempdir()) > 60:
    tempfile.tempdir = "/tmp"


class Result:
    """Exit status (minus the signal number when killed, TIMED_OUT), standard output, errors."""

    def __init__(self, status, output, errors):
        self.status, self.output, self.errors = status, output, errors


def end_session(leader):
    """Kills all processes of a session, in whatever process group they are."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(pid)) == leader:
                os.kill(int(pid), signal.SIGKILL)


def run(command, timeout=PATIENCE, stdin=b"", cwd=None, env=None):
    """Runs it in a session of its own, which is killed after `timeout` seconds."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, cwd=cwd, env=env, start_new_session=True)
    try:
        output, errors = child.communicate(stdin, timeout)
        return Result(child.returncode, output, errors)
    except subprocess.TimeoutExpired:
        end_session(child.pid)
        try:
            output, errors = child.communicate(timeout=10)
        except subprocess.TimeoutExpired as late:  # one who has left the session has the pipes
            output, errors = late.stdout or b"", late.stderr or b""
        return Result(TIMED_OUT, output, errors)


def wait_for(what, why, seconds=PATIENCE):
    """Until what() is true, which is returned; TimeoutError(why) when that takes longer."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise TimeoutError(why)
        time.sleep(0.02)
    return found


def listens(path):
    """Whether somebody listens to the socket, whose file is there a moment before."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
        return re.search(rf" 00010000 \d+ \d+ +\d+ {re.escape(path)}$", f.read(), re.M)


def processor_seconds(pid):
    """What a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_text(status):
    if status == TIMED_OUT:
        return "timed out"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def built(target, command, inputs):
    """The file that `command -o FILE` makes of the inputs, and None; or None and the compiler's complaint.  It
    is kept, beside what was made of others for the same target."""
    key = hashlib.sha256("\0".join(command).encode())
    for path in sorted(inputs):
        with open(path, "rb") as f:
            key.update(f.read())
    path = f"{target}-{key.hexdigest()[:12]}"
    if not os.path.exists(path):
        new = f"{path}.{os.getpid()}"  # another run may do the same
        made = subprocess.run([*command, "-o", new], capture_output=True, text=True, check=False)
        if made.returncode:
            return None, made.stderr.strip().splitlines()[0]
        os.rename(new, path)
    return path, None


def parser(doc):
    """The options that every driver has."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ketch", default=os.path.join(TOP, "out/bin/ketch"),
                   help="the program under test (default out/bin/ketch)")
    p.add_argument("--tier", default="jit,interp", help="comma-separated (default jit,interp)")
    p.add_argument("--share", default="1/1", help="K/N: the K-th of N shares of the cases")
    p.add_argument("--match", help="only cases whose name contains this")
    p.add_argument("--jobs", type=int, default=2)
    return p


def choose(cases, options, name=str):
    """The cases that --match and --share leave."""
    k, n = (int(x) for x in options.share.split("/"))
    cases = [c for c in cases if not options.match or options.match in name(c)]
    return cases[k - 1::n]


def shell(command):
    return " ".join(shlex.quote(c) for c in command)


def skip_all(n, why):
    """The end of a driver none of whose `n` cases can run here; its exit status."""
    print(f"skipped, all: {why}\n0 passed, 0 failed, {n} skipped")
    return 0


def skip_unit_test(name, why):
    """The same for a test of Bazel's, which knows only passed and failed: its report says it."""
    print(f"skipped: {why}")
    if "XML_OUTPUT_FILE" in os.environ:
        with open(os.environ["XML_OUTPUT_FILE"], "w", encoding="utf-8") as f:
            f.write(f'<testsuites><testsuite name="{name}" tests="1"><testcase name="{name}" status="run">'
                    f"<skipped>{html.escape(why)}</skipped></testcase></testsuite></testsuites>")
    return 0


class Report:
    """Counts verdicts, prints failures at once and progress now and then, why cases were skipped at the end."""

    def __init__(self, total):
        self.total, self.passed, self.failed, self.skipped, self.done = total, 0, 0, 0, 0
        self.reasons = collections.Counter()  # of what was skipped
        self.printed = time.monotonic()

    def add(self, verdicts):
        """`verdicts` of one case: (what, None | "skip: why" | why it failed)."""
        self.done += 1
        for what, why in verdicts:
            if why is None:
                self.passed += 1
            elif why.startswith("skip: "):
                self.skipped += 1
                self.reasons[why[len("skip: "):]] += 1
            else:
                self.failed += 1
                print(f"FAILED {what}: {why}", flush=True)
        if time.monotonic() - self.printed > 15:
            self.printed = time.monotonic()
            print(f"  {self.done} of {self.total}, {self.failed} failed", flush=True)

    def close(self):
        for why, n in self.reasons.most_common(REASONS):
            print(f"skipped, {n}: {why}")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def explain(error):
    """What an exception says, where it was raised, and what a command said that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = ([f for f in frames if f.filename.startswith(TOP)] or frames)[-1]
    said = "".join(text if isinstance(text, str) else text.decode(errors="replace") for text in
                   (getattr(error, "stdout", None), getattr(error, "stderr", None)) if text)
    return (f"{type(error).__name__} at {os.path.basename(frame.filename)}:{frame.lineno}: {error}" +
            (f"\n{said[-2000:]}" if said else ""))


def run_all(cases, job, jobs):
    """job(case) -> verdicts, `jobs` at a time; prints and returns the exit status.  A job that raises an
    exception has failed."""
    report = Report(len(cases))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(job, c): c for c in cases}
        for future in concurrent.futures.as_completed(futures):
            error = future.exception()
            report.add([(str(futures[future]), explain(error))] if error else future.result())
    return report.close()
