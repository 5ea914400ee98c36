#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ketch image` against `qemu-img`: what either of them makes the other reads, byte for byte, and
finds no fault with.  Needs qemu-img and qemu-io (package qemu-utils)."""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))

import suite  # noqa: E402

SIZE = 6 << 20

# Options of new images, as both tools spell them.
OPTIONS = {
    "v2": "compat=0.10",
    "v2-4k": "compat=0.10,cluster_size=4096",
    "v3": "compat=1.1",
    "512": "cluster_size=512",
    "2M": "cluster_size=2M",
    "refcount1": "refcount_bits=1,cluster_size=8192",
    "refcount4": "refcount_bits=4,cluster_size=16384",
    "refcount64": "refcount_bits=64",
    "zstd": "compression_type=zstd",
    "zstd-2M": "compression_type=zstd,cluster_size=2M",
    "lazy": "lazy_refcounts=on",
    "extended": "extended_l2=on",
    "extended-zstd": "extended_l2=on,compression_type=zstd,cluster_size=128k",
    "metadata": "preallocation=metadata",
    "metadata-extended": "preallocation=metadata,extended_l2=on",
    "falloc": "preallocation=falloc",
    "full": "preallocation=full",
}


class Failed(Exception):
    """What is wrong, for the report."""


class Work:
    """A folder with the two tools."""

    def __init__(self, ketch, folder):
        self.ketch, self.folder = ketch, folder

    def run(self, command, status=0):
        result = suite.run(command, cwd=self.folder)
        if result.status != status:
            text = (result.output + result.errors).decode(errors="replace")[:400]
            raise Failed(f"{suite.shell(command)}: {suite.status_text(result.status)}, "
                         f"not {status}: {text!r}")
        return result.output.decode(errors="replace")

    def qemu(self, *args, status=0):
        return self.run(["qemu-img", *args], status)

    def image(self, *args, status=0):
        return self.run([self.ketch, "image", *args], status)

    def io(self, path, *commands):
        args = [a for c in commands for a in ("-c", c)]
        text = self.run(["qemu-io", "-f", "qcow2", *args, path])
        if "failed" in text or "error" in text:
            raise Failed(f"qemu-io {path}: {text[:200]!r}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def settle(self, name):
        """Its size on the disk does not change any more."""
        with open(self.path(name), "rb") as f:
            os.fsync(f.fileno())

    def same(self, a, b):
        digests = []
        for name in (a, b):
            with open(self.path(name), "rb") as f:
                digests.append(hashlib.sha256(f.read()).digest())
        if digests[0] != digests[1]:
            raise Failed(f"{a} and {b} differ")

    def check(self, path):
        """Both say that it is clean, and count the same."""
        ours = json.loads(self.image("check", "--output=json", path))
        theirs = json.loads(self.qemu("check", "--output=json", "-f", "qcow2", path))
        for key in ("total-clusters", "allocated-clusters", "compressed-clusters",
                    "image-end-offset"):
            if ours.get(key, 0) != theirs.get(key, 0):
                raise Failed(f"check of {path}: {key} is {ours.get(key)}, "
                             f"qemu-img says {theirs.get(key)}")


def source(path, seed):
    """A raw disk: text that compresses, noise that does not, holes, odd borders."""
    rng = random.Random(seed)
    with open(path, "wb") as f:
        f.truncate(SIZE)
        at = 0
        while at < SIZE:
            length = min(rng.choice((512, 4096, 70000, 300000, 1 << 20)), SIZE - at)
            kind = rng.randrange(3)
            f.seek(at)
            if kind == 0:
                f.write(rng.randbytes(length))
            elif kind == 1:
                f.write((b"%d lines of text\n" % rng.randrange(1000) * (length // 8))[:length])
            at += length


def qemu_image(work, options):
    """disk.raw, and a.qcow2 with the same contents."""
    source(work.path("disk.raw"), options)
    work.qemu("convert", "-f", "raw", "-O", "qcow2", "-o", options, "disk.raw", "a.qcow2")


# ---- cases: each raises Failed ----

def made_by_ketch(work, options):
    """convert and convert -c of ketch; read by qemu-img."""
    source(work.path("disk.raw"), options)
    for compress in ((), ("-c",)):
        if compress and "preallocation" in options:
            continue
        work.image("convert", "-q", *compress, "-O", "qcow2", "-o", options, "disk.raw", "a.qcow2")
        work.check("a.qcow2")
        work.qemu("convert", "-f", "qcow2", "-O", "raw", "a.qcow2", "b.raw")
        work.same("disk.raw", "b.raw")
        work.qemu("compare", "-f", "raw", "-F", "qcow2", "disk.raw", "a.qcow2")


def made_by_qemu(work, options):
    """convert and convert -c of qemu-img, more written by qemu-io; read by ketch."""
    source(work.path("disk.raw"), options)
    for compress in ((), ("-c",)):
        if compress and "preallocation" in options:
            continue
        work.qemu("convert", *compress, "-f", "raw", "-O", "qcow2", "-o", options, "disk.raw",
                  "a.qcow2")
        work.io("a.qcow2", "write -P 7 100k 300k", "write -z 1M 128k", "discard 2M 1M",
                "write -P 9 1100k 1k")
        work.check("a.qcow2")
        work.qemu("convert", "-f", "qcow2", "-O", "raw", "a.qcow2", "b.raw")
        work.image("convert", "-q", "-O", "raw", "a.qcow2", "c.raw")
        work.same("b.raw", "c.raw")
        work.image("compare", "-q", "a.qcow2", "b.raw")


def written_by_ketch(work, options):
    """An image of qemu-img with content is overwritten by ketch."""
    source(work.path("old.raw"), options + "old")
    source(work.path("new.raw"), options)
    work.qemu("convert", "-f", "raw", "-O", "qcow2", "-o", options, "old.raw", "a.qcow2")
    work.image("convert", "-q", "-n", "-O", "qcow2", "new.raw", "a.qcow2")
    work.check("a.qcow2")
    work.qemu("convert", "-f", "qcow2", "-O", "raw", "a.qcow2", "b.raw")
    work.same("new.raw", "b.raw")


def snapshots(work, options):
    """Made by one, listed, applied and deleted by the other."""
    if "refcount_bits=1," in options:
        raise Failed("skip: refcounts of one bit cannot count snapshots")
    source(work.path("one.raw"), options)
    source(work.path("two.raw"), options + "two")
    work.qemu("convert", "-f", "raw", "-O", "qcow2", "-o", options, "one.raw", "a.qcow2")
    work.qemu("snapshot", "-c", "first", "a.qcow2")
    work.image("convert", "-q", "-n", "-O", "qcow2", "two.raw", "a.qcow2")
    work.image("snapshot", "-c", "second", "a.qcow2")
    work.check("a.qcow2")
    work.io("a.qcow2", "write -P 1 0 3M")
    if work.qemu("snapshot", "-l", "a.qcow2") != work.image("snapshot", "-l", "a.qcow2"):
        raise Failed("the lists of snapshots differ")
    for name, raw in (("first", "one.raw"), ("second", "two.raw")):
        work.image("convert", "-q", "-l", name, "-O", "raw", "a.qcow2", "b.raw")
        work.same(raw, "b.raw")
        work.qemu("convert", "-f", "qcow2", "-l", name, "-O", "raw", "a.qcow2", "b.raw")
        work.same(raw, "b.raw")
    work.image("snapshot", "-a", "first", "a.qcow2")
    work.check("a.qcow2")
    work.qemu("compare", "-f", "raw", "-F", "qcow2", "one.raw", "a.qcow2")
    work.qemu("snapshot", "-a", "second", "a.qcow2")
    work.image("compare", "-q", "two.raw", "a.qcow2")
    work.image("snapshot", "-d", "first", "a.qcow2")
    work.check("a.qcow2")
    work.qemu("snapshot", "-d", "second", "a.qcow2")
    work.check("a.qcow2")


def backing(work, options):
    """Chains of both tools; a copy on top of a common backing file."""
    if "preallocation" in options and "extended" not in options:
        raise Failed("skip: preallocation would hide the backing file")
    source(work.path("base.raw"), options)
    for first, second in ((work.qemu, work.image), (work.image, work.qemu)):
        first("create", "-q", "-f", "qcow2", "-o", options, "-b", "base.raw", "-F", "raw",
              "mid.qcow2")
        second("create", "-q", "-f", "qcow2", "-o", options, "-b", "mid.qcow2", "-F", "qcow2",
               "top.qcow2", "13M")
        work.io("mid.qcow2", "write -P 3 1M 700k", "write -P 4 5000k 3k")
        work.io("top.qcow2", "write -P 5 1200k 1k", "write -P 6 12500k 1k", "write -z 3M 1M")
        work.qemu("convert", "-f", "qcow2", "-O", "raw", "top.qcow2", "a.raw")
        work.image("convert", "-q", "-f", "qcow2", "-O", "raw", "top.qcow2", "b.raw")
        work.same("a.raw", "b.raw")
        work.image("convert", "-q", "-f", "qcow2", "-O", "qcow2", "-B", "mid.qcow2", "-F", "qcow2",
                   "top.qcow2", "copy.qcow2")
        work.check("copy.qcow2")
        work.qemu("compare", "-f", "raw", "-F", "qcow2", "a.raw", "copy.qcow2")
        theirs = json.loads(work.qemu("map", "--output=json", "-f", "qcow2", "copy.qcow2"))
        if not any(e["depth"] > 0 and e["present"] for e in theirs):
            raise Failed("the copy has all that its backing file has")


def maps(work, options):
    """The same table of extents and the same description."""
    qemu_image(work, options)
    work.settle("a.qcow2")
    ours = json.loads(work.image("map", "--output=json", "a.qcow2"))
    theirs = json.loads(work.qemu("map", "--output=json", "-f", "qcow2", "a.qcow2"))
    # qemu-img looks for holes of the file, too, and shows the place of subclusters without data.
    if "preallocation" not in options and "extended" not in options and ours != theirs:
        raise Failed(f"map: {[x for x in zip(ours, theirs) if x[0] != x[1]][:2]}")
    ours = work.image("info", "--output=json", "a.qcow2")
    theirs = work.qemu("info", "--output=json", "-f", "qcow2", "a.qcow2")
    if not {line.strip(" ,") for line in theirs.split("\n")} == {line.strip(" ,") for line in ours.split("\n")}:
        raise Failed(f"info: another spelling: {ours} and {theirs}")
    ours, theirs = json.loads(ours), json.loads(theirs)
    if ours != theirs:
        raise Failed(f"info: {ours} and {theirs}")
    if work.image("info", "a.qcow2") != work.qemu("info", "-f", "qcow2", "a.qcow2"):
        raise Failed("info: the texts differ")


def sizes(work, options):
    """Grown by one tool, written, checked by the other; shrunk again."""
    qemu_image(work, options)
    work.image("resize", "-q", "-f", "qcow2", "a.qcow2", "+300M")
    work.io("a.qcow2", "write -P 1 300M 1M")
    work.check("a.qcow2")
    work.qemu("resize", "-q", "-f", "qcow2", "a.qcow2", "400M")
    work.check("a.qcow2")
    work.image("resize", "-q", "-f", "qcow2", "a.qcow2", str(SIZE), status=1)
    work.image("resize", "-q", "--shrink", "-f", "qcow2", "a.qcow2", str(SIZE))
    work.check("a.qcow2")
    work.qemu("compare", "-f", "raw", "-F", "qcow2", "disk.raw", "a.qcow2")


def repairs(work, options):
    """Refcounts that are wrong: found by both, repaired by ketch, fine for qemu-img."""
    qemu_image(work, options)
    with open(work.path("a.qcow2"), "r+b") as f:
        f.seek(48)
        f.seek(int.from_bytes(f.read(8), "big"))
        f.seek(int.from_bytes(f.read(8), "big") + 9)
        f.write(bytes(23))
    work.qemu("check", "-q", "-f", "qcow2", "a.qcow2", status=2)
    work.image("check", "-q", "a.qcow2", status=2)
    work.image("check", "-q", "-r", "leaks", "a.qcow2", status=2)
    work.image("check", "-q", "-r", "all", "a.qcow2")
    work.check("a.qcow2")
    work.qemu("compare", "-f", "raw", "-F", "qcow2", "disk.raw", "a.qcow2")


def bitmaps(work, options):
    """Kept by an image that is read, invalid in one that was written; in order either way."""
    qemu_image(work, options)
    work.qemu("bitmap", "--add", "-f", "qcow2", "a.qcow2", "changes")
    work.io("a.qcow2", "write -P 3 1M 1M")
    work.check("a.qcow2")
    work.image("convert", "-q", "-O", "raw", "a.qcow2", "b.raw")
    work.qemu("compare", "-f", "raw", "-F", "qcow2", "b.raw", "a.qcow2")
    bitmap = json.loads(work.qemu("info", "--output=json", "a.qcow2"))["format-specific"]["data"]["bitmaps"][0]
    if bitmap["name"] != "changes" or "in-use" in bitmap["flags"]:
        raise Failed(f"reading has changed the bitmap: {bitmap}")
    work.image("convert", "-q", "-n", "-O", "qcow2", "disk.raw", "a.qcow2")
    work.qemu("check", "-q", "-f", "qcow2", "a.qcow2", status=3)  # the bitmap's clusters leak
    work.image("check", "-q", "-r", "leaks", "a.qcow2")
    work.check("a.qcow2")
    work.qemu("compare", "-f", "raw", "-F", "qcow2", "disk.raw", "a.qcow2")


# Options of images that only qemu-img makes, and what Ketch says of them.
SECRET = ("--object", "secret,id=s,data=word")
REFUSED = {
    "data_file=data.raw": "external data file",
    "data_file=data.raw,data_file_raw=on": "external data file",
    "encrypt.format=aes,encrypt.key-secret=s": "encrypted (AES)",
    "encrypt.format=luks,encrypt.key-secret=s": "encrypted (LUKS)",
}


def refused(work, options):
    """By name, for whatever is asked; the image stays as it is."""
    secret = SECRET if "encrypt" in options else ()
    made = suite.run(["qemu-img", "create", "-q", *secret, "-f", "qcow2", "-o", options, "a.qcow2", "1M"],
                     cwd=work.folder)
    if made.status and b"accurate CPU usage" in made.errors:
        raise Failed("skip: qemu-img cannot measure how fast this machine is")
    if made.status:
        raise Failed(f"qemu-img: {made.errors}")
    shutil.copyfile(work.path("a.qcow2"), work.path("before"))
    for args in (["info", "a.qcow2"], ["check", "-r", "all", "a.qcow2"], ["convert", "-O", "raw", "a.qcow2", "x"],
                 ["resize", "-f", "qcow2", "a.qcow2", "2M"], ["snapshot", "-c", "s", "a.qcow2"],
                 ["map", "a.qcow2"], ["create", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "y"]):
        r = suite.run([work.ketch, "image", *args], cwd=work.folder)
        text = (r.output + r.errors).decode(errors="replace")
        if r.status != 1 or REFUSED[options] not in text:
            raise Failed(f"{args[0]}: {suite.status_text(r.status)}: {text[:200]!r}")
    work.same("a.qcow2", "before")


CASES = [made_by_ketch, made_by_qemu, written_by_ketch, snapshots, backing, maps, sizes, repairs, bitmaps]

# Not for every set of options: the few that differ in what these touch.
SOME = {maps: ("v2", "v3", "512", "extended", "metadata"), sizes: ("v2-4k", "v3", "512", "extended"),
        repairs: ("v2", "refcount1", "refcount4", "refcount64", "512"),
        bitmaps: ("v3", "512", "2M", "extended", "zstd")}


# ---- the command line ----

@dataclasses.dataclass
class Command:
    """Arguments of `ketch image`, the exit status, what it says."""

    args: str
    status: int
    says: str


COMMANDS = [
    Command("", 1, "usage:"),
    Command("help", 0, "qemu-img"),
    Command("frobnicate", 1, "'frobnicate'"),
    Command("create -f vmdk x 1M", 1, "'vmdk'"),
    Command("create -f qcow2 x", 1, "size"),
    Command("create -f qcow2 x 1Z", 1, "'1Z'"),
    Command("create -f qcow2 -o cluster_size=1000 x 1M", 1, "power of two"),
    Command("create -f qcow2 -o speed=high x 1M", 1, "'speed'"),
    Command("create -f qcow2 -o compat=0.10,lazy_refcounts=on x 1M", 1, "version 3"),
    Command("create -f qcow2 -o extended_l2=on,cluster_size=4k x 1M", 1, "16K"),
    Command("create -f qcow2 -b clean.qcow2 x", 1, "-F"),
    Command("create -f qcow2 -b nothing -F raw x", 1, "nothing"),
    Command("create -o help", 0, "preallocation"),
    Command("create -f qcow2 -o help", 0, "cluster_size"),
    Command("info nothing", 1, "nothing"),
    Command("info --output=xml clean.qcow2", 1, "xml"),
    Command("info text", 0, "file format: raw"),
    Command("check text", 63, "cannot be checked"),
    Command("check nothing", 1, "nothing"),
    Command("check clean.qcow2", 0, "No errors"),
    Command("check leaky.qcow2", 3, "leaked"),
    Command("check corrupt.qcow2", 2, "errors"),
    Command("convert clean.qcow2", 1, "target"),
    Command("convert -c clean.qcow2 x.raw", 1, "only qcow2"),
    Command("convert -O vdi clean.qcow2 x", 1, "'vdi'"),
    Command("convert overlay.qcow2 x", 1, "not guessed"),
    Command("convert -f qcow2 overlay.qcow2 x", 0, ""),
    Command("convert -p clean.qcow2 x", 0, "100.00/100%"),
    Command("snapshot -a none clean.qcow2", 1, "no such snapshot"),
    Command("snapshot -l -c x clean.qcow2", 1, "at a time"),
    Command("snapshot -c x text", 1, "not a qcow2"),
    Command("resize clean.qcow2 2M", 1, "must be given"),
    Command("resize -f qcow2 clean.qcow2 -512k", 1, "--shrink"),
    Command("resize -f qcow2 clean.qcow2 huge", 1, "'huge'"),
    Command("compare clean.qcow2 text", 1, "mismatch at offset 0"),
    Command("compare -s clean.qcow2 overlay.qcow2", 2, "not guessed"),
    Command("compare clean.qcow2 nothing", 2, "nothing"),
    Command("map clean.qcow2", 0, "Offset"),
    Command("rebase clean.qcow2", 1, "rebase is an action of qemu-img that is not offered"),
    Command("frobnicate clean.qcow2", 1, "unknown action 'frobnicate'"),
]


def prepare(work):
    """The files that COMMANDS name."""
    with open(work.path("text"), "w", encoding="utf-8") as f:
        f.write("no image\n" * 500)
    work.image("create", "-q", "-f", "qcow2", "clean.qcow2", "1M")
    work.image("create", "-q", "-f", "qcow2", "-b", "clean.qcow2", "-F", "qcow2", "overlay.qcow2")
    for name, first, value in (("leaky.qcow2", 20, b"\0\1"), ("corrupt.qcow2", 0, b"\0\0")):
        shutil.copyfile(work.path("clean.qcow2"), work.path(name))
        with open(work.path(name), "r+b") as f:
            f.seek(0x20000 + 2 * first)  # header, refcount table, refcount block
            f.write(value)


def wording(ketch, command):
    with tempfile.TemporaryDirectory() as folder:
        work = Work(ketch, folder)
        prepare(work)
        result = suite.run([ketch, "image", *command.args.split()], cwd=folder)
        text = (result.output + result.errors).decode(errors="replace")
    if result.status != command.status:
        return f"{suite.status_text(result.status)}, not {command.status}: {text[:200]!r}"
    return None if command.says in text else f"no {command.says!r} in {text[:300]!r}"


# ---- ----

@dataclasses.dataclass
class Case:
    name: str
    run: object


def qemu_case(ketch, case, options):
    if not shutil.which("qemu-img") or not shutil.which("qemu-io"):
        return "skip: qemu-img and qemu-io (package qemu-utils) are not here"
    with tempfile.TemporaryDirectory() as folder:
        try:
            case(Work(ketch, folder), options)
        except Failed as failed:
            return str(failed)
    return None


def all_cases(ketch):
    for case in CASES:
        for name, options in OPTIONS.items():
            if name in SOME.get(case, OPTIONS):
                yield Case(f"{case.__name__} {name}",
                           lambda c=case, o=options: qemu_case(ketch, c, o))
    for options in REFUSED:
        yield Case(f"refused {options}", lambda o=options: qemu_case(ketch, refused, o))
    for command in COMMANDS:
        yield Case(f"image {command.args}", lambda c=command: wording(ketch, c))


def main():
    options = suite.parser(__doc__).parse_args()
    ketch = os.path.abspath(options.ketch)
    cases = suite.choose(list(all_cases(ketch)), options, name=lambda c: c.name)
    return suite.run_all(cases, lambda c: [(c.name, c.run())], options.jobs)


if __name__ == "__main__":
    sys.exit(main())
