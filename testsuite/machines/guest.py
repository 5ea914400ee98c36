# SPDX-License-Identifier: Apache-2.0
"""What machines start from - Debian's kernel, an initial RAM disk made here around busybox - and a
running machine to talk to."""

import copy
import glob
import lzma
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402
import debian  # noqa: E402  (suite has put tools/ on the path)

PACKAGES = ["linux-image-riscv64", "busybox-static"]
CROSS = "riscv64-linux-gnu-gcc"
FIRMWARE = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"
# In the order in which they are loaded; those that the kernel has built in are not there as files.
MODULES = ["virtio", "virtio_ring", "virtio_mmio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev",
           "virtio_pci", "virtio_blk", "virtio_balloon", "failover", "net_failover", "virtio_net"]
# Loaded when the kernel's command line has modules=NAME of them.
MORE_MODULES = {"ext4": ["crc16", "mbcache", "jbd2", "crc32c_generic", "libcrc32c", "ext4"],
                "9p": ["netfs", "9pnet", "9pnet_virtio", "9p"]}

# `modules` and `disk` are of the kernel's command line.
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin PS1='ready> '
for m in $(cat /modules/order) $modules; do
    for file in $(cat /modules/more/$m 2>/dev/null || echo $m); do insmod /modules/$file.ko; done
done
if [ "$disk" ]; then
    mkdir /root
    mount -t ext4 $disk /root && exec switch_root /root /sbin/init
fi
echo GUEST IS UP
exec setsid cttyhack sh -c 'stty cols 1000; exec sh'
"""


HERE = os.path.dirname(os.path.realpath(__file__))


class CannotRun(Exception):
    """Why the machines cannot be tested here."""


def cpio(entries):
    """A "newc" archive of (name, mode, data, (major, minor))."""
    out = bytearray()
    for number, (name, mode, data, device) in enumerate(entries + [("TRAILER!!!", 0, b"", (0, 0))]):
        encoded = name.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0]
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + encoded
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def module_files(root):
    """{name: contents} of MODULES and MORE_MODULES, unpacked."""
    wanted = {*MODULES, *(m for more in MORE_MODULES.values() for m in more)}
    found = {}
    for path in glob.glob(os.path.join(root, "usr/lib/modules/*/kernel/**/*.ko*"), recursive=True):
        name = os.path.basename(path).split(".")[0]
        if name in wanted:
            with open(path, "rb") as f:
                data = f.read()
            found[name] = lzma.decompress(data) if path.endswith(".xz") else data
    return found


def compiled(name, folder):
    """The bytes of the static program made from the source NAME.c."""
    program = os.path.join(folder, name)
    subprocess.run([CROSS, "-O2", "-Wall", "-static", "-o", program, os.path.join(HERE, f"{name}.c")],
                   check=True)
    with open(program, "rb") as f:
        return f.read()


def initrd(root, folder):
    """The archive; `folder` is for files on the way."""
    with open(os.path.join(root, "usr/bin/busybox"), "rb") as f:
        busybox = f.read()
    modules = module_files(root)
    entries = [(name, 0o40755, b"", (0, 0)) for name in ("bin", "dev", "modules", "modules/more")]
    entries += [("dev/console", 0o20600, b"", (5, 1)), ("bin/busybox", 0o100755, busybox, (0, 0)),
                ("bin/writer", 0o100755, compiled("writer", folder), (0, 0)),
               ("bin/echo-udp", 0o100755, compiled("echo", folder), (0, 0)),
               ("init", 0o100755, INIT.encode(), (0, 0))]
    for name, order in [("order", MODULES), *((f"more/{m}", order) for m, order in MORE_MODULES.items())]:
        text = "".join(f"{m}\n" for m in order if m in modules)
        entries.append((f"modules/{name}", 0o100644, text.encode(), (0, 0)))
    entries += [(f"modules/{name}.ko", 0o100644, data, (0, 0)) for name, data in modules.items()]
    return cpio(entries)


class Images:
    """Files in a folder of their own: kernel, initrd; made at first use."""

    def __init__(self, folder):
        if not os.path.exists(FIRMWARE):
            raise CannotRun("the package opensbi is not installed")
        if not shutil.which(CROSS):
            raise CannotRun("the package gcc-riscv64-linux-gnu is not installed")
        try:
            # A folder of its own: the package busybox, which other suites have, has the same file.
            root = debian.Sysroot("riscv64", debian.cache_folder("machines")).add(PACKAGES)
        except (debian.DebianError, OSError) as e:
            raise CannotRun(f"Debian's kernel cannot be had: {e}") from e
        kernels = glob.glob(os.path.join(root, "boot/vmlinu*"))
        if not kernels:
            raise CannotRun("the package of the kernel has no kernel")
        self.kernel = kernels[0]
        self.initrd = os.path.join(folder, "initrd.cpio")
        with open(self.initrd, "wb") as f:
            f.write(initrd(root, folder))
        self.folder = folder

    def more(self, name, files):
        """The same, with {path: contents} in the initial RAM disk, too: programs or data."""
        folders = {os.path.dirname(path) for path in files}
        for path in list(folders):
            while path := os.path.dirname(path):
                folders.add(path)
        entries = [(path, 0o40755, b"", (0, 0)) for path in sorted(folders - {""})]
        entries += [(path, 0o100755, data, (0, 0)) for path, data in files.items()]
        other = copy.copy(self)
        other.initrd = os.path.join(self.folder, f"initrd-{name}.cpio")
        with open(self.initrd, "rb") as f, open(other.initrd, "wb") as out:
            out.write(f.read() + cpio(entries))
        return other


class Failed(Exception):
    """What a machine did not do."""


def check(condition, why):
    if not condition:
        raise Failed(why)


class Machine:
    """`ketch vm` with its console on pipes."""

    def __init__(self, ketch, *args, linux=None, kernel=None, memory="256M", append="",
                 fds=()):
        command = [*self.program(ketch), "-nographic", "-m", memory]
        if linux:
            command += ["-kernel", kernel or linux.kernel, "-initrd", linux.initrd, "-append",
                        f"console=ttyS0 quiet {append}"]
        self.process = subprocess.Popen([*command, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, pass_fds=fds)
        self.text = ""  # not yet looked at

    @staticmethod
    def program(ketch):
        return [ketch, "vm", "--non-security"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read(self, seconds):
        """Some output into self.text; False: there is none, and for ever or for so long."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(seconds, 0))
        data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=suite.PATIENCE):
        """Waits for it; what stands before it is dropped."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            if not self.read(end - time.monotonic()):
                status = self.process.poll()
                state = "it runs" if status is None else suite.status_text(status)
                raise Failed(f"no {pattern!r} in its output, which ends {self.text[-1000:]!r}; {state}")
        self.text = self.text[found.end():]
        return found

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def run(self, command):
        """A command of the guest's shell; its output."""
        self.send(f"{command}; echo \"END\" $?\n")
        found = self.expect(r"(?s)^.*?END\" \$\?\r?\n(.*?)END (\d+)\r?\n")
        self.expect("ready> ")
        if found[2] != "0":
            raise Failed(f"`{command}` ended with {found[2]}: {found[1]!r}")
        return found[1].replace("\r\n", "\n").strip()

    def up(self, seconds=suite.PATIENCE):
        """The shell's prompt is there."""
        self.expect("GUEST IS UP", seconds)
        self.expect("ready> ")

    def end(self, want=0, seconds=suite.PATIENCE):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = suite.TIMED_OUT
        while self.read(0):
            pass
        if status != want:
            raise Failed(f"{suite.status_text(status)}, not {want}; {self.text[-1000:]!r}")


def terminate(machine):
    machine.process.send_signal(signal.SIGTERM)
