# SPDX-License-Identifier: Apache-2.0
"""A disk with a Debian system for riscv64: its packages are unpacked by this machine's dpkg-deb and
configured by their own scripts, which run in a chroot under `ketch run`.  Kept in Ketch's cache."""

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import suite
import debian
from guest import CannotRun, Failed

PACKAGES = ["?essential", "apt", "dbus", "gcc", "iproute2", "libc6-dev", "login", "passwd",
            "systemd-sysv", "udev", "util-linux"]
# What the guest installs, and PROGRAM of it.
EXTRA, PROGRAM = ["bc"], "bc"
PASSWORD = "ketch"
SIZE = "1500M"

# Large, and needed by nobody here.
LEFT_OUT = ["./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/i18n/*",
            "./usr/libexec/gcc/*/*/lto1", "./usr/lib/udev/hwdb.d/*", "*/lib*san.*"]

FILES = {
    "etc/hostname": "guest\n",
    "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    "etc/apt/sources.list": "",
    "etc/systemd/network/all.network": "[Match]\nType=ether\n[Network]\nDHCP=ipv4\n",
}

# Of the chroot.  Nothing is asked, no service is started.
CONFIGURE = """
export DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg --configure -a || exit
systemctl enable systemd-networkd || exit
echo root:{password} | chpasswd
"""


def control(deb):
    """Fields of a package's control file, as text and as a dictionary of those of one line."""
    text = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout
    return text, dict(re.findall(r"(?m)^(\S+?): (.*)$", text))


def unpack(deb, root):
    """Into the root, and into dpkg's database: the package's stanza of its status file."""
    info = os.path.join(root, "var/lib/dpkg/info")
    text, fields = control(deb)
    base = os.path.join(info, fields["Package"] + (":riscv64" if fields.get("Multi-Arch") == "same" else ""))
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as data:
        tar = subprocess.run(["tar", "-C", root, "-xv", "--keep-directory-symlink",
                              *(f"--exclude={p}" for p in LEFT_OUT)], stdin=data.stdout,
                             stdout=subprocess.PIPE, text=True, check=False)
        data.stdout.read()  # padding
    if tar.returncode or data.returncode:
        raise CannotRun(f"{os.path.basename(deb)} could not be unpacked")
    with open(f"{base}.list", "w", encoding="utf-8") as f:
        f.writelines((line[1:].rstrip("/") or "/.") + "\n" for line in tar.stdout.splitlines())
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-e", deb, folder], check=True)
        for name in os.listdir(folder):
            if name != "control":
                shutil.move(os.path.join(folder, name), f"{base}.{name}")
    stanza = text.replace("\n", "\nStatus: install ok unpacked\n", 1)
    with contextlib.suppress(FileNotFoundError), open(f"{base}.conffiles", encoding="utf-8") as f:
        stanza += "Conffiles:\n" + "".join(f" {line.strip()} newconffile\n" for line in f if line[0] == "/")
    return stanza + "\n"


def make_root(debs, root):
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        os.makedirs(os.path.join(root, folder))
    for name in ("bin", "sbin", "lib"):
        os.symlink(f"usr/{name}", os.path.join(root, name))
    status = "".join(unpack(deb, root) for deb in debs)
    for name, text in {**FILES, "var/lib/dpkg/status": status, "var/lib/dpkg/info/format": "1\n"}.items():
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(text)
    for name in ("passwd", "group"):  # what base-passwd does before it is unpacked
        shutil.copy(os.path.join(root, f"usr/share/base-passwd/{name}.master"), os.path.join(root, "etc", name))
    for name, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
        os.mknod(os.path.join(root, "dev", name), 0o20666, os.makedev(1, minor))


def configure(ketch, root):
    """The packages' scripts, in the root, under Ketch."""
    static = os.path.join(os.path.dirname(os.path.realpath(ketch)), "ketch-static")
    inside = os.path.join(root, "ketch")
    shutil.copy(static, inside)
    script = CONFIGURE.format(password=PASSWORD)
    r = suite.run(["chroot", root, "/ketch", "run", "/bin/sh", "-c", script], 3600)
    if r.status:
        raise Failed(f"the packages' scripts under `ketch run`: {suite.status_text(r.status)}: "
                     f"{(r.output + r.errors).decode(errors='replace')[-1500:]}")
    os.unlink(inside)


def make_disk(ketch, debs, folder, path):
    root, raw = os.path.join(folder, "root"), os.path.join(folder, "raw")
    make_root(debs, root)
    configure(ketch, root)
    commands = [["mkfs.ext4", "-q", "-d", root, "-L", "debian", raw, SIZE],
                [ketch, "image", "convert", "-q", "-f", "raw", "-O", "qcow2", "-c", "-o",
                 "compression_type=zstd", raw, path + ".new"]]
    for command in commands:
        r = suite.run(command)
        if r.status:
            raise Failed(f"{suite.shell(command)}: {r.errors.decode(errors='replace')}")
    os.rename(path + ".new", path)


class Disk:
    """`path`: a qcow2 image; `extra`: packages (files) for EXTRA that are not installed in it."""

    def __init__(self, ketch):
        if os.geteuid() != 0:
            raise CannotRun("making a root file system needs root's rights")
        for tool in ("dpkg-deb", "mkfs.ext4", "chroot"):
            if not shutil.which(tool):
                raise CannotRun(f"{tool} is not installed")
        top = debian.cache_folder("debian-disk")
        with open(__file__, "rb") as f:
            self.path = os.path.join(top, hashlib.sha256(f.read()).hexdigest()[:16] + ".qcow2")
        packages = debian.Sysroot("riscv64", top)
        with open(os.path.join(top, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(self.path):
                self.make(ketch, packages, top)
        self.extra = glob.glob(os.path.join(top, "extra", "*.deb"))

    def make(self, ketch, packages, top):
        extra = os.path.join(top, "extra")
        for old in [*glob.glob(os.path.join(top, "*.qcow2*")), *packages.archives()]:
            os.unlink(old)
        shutil.rmtree(extra, ignore_errors=True)
        os.makedirs(extra)
        try:
            packages.download(PACKAGES)
            debs = packages.archives()
            packages.download(PACKAGES + EXTRA)
        except (debian.DebianError, OSError) as e:
            raise CannotRun(f"Debian's packages cannot be had: {e}") from e
        for deb in set(packages.archives()) - set(debs):
            shutil.move(deb, extra)
        with tempfile.TemporaryDirectory(dir=top) as folder:
            make_disk(ketch, debs, folder, self.path)
        for deb in debs:
            os.unlink(deb)


def repository(debs, folder):
    """Makes the folder one for `deb [trusted=yes] URL ./`."""
    stanzas = []
    for deb in debs:
        name = os.path.basename(deb)
        shutil.copy(deb, os.path.join(folder, name))
        with open(deb, "rb") as f:
            data = f.read()
        stanzas.append(f"{control(deb)[0]}Filename: ./{name}\nSize: {len(data)}\n"
                       f"SHA256: {hashlib.sha256(data).hexdigest()}\n")
    with open(os.path.join(folder, "Packages"), "w", encoding="utf-8") as f:
        f.write("\n".join(stanzas))
