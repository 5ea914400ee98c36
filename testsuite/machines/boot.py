# SPDX-License-Identifier: Apache-2.0
"""What machines start from: every kind of file that has Linux in it, damaged ones, U-Boot with Linux on
a disk.  Cases of machines.py."""

import functools
import gzip
import os
import shutil
import struct

import suite
from guest import Machine, check

UBOOT = "/usr/lib/u-boot/qemu-riscv64_smode"


def zboot(payload, name, size=None):
    """An EFI zboot image but for the program that unpacks it."""
    head = struct.pack("<4s4sII8x32sII", b"MZ\0\0", b"zimg", 128, len(payload) if size is None else size,
                       name, 0x818223cd, 64)
    return head.ljust(128, b"\0") + payload


def elf(image, paddr, vaddr):
    """A program with one segment, which starts with it."""
    memory = len(image) + (8 << 20)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 243, 1, vaddr, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 4096, vaddr, paddr, len(image), memory, 4096)
    return (header + segment).ljust(4096, b"\0") + image


class Kernel:
    """Linux's Image, packed in several ways; each is made at first use."""

    def __init__(self, path):
        self.path = path

    @functools.cached_property
    def image(self):
        with open(self.path, "rb") as f:
            return f.read()

    @functools.cached_property
    def gzip(self):
        return gzip.compress(self.image, 1)

    @functools.cached_property
    def zstd(self):
        r = suite.run(["zstd", "-q", "-1", "-c", self.path])
        check(r.status == 0, f"zstd: {r.errors}")
        return r.output

    def elf(self):
        return elf(self.image, 0x80200000, 0x80200000)

    def vmlinux(self):
        return elf(self.image, 0, 0xffffffff80000000)


def replaced(data, at, what):
    return data[:at] + what + data[at + len(what):]


# (name, bytes of a file that boots)
KINDS = [
    ("gzip", lambda k: k.gzip),
    ("zstd", lambda k: k.zstd),
    ("zboot, gzip", lambda k: zboot(k.gzip, b"gzip")),
    ("zboot, zstd", lambda k: zboot(k.zstd, b"zstd22")),
    ("ELF", Kernel.elf),
    ("vmlinux", Kernel.vmlinux),
    ("vmlinux in gzip", lambda k: gzip.compress(k.vmlinux(), 1)),
]

# (name, bytes of a file that is refused, what the sentence has)
BROKEN = [
    ("gzip, cut off", lambda k: k.gzip[:-100000], "gzip data is damaged"),
    ("gzip, bits flipped", lambda k: replaced(k.gzip, 1 << 20, bytes(100)), "gzip data is damaged"),
    ("zstd, cut off", lambda k: k.zstd[:-100000], "zstd data is damaged"),
    ("zboot, too long", lambda k: zboot(k.gzip, b"gzip", len(k.gzip) + 1), "points outside"),
    ("zboot, lzma", lambda k: zboot(k.gzip, b"lzma"), "packed with lzma"),
    ("zboot, damaged", lambda k: zboot(k.gzip[:-100000], b"gzip"), "gzip data is damaged"),
    ("ELF, cut off", lambda k: k.elf()[:-1], "segment outside"),
    ("ELF, no segments", lambda k: replaced(k.elf(), 56, bytes(2)), "table of segments"),
    ("ELF, starts elsewhere", lambda k: replaced(k.elf(), 24, b"\x10".ljust(8, b"\0")), "starts outside"),
    ("ELF, aarch64", lambda k: replaced(k.elf(), 18, b"\xb7"), "another processor"),
    ("Image, aarch64", lambda k: replaced(k.image, 56, b"ARM\x64"), "another processor"),
    ("bzImage", lambda k: bytes(0x202) + b"HdrS" + bytes(1000), "another processor"),
    ("xz", lambda k: b"\xfd7zXZ\0" + bytes(100), "packed with xz"),
    ("lz4", lambda k: b"\x04\x22\x4d\x18" + bytes(100), "packed with lz4"),
    ("empty gzip", lambda k: gzip.compress(b""), "is empty"),
    ("larger than the memory", lambda k: gzip.compress(bytes(300 << 20), 1), "more than the memory"),
]


def written(data, folder, name):
    path = os.path.join(folder, name.replace(" ", "-"))
    with open(path, "wb") as f:
        f.write(data)
    return path


def kind_case(options, linux, path):
    with Machine(options.ketch, linux=linux, kernel=path) as m:
        m.up()
        check("riscv64" in m.run("uname -m"), "it is no riscv64")
        m.send("poweroff -f\n")
        m.end()
    os.unlink(path)


def broken_case(options, path, says):
    r = suite.run([options.ketch, "vm", "--non-security", "-nographic", "-m", "256M", "-kernel", path])
    text = (r.output + r.errors).decode(errors="replace")
    check(r.status == 1 and says in text and path in text and text.count("\n") == 1,
          f"{suite.status_text(r.status)}: {text[:300]!r}")
    os.unlink(path)


EXTLINUX = """default linux
timeout 1
label linux
    linux /boot/Image
    initrd /boot/initrd
    append console=ttyS0 quiet from=extlinux
"""


def partitioned(path, content):
    """A disk with one active Linux partition with the file's bytes."""
    first, sectors = 2048, os.path.getsize(content) // 512
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, sectors)
    with open(path, "wb") as disk, open(content, "rb") as f:
        disk.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")
        disk.seek(first * 512)
        shutil.copyfileobj(f, disk, 1 << 20)


def uboot_case(options, linux, folder, kernel):
    """U-Boot finds its own way to the kernel on a disk."""
    root, content, disk = (os.path.join(folder, f"{kernel}.{n}") for n in ("root", "ext4", "disk"))
    os.makedirs(os.path.join(root, "boot/extlinux"))
    shutil.copy(linux.kernel, os.path.join(root, "boot/Image"))
    shutil.copy(linux.initrd, os.path.join(root, "boot/initrd"))
    with open(os.path.join(root, "boot/extlinux/extlinux.conf"), "w", encoding="ascii") as f:
        f.write(EXTLINUX)
    r = suite.run(["mkfs.ext4", "-q", "-d", root, content, "80M"])
    check(r.status == 0, f"mkfs.ext4: {r.errors}")
    partitioned(disk, content)
    r = suite.run([options.ketch, "image", "convert", "-q", "-f", "raw", "-O", "qcow2", disk, disk + ".qcow2"])
    check(r.status == 0, f"ketch image: {r.errors}")
    with Machine(options.ketch, "-kernel", os.path.join(UBOOT, kernel), "-drive",
                 f"file={disk}.qcow2,format=qcow2") as m:
        m.expect("Hit any key")
        m.expect("extlinux.conf")
        m.expect("Starting kernel")
        m.up()
        check("from=extlinux" in m.run("cat /proc/cmdline"), "another command line")
        m.send("poweroff -f\n")
        m.end()


def linux_cases(options, linux, folder):
    own = os.path.join(folder, "boot")
    os.mkdir(own)
    kernel = Kernel(linux.kernel)
    cases = [(f"Linux, kernel: {name}", lambda name=name, make=make: kind_case(
        options, linux, written(make(kernel), own, name))) for name, make in KINDS]
    cases += [(f"kernel refused: {name}", lambda name=name, make=make, says=says: broken_case(
        options, written(make(kernel), own, name), says)) for name, make, says in BROKEN]
    if not os.path.exists(UBOOT) or not shutil.which("mkfs.ext4"):
        return cases + [("U-Boot, disk", lambda: "skip: no u-boot-qemu, or no mkfs.ext4")]
    return cases + [(f"U-Boot, disk, {kernel}", lambda kernel=kernel: uboot_case(options, linux, own, kernel))
                    for kernel in ("u-boot.bin", "uboot.elf")]
