# SPDX-License-Identifier: Apache-2.0
"""Ketch is killed while the guest writes: what was flushed is on the disk, and the image is in order.
Cases of machines.py.  The machine boots once; each run goes on from its snapshot."""

import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import time

import control
import suite
from guest import Machine, check

# As in writer.c.
SECTOR, BLOCK_SECTORS, MAX_BLOCKS, PARTS, PART_BLOCKS = 512, 8, 24, 16, 512
ZERO, DISCARD = 1, 2
LOG = PARTS * PART_BLOCKS * BLOCK_SECTORS  # a block; the other sectors are before it
BLANK = None  # a sector of zeros


def splitmix(state):
    while True:
        state = (state + 0x9e3779b97f4a7c15) % (1 << 64)
        z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9 % (1 << 64)
        z = (z ^ z >> 27) * 0x94d049bb133111eb % (1 << 64)
        yield z ^ z >> 31


def batches(seed):
    """Lists of (kind, first sector, sectors)."""
    rng = splitmix(seed)
    while True:
        ops, first, batch = 1 + next(rng) % PARTS, next(rng) % PARTS, []
        for i in range(ops):
            kind, blocks = next(rng) % 8, 1 + next(rng) % MAX_BLOCKS
            block = (first + i) % PARTS * PART_BLOCKS + next(rng) % (PART_BLOCKS - MAX_BLOCKS)
            batch.append((kind, block * BLOCK_SECTORS, blocks * BLOCK_SECTORS))
        yield batch


def allowed(known, seed, last):
    """{sector: what it may hold}, besides `known`, which is brought up to the batch before the last:
    all but the last were flushed."""
    may = {}
    for number, batch in enumerate(batches(seed)):
        for kind, first, count in batch:
            for sector in range(first, first + count):
                value = BLANK if kind in (ZERO, DISCARD) else (seed, number)
                if number == last:
                    may.setdefault(sector, {known[sector]}).add(value)
                elif kind == DISCARD:  # its content may stay
                    may[sector] = may.get(sector, {known[sector]}) | {BLANK}
                else:
                    may.pop(sector, None)
                    known[sector] = value
        if number == last:
            return may


def found_in(data, sector):
    """What the sector holds: BLANK or (seed, batch); Failed when it is neither."""
    if data == bytes(SECTOR):
        return BLANK
    seed, batch, number, _ = struct.unpack_from("<4Q", data)
    want = struct.pack("<4Q", seed, batch, sector, seed ^ ((1 << 64) - 1))
    check(data == want * (SECTOR // len(want)), f"sector {sector} holds what nobody wrote there")
    return seed, batch


def verify(raw, known, seed, flushed):
    """Compares the disk with what it may hold; `known` becomes what it does hold.  The number of the
    last batch."""
    with open(raw, "rb") as f:
        found = [found_in(f.read(SECTOR), sector) for sector in range(LOG + 1)]
    log = found.pop()
    check(log and log[0] == seed and log[1] >= flushed,
          f"the log has batch {log}; seed {seed}, flushed up to batch {flushed}")
    may = allowed(known, seed, log[1])
    for sector, value in enumerate(found):
        want = may.get(sector, {known[sector]})
        check(value in want, f"sector {sector} holds {value}, not one of {want}; seed {seed}, batch "
              f"{log[1]} was the last")
        known[sector] = value
    return log[1]


class Disk:
    """An image of a format, attacked again and again."""

    def __init__(self, options, folder, fmt, source=None):
        self.ketch, self.fmt = options.ketch, fmt
        self.path, self.raw = os.path.join(folder, "disk"), os.path.join(folder, "raw")
        if source:
            self.tool([self.ketch, "image", "convert", "-q", "-f", "raw", "-O", fmt, source, self.path])
        else:
            self.tool([self.ketch, "image", "create", "-q", "-f", fmt, self.path, str((LOG + BLOCK_SECTORS) * SECTOR)])

    def tool(self, command, statuses=(0,)):
        r = suite.run(command)
        check(r.status in statuses, f"{suite.shell(command)}: {suite.status_text(r.status)}: "
              f"{(r.output + r.errors).decode(errors='replace')[-500:]}")

    def args(self):
        return ["-drive", f"file={self.path},format={self.fmt},discard=unmap"]

    def look(self):
        """The image is in order but for leaks (3); what it holds, as a raw file."""
        if self.fmt == "qcow2":
            for program in ([self.ketch, "image"], ["qemu-img"]):
                self.tool([*program, "check", "-f", "qcow2", self.path], (0, 3))
        self.tool(["qemu-img", "convert", "-f", self.fmt, "-O", "raw", self.path, self.raw])
        return self.raw


def boot_once(options, linux, disk, folder, append=""):
    """The arguments that take a machine to the shell's prompt of a booted system, with the disk as it
    is then."""
    qmp, saved = os.path.join(folder, "qmp"), os.path.join(folder, "saved")
    with Machine(options.ketch, *disk.args(), "-qmp", f"unix:{qmp},server=on,wait=off", linux=linux,
                 memory="128M", append=append) as m:
        m.up()
        said = control.monitor(options, qmp, "savevm", "-m", saved)
        check(said == "", f"savevm: {said}")
        control.monitor(options, qmp, "quit")
        m.end()
    return [*disk.args(), "-loadvm", saved]


def attack(options, linux, args, command, reports, rng):
    """Runs the command in the guest, kills Ketch a moment after its so-many-th report; the output."""
    with Machine(options.ketch, *args, linux=linux, memory="128M") as m:
        m.send(f"{command}\n")
        text = "".join(m.expect(r"F \d+.*\r\n")[0] for _ in range(reports))
        end = time.monotonic() + rng.uniform(0, 0.05)
        while m.read(end - time.monotonic()):
            pass
        m.process.kill()
        m.process.wait()
        while m.read(0):
            pass
        return text + m.text


def records_case(options, linux, folder, fmt):
    """Records on the bare disk: exact."""
    disk = Disk(options, folder, fmt)
    args = boot_once(options, linux, disk, folder)
    known, rng, last = [BLANK] * LOG, random.Random(fmt), 0
    for seed in range(1, options.kills + 1):
        text = attack(options, linux, args, f"writer /dev/vda {seed}", rng.randint(1, 40), rng)
        flushed = int(re.findall(r"F (\d+)\r\n", text)[-1])
        last = max(last, verify(disk.look(), known, seed, flushed))
    check(last > 20, f"the guest did not write much: {last} batches")


FILES = r"""
blockdev --flushbufs /dev/vda; mkdir -p /mnt; mount -t ext4 /dev/vda /mnt
i=0; while true; do
i=$((i+1)); f=/mnt/d$((i%7))/f{run}-$((i%40)); mkdir -p ${{f%/*}}
dd if=/dev/urandom of=$f.new bs=$((i*700%9000+1)) count=$((i%13+1)) conv=fsync 2>/dev/null
mv $f.new $f; sync; echo F $i ${{f#/mnt}} $(sha256sum <$f)
done"""


def files_case(options, linux, folder):
    """Files of ext4: its journal brings it back, and each file that was reported is there."""
    source = os.path.join(folder, "source")
    r = suite.run(["mkfs.ext4", "-q", source, "48M"])
    check(r.status == 0, r.errors.decode(errors="replace"))
    disk = Disk(options, folder, "qcow2", source)
    args = boot_once(options, linux, disk, folder, append="modules=ext4")
    rng = random.Random("files")
    for run in range(1, options.kills // 3 + 1):
        text = attack(options, linux, args, FILES.format(run=run).strip(), rng.randint(1, 30), rng)
        raw = disk.look()
        disk.tool(["e2fsck", "-p", raw], (0, 1))
        disk.tool(["e2fsck", "-fn", raw])
        found = {}
        for number, name, digest in re.findall(r"F (\d+) (\S+) (\w{64}) +-\r\n", text):
            found[name] = digest
        check(found, f"nothing was reported: {text[-300:]!r}")
        # One that was being replaced has the old or the new content; a last report may have been lost.
        for name, digest in list(found.items()):
            dump = subprocess.run(["debugfs", "-R", f"cat {name}", raw], capture_output=True, check=True)
            if hashlib.sha256(dump.stdout).hexdigest() != digest:
                successor = (int(name.rsplit("-", 1)[1]) - int(number)) % 40 in (1, 2)
                check(successor and dump.stdout, f"run {run}: {name} is not what was flushed")


def in_folder(case, options, linux, folder, name, *args):
    own = os.path.join(folder, name)
    os.mkdir(own)
    return case(options, linux, own, *args)


def linux_cases(options, linux, folder):
    for tool in ("qemu-img", "mkfs.ext4", "debugfs"):
        if not shutil.which(tool):
            return [("kill", lambda: f"skip: no {tool}")]
    return [(f"kill, {fmt}", lambda fmt=fmt: in_folder(records_case, options, linux, folder, f"kill-{fmt}", fmt))
            for fmt in ("raw", "qcow2")] + \
        [("kill, ext4", lambda: in_folder(files_case, options, linux, folder, "kill-ext4"))]
