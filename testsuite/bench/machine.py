# SPDX-License-Identifier: Apache-2.0
"""tools/bench --machine: the CPU-bound kernels inside a machine with one hart, on Ketch with each way to
look up guest memory and on qemu-system-riscv64, and beside them under `ketch run`.

A row's time is user+system time as the guest's kernel counts it; what the process of the machine took
of the host meanwhile is written too (`host`).  All machines are up from the beginning and take turns."""

import hashlib
import os
import shutil
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "machines"))

import guest  # noqa: E402
import launcher  # noqa: E402

FP = {"matmul", "nbody", "mandelbrot"}
# Those that spend their time in the kernel or need a second hart.
OTHERS = {"syscall", "pipe", "hello", "mutex-2", "atomic-2"}
REFERENCE = "ketch run"


class QemuMachine(guest.Machine):
    """The same with QEMU."""

    @staticmethod
    def program(_):
        return ["qemu-system-riscv64", "-M", "virt"]


def cpu_rows(rows):
    return [r for r in rows if not r.package and r.name not in OTHERS]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def host_seconds(pid):
    """Processor time of a process so far; of threads that have ended, none."""
    tasks = f"/proc/{pid}/task"
    return sum(int(read(f"{tasks}/{t}/schedstat").split()[0]) for t in os.listdir(tasks)) * 1e-9


class Inside:
    """A runner in a machine."""

    def __init__(self, name, machine):
        self.name, self.machine = name, machine

    def run(self, job):
        before = host_seconds(self.machine.process.pid)
        out = self.machine.run(f"/launch 3 {job.loop} /rows/{job.name} {' '.join(job.args)} 3>/tmp/report "
                               ">/tmp/output </dev/null; md5sum </tmp/output; cat /tmp/report")
        host = host_seconds(self.machine.process.pid) - before
        digest, cpu, status = out.split()[0], float(out.split()[2]), int(out.split()[4])
        return cpu / job.loop, host / job.loop, digest, status


class Outside:
    """`ketch run`."""

    name = REFERENCE

    def __init__(self, ketch, run_once):
        self.ketch, self.run_once = ketch, run_once

    def run(self, job):
        cpu, _, output, status = self.run_once([*self.ketch, job.program, *job.args], os.devnull, job.loop)
        return cpu, cpu, hashlib.md5(output).hexdigest(), status


class Job:
    """What of a row the runners need."""

    def __init__(self, row, program, args):
        self.name, self.loop, self.program, self.args = row.name, row.loop, program, args


def machines(ketch, image):
    """(name, a function that starts it) of each."""
    def ours(scheme):
        return lambda: guest.Machine(ketch, f"--mmu={scheme}", linux=image, memory="512M")
    found = [("flat", ours("flat")), ("tlb", ours("tlb"))]
    if shutil.which("qemu-system-riscv64"):
        found.append(("qemu-system", lambda: QemuMachine(None, linux=image, memory="512M")))
    return found


def measure(job, runners, repeat):
    """{runner: {"cpu", "host": medians, "error": text or absent}}"""
    samples = {r.name: [] for r in runners}
    errors, reference = {}, None
    for _ in range(repeat):
        for r in runners:
            cpu, host, digest, status = r.run(job)
            reference = reference or digest
            if status:
                errors[r.name] = f"exit status {status}"
            elif digest != reference:
                errors[r.name] = "another output"
            samples[r.name].append((cpu, host))
    return {name: {"cpu": statistics.median(c for c, _ in s), "host": statistics.median(h for _, h in s),
                   **({"error": errors[name]} if name in errors else {})} for name, s in samples.items()}


def print_row(name, results, names):
    cells = [f"{results[REFERENCE]['cpu'] * 1000:10.0f} ms"]
    for n in names:
        if n != REFERENCE:
            e = results[n]
            cells.append(f"{'failed':>22}" if "error" in e else
                         f"{e['cpu'] / results[REFERENCE]['cpu']:14.2f}{e['host'] / results[REFERENCE]['cpu']:8.2f}")
    print(f"{name:14}" + "".join(cells), flush=True)
    for n in names:
        if "error" in results[n]:
            print(f"    {n}: {results[n]['error']}")


def mean(table, rows, what, over, under):
    return statistics.geometric_mean(table[r][over][what] / table[r][under][what] for r in rows)


def print_means(table, names):
    """Ratios to `ketch run`, and of QEMU to each way of ours, by both clocks."""
    good = [r for r in table if not any("error" in e for e in table[r].values())]
    inside = [n for n in names if n != REFERENCE]
    for title, rows in (("all", good), ("FP", [r for r in good if r in FP])):
        for what, clock in (("cpu", "guest's"), ("host", "host's")) if rows else ():
            ratios = [f"{n} {mean(table, rows, what, n, REFERENCE):.2f}" for n in inside]
            if "qemu-system" in names:
                ratios += [f"qemu-system/{n} {mean(table, rows, what, 'qemu-system', n):.2f}"
                           for n in inside if n != "qemu-system"]
            print(f"geometric mean, {title}, by the {clock} clock: {', '.join(ratios)}")


def compare(rows, options, prepare, run_once):
    """{row: {runner: ...}}, printed as it comes; prepare() and run_once() are bench.py's."""
    jobs = []
    for row in cpu_rows(rows):
        binaries, _, args, _ = prepare(row, options)
        jobs.append(Job(row, binaries[1], args))
    ketch = options.ketch.split()
    vm = os.path.join(os.path.dirname(os.path.realpath(ketch[0])), "ketch")
    with tempfile.TemporaryDirectory(prefix="ketch-bench-") as folder:
        files = {f"rows/{job.name}": read(job.program) for job in jobs}
        image = guest.Images(folder).more("bench", files | {"launch": read(launcher.build("riscv64-linux-gnu-gcc"))})
        running = [(name, start()) for name, start in machines(vm, image)]
        try:
            for _, machine in running:
                machine.up()
            runners = [Outside(ketch, run_once), *(Inside(name, machine) for name, machine in running)]
            names = [r.name for r in runners]
            print(f"{'row':14}{REFERENCE:>13}" + "".join(f"{n:>14}    host" for n in names[1:]))
            table = {}
            for job in jobs:
                table[job.name] = measure(job, runners, options.repeat)
                print_row(job.name, table[job.name], names)
            print_means(table, names)
            return table
        finally:
            for _, machine in running:
                machine.__exit__()
