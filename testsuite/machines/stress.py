# SPDX-License-Identifier: Apache-2.0
"""A machine with four harts under strain: stress.c, and beside it a parallel build by gcc.  A case of
machines.py.  Every result is known: stress.c computes its own on this machine, too, and the program
that is built in the guest is built here as well."""

import os
import re
import shutil
import subprocess

from guest import Failed, Machine
import debian

PACKAGES = ["cpp-14-riscv64-linux-gnu", "binutils-riscv64-linux-gnu", "libc6-dev"]
GCC = "usr/libexec/gcc/riscv64-linux-gnu/14/cc1"
LIBRARIES = "usr/lib/riscv64-linux-gnu"
TOOLS = [GCC, "usr/bin/riscv64-linux-gnu-as", "usr/bin/riscv64-linux-gnu-ld.bfd"]
LINKED = [f"{LIBRARIES}/{name}" for name in ("crt1.o", "crti.o", "crtn.o", "libc.so", "libc_nonshared.a")]
LINKED.append("usr/include/stdc-predef.h")

SOURCES = 10
SHORT = 20    # seconds
MARGIN = 3600  # for the last round of each job

BUILD = f"""#!/bin/sh
set -e
rm -rf $1
mkdir -p $1
cd $1
ls /source/*.c | xargs -P 4 -n 1 sh -c 'name=$(basename $0 .c)
    /{GCC} -quiet -march=rv64gc -mabi=lp64d -O1 $0 -o $name.s && /usr/bin/riscv64-linux-gnu-as -march=rv64gc -mabi=lp64d $name.s -o $name.o'
L=/{LIBRARIES}
/usr/bin/riscv64-linux-gnu-ld.bfd -dynamic-linker /lib/ld-linux-riscv64-lp64d.so.1 -o program $L/crt1.o $L/crti.o *.o $L/libc.so $L/crtn.o
./program | cmp - /source/expected
for i in 1 2 3 4; do seq $((i * 2000)) | sed s/7/seven/ | sort -r | tac | sort -n | md5sum & done >sums
wait
sort sums | cmp - /source/sums
"""


def sources():
    """{name: text} of a program that prints what a chain of odd functions yields."""
    files = {}
    for k in range(SOURCES):
        cases = "".join(f"        case {i}: x = x * {2 * i + k + 3} + (x >> {i % 13 + 1}) ^ {i * 977 + k}; break;\n"
                        for i in range(40))
        files[f"part{k}.c"] = (f"unsigned part{k}(unsigned x)\n{{\n    for (int i = 0; i < 5000; i++) {{\n"
                               f"        switch (x % 40) {{\n{cases}        }}\n    }}\n    return x;\n}}\n")
    calls = "".join(f"    x = part{k}(x);\n" for k in range(SOURCES))
    declared = "".join(f"unsigned part{k}(unsigned);\n" for k in range(SOURCES))
    files["main.c"] = (f"int printf(const char *, ...);\n{declared}int main(void)\n{{\n    unsigned x = 1;\n{calls}"
                       "    printf(\"%u\\n\", x);\n    return 0;\n}\n")
    return files


def expected(files, folder):
    """What the program prints, and the sums of the build."""
    paths = []
    for name, text in files.items():
        paths.append(os.path.join(folder, name))
        with open(paths[-1], "w", encoding="ascii") as f:
            f.write(text)
    program = os.path.join(folder, "program")
    subprocess.run(["gcc", "-O1", *paths, "-o", program], check=True)
    output = subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout
    sums = subprocess.run(["sh", "-c", "for i in 1 2 3 4; do seq $((i * 2000)) | sed s/7/seven/ | LC_ALL=C sort -r"
                           " | tac | LC_ALL=C sort -n | md5sum; done | sort"], check=True, stdout=subprocess.PIPE)
    return output, sums.stdout


def needed(root, path, found):
    """The libraries that a program needs, and those that they need."""
    text = subprocess.run(["readelf", "-dW", os.path.join(root, path)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    for name in re.findall(r"NEEDED.*\[(.*)\]", text):
        library = f"{LIBRARIES}/{name}"
        if library not in found and os.path.exists(os.path.join(root, library)):
            found.add(library)
            needed(root, library, found)
    return found


def compiler():
    """{path: contents} of gcc, or why there is none."""
    root = debian.sysroot("riscv64", PACKAGES)
    libraries = set()
    for tool in TOOLS:
        needed(root, tool, libraries)
    files = {}
    for path in [*TOOLS, *LINKED, *sorted(libraries)]:
        with open(os.path.join(root, path), "rb") as f:
            files[path] = f.read()
    files["lib/ld-linux-riscv64-lp64d.so.1"] = files[f"{LIBRARIES}/ld-linux-riscv64-lp64d.so.1"]
    for name in ("libc.so.6", "ld-linux-riscv64-lp64d.so.1"):
        files[f"lib/riscv64-linux-gnu/{name}"] = files[f"{LIBRARIES}/{name}"]
    return files


def build(folder):
    """The stress program, for the guest and for this machine."""
    source = os.path.join(os.path.dirname(os.path.realpath(__file__)), "stress.c")
    made = []
    for compiler_name in ("riscv64-linux-gnu-gcc", "gcc"):
        made.append(os.path.join(folder, f"stress-{compiler_name}"))
        subprocess.run([compiler_name, "-O2", "-static", "-pthread", source, "-o", made[-1]], check=True)
    return made


def guest_files(folder, guest_program):
    texts = sources()
    files = {f"source/{name}": text.encode() for name, text in texts.items()}
    files["source/expected"], files["source/sums"] = expected(texts, folder)
    with open(guest_program, "rb") as f:
        files["stress"] = f.read()
    files["build"] = BUILD.encode()
    return files | compiler()


def stress_case(options, linux, folder, seconds=SHORT):
    if not shutil.which("riscv64-linux-gnu-gcc"):
        return "skip: no riscv64-linux-gnu-gcc"
    folder = os.path.join(folder, "stress")
    os.makedirs(folder)
    ours = build(folder)
    try:
        image = linux.more("stress", guest_files(folder, ours[0]))
    except debian.DebianError as e:
        return f"skip: {e}"
    with Machine(options.ketch, "-smp", "4", linux=image, memory="1G") as m:
        m.up()
        m.send(f"/stress run {seconds} /build\n")
        found = m.expect(r"(?s)(.*)stress: (ok|FAILED[^\r\n]*)\r?\n", seconds + MARGIN)
        if found[2] != "ok":
            raise Failed(f"{found[2]}: {found[1][-500:]}")
        m.expect("ready> ")
        m.send("poweroff -f\n")
        m.end()
    for name, rounds, digest in re.findall(r"(\w+) (\d+) ([0-9a-f]{16})", found[1]):
        if name == "program":
            continue
        want = subprocess.run([ours[1], "check", name, rounds], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[2]
        if digest != want:
            raise Failed(f"{name}: {digest} after {rounds} rounds, not {want}")
    print(f"  stress: {' '.join(found[1].split())[-400:]}", flush=True)
    return None
