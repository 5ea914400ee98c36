# SPDX-License-Identifier: Apache-2.0
"""tools/bench --plugins: what counting every instruction and tracing every memory access costs.

Ketch counts with the `insn` plugin of QEMU 10.0, inline, and traces with its own memtrace; a QEMU counts
with its own `insn` plugin, inline, and traces with memory.c, which writes the same things from a callback.
QEMU's plugins are compiled from the sources of Debian's packages."""

import hashlib
import os
import re
import statistics
import subprocess
import tempfile

import debian

HERE = os.path.dirname(os.path.realpath(__file__))
RELEASES = {"7.2": "bookworm", "10.0": "trixie"}


def compile_plugin(source, include, name):
    with open(source, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:16]
    target = os.path.join(debian.cache_folder("bench"), f"{name}-{digest}.so")
    if not os.path.exists(target):
        flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, capture_output=True,
                               text=True).stdout.split()
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-I", include, *flags, source, "-o",
                        target + ".new"], check=True)
        os.rename(target + ".new", target)
    return target


def plugins_of(version):
    """Paths of `insn` and memory.c for a QEMU."""
    top = debian.source(RELEASES[version], "qemu", debian.QEMU_SOURCES)
    include = os.path.join(top, "include", "qemu")
    insn = [os.path.join(top, folder, "insn.c") for folder in ("tests/plugin", "tests/tcg/plugins")]
    insn = next(path for path in insn if os.path.exists(path))
    return (compile_plugin(insn, include, f"insn-{version}"),
            compile_plugin(os.path.join(HERE, "memory.c"), include, f"memory-{version}"))


def loads_plugins(runner):
    text = subprocess.run([*runner.prefix, "--help"], capture_output=True, text=True)
    return "-plugin" in text.stdout + text.stderr


def variants(runner, folder):
    """The runner plain, counting and tracing."""
    name = runner.name
    version = re.search(r"\d+\.\d+", name)
    insn, memory = plugins_of(version.group() if version else "10.0")
    trace = os.path.join(folder, name)
    memory = f"{memory},out={trace}" if version else f"memtrace,out={trace}"
    return [runner, type(runner)(f"{name} count", [*runner.prefix, "-plugin", f"{insn},inline=on"]),
            type(runner)(f"{name} trace", [*runner.prefix, "-plugin", memory])]


def ratio(results, a, b):
    entries = results[a], results[b]
    return None if any("error" in e for e in entries) else entries[0]["cpu"] / entries[1]["cpu"]


def columns(names):
    """(title, numerator, denominator) of each column behind Ketch's time."""
    result = [("count", "ketch count", "ketch"), ("trace", "ketch trace", "ketch")]
    for q in names:
        result += [(q, q, "ketch"), (f"count {q}", f"{q} count", "ketch count"),
                   (f"trace {q}", f"{q} trace", "ketch trace")]
    return result


def line(name, first, cells):
    print(f"{name:14}{first:>10}" + "".join(f"{c if isinstance(c, str) else f'{c:.2f}':>15}" for c in cells),
          flush=True)


def compare(rows, runners, measure):
    """Prints the table; {row: {runner: see bench.measure()}}."""
    runners = [r for r in runners if r.prefix and loads_plugins(r) and
               (r.name == "ketch" or r.name.removeprefix("qemu-") in RELEASES)]
    wanted = columns([r.name for r in runners if r.name != "ketch"])
    table, ratios = {}, []
    print("Columns: Ketch; what it takes counting and tracing, to that; what a QEMU takes, to Ketch that does "
          "the same.")
    line("row", "ketch", [title for title, _, _ in wanted])
    with tempfile.TemporaryDirectory() as folder:
        these = [v for r in runners for v in variants(r, folder)]
        for row in rows:
            results = table[row.name] = measure(row, these)
            cells = [ratio(results, a, b) for _, a, b in wanted]
            line(row.name, f"{results['ketch']['cpu'] * 1000:.1f} ms", [c or "failed" for c in cells])
            ratios.append(cells)
    whole = [cells for cells in ratios if all(cells)]
    if whole:
        line("geom. mean", "", [statistics.geometric_mean(c) for c in zip(*whole)])
    return table
