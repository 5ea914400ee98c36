#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packages of a Debian release for any architecture, unpacked into a cache folder with apt.

    debian.py sysroot ARCH PACKAGE...   makes sure that they and what they depend on are there;
                                        prints the folder
    debian.py qemu                      the release's own qemu-riscv64; prints its path
    debian.py source RELEASE PACKAGE PATTERN...  the files of a source package, as its authors
                                        published it, that match; prints the folder

Nothing is installed on the machine and no root rights are needed: apt runs on private folders
below $KETCH_CACHE (default ~/.cache/ketch), with the mirror that this machine's own apt uses and
Debian's archive keys.  Idempotent: what is there already costs no network.
"""

import contextlib
import fcntl
import hashlib
import glob
import os
import shutil
import subprocess
import sys
import time

RELEASE = "trixie"
# The names under which a mirror has it.  A mirror in the middle of an update may have one name
# whose index does not match its signature, while the other is whole.
SUITES = ("trixie", "stable")
LISTS_SECONDS = 12 * 3600
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebianError(Exception):
    """One sentence for the user."""


def cache_folder(*parts):
    """$KETCH_CACHE/parts..., created."""
    root = os.environ.get("KETCH_CACHE") or os.path.expanduser("~/.cache/ketch")
    path = os.path.join(root, *parts)
    os.makedirs(path, exist_ok=True)
    return path


def mirror():
    """The address from which this machine's apt takes Debian itself."""
    with open("/etc/os-release", encoding="ascii") as f:
        release = dict(line.strip().split("=", 1) for line in f if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    try:
        lines = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(SITE)"],
            check=True, capture_output=True, text=True).stdout.splitlines()
    except FileNotFoundError:
        raise DebianError("apt-get is not here: Debian's packages cannot be fetched") from None
    for line in lines:
        kind, suite, site = line.split(" ", 2)
        if kind == "Packages" and suite == codename:
            return site
    raise DebianError("this machine's apt names no mirror of Debian (see /etc/apt/sources.list.d)")


class Sysroot:
    """One architecture's folder, TOP: TOP/root is the file system, TOP/apt is apt's."""

    def __init__(self, arch, top=None):
        self.arch = arch
        self.top = top or cache_folder(f"{RELEASE}-{arch}")
        self.root = os.path.join(self.top, "root")
        self.done_file = os.path.join(self.top, "unpacked")

    def update(self):
        """The package lists, from the first suite that is whole and is the release."""
        apt = os.path.join(self.top, "apt")
        errors = []
        for suite in SUITES:
            shutil.rmtree(os.path.join(apt, "lists"), ignore_errors=True)
            os.makedirs(apt, exist_ok=True)
            with open(os.path.join(apt, "sources.list"), "w", encoding="ascii") as f:
                f.write(f"deb [arch={self.arch} signed-by={KEYRING}] {mirror()} {suite} main\n")
            try:
                self.apt("update")
                codename = self.apt("indextargets", "--format", "$(CODENAME)").strip()
            except DebianError as e:
                errors.append(str(e))
                continue
            if codename == RELEASE:
                return
            errors.append(f"suite {suite} is {codename}, not {RELEASE}")
        raise DebianError("\n".join(errors))

    def download(self, packages):
        """Into the archive folder; with the package lists of the last hours when they suffice."""
        lists = os.path.join(self.top, "apt", "lists")
        fresh = os.path.exists(lists) and time.time() - os.stat(lists).st_mtime < LISTS_SECONDS
        if fresh:
            try:
                self.apt("install", "--download-only", *packages)
                return
            except DebianError:
                pass
        self.update()
        self.apt("install", "--download-only", *packages)

    def archives(self):
        """The packages that download() has left, as paths."""
        return sorted(glob.glob(os.path.join(self.top, "apt", "archives", "*.deb")))

    def apt(self, *args):
        apt = os.path.join(self.top, "apt")
        for folder in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(apt, folder), exist_ok=True)
        sources = os.path.join(apt, "sources.list")
        status = os.path.join(apt, "status")
        open(status, "a", encoding="ascii").close()
        options = {
            "Dir::State": apt, "Dir::State::lists": f"{apt}/lists", "Dir::State::status": status,
            "Dir::State::extended_states": f"{apt}/extended_states",
            "Dir::Cache": apt, "Dir::Cache::archives": f"{apt}/archives",
            "Dir::Log": apt, "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-", "APT::Architecture": self.arch,
            "APT::Architectures": self.arch, "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false", "Acquire::Languages": "none",
            "Acquire::Retries": "3", "Dpkg::Use-Pty": "false",
        }
        command = ["apt-get", "-qq", "--yes"]
        command += [part for k, v in options.items() for part in ("-o", f"{k}={v}")]
        run = subprocess.run(command + list(args), capture_output=True, text=True,
                             stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise DebianError(f"apt-get {args[0]} for {RELEASE} {self.arch} failed:\n"
                              + run.stderr.strip())
        return run.stdout

    def unpack(self, deb):
        """Into the root; links such as bin -> usr/bin stay links."""
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as data:
            tar = subprocess.run(["tar", "-C", self.root, "-x", "--keep-directory-symlink",
                                  "--no-same-owner", "--exclude=./dev/*"], stdin=data.stdout)
        if tar.returncode != 0 or data.returncode != 0:
            raise DebianError(f"{deb} could not be unpacked")

    def finish(self):
        """What package scripts would do and programs rely on.  Folders that are empty until a system
        runs are removed: below a prefix for file names they would hide this machine's."""
        for name in ("boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys",
                     "tmp"):
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(self.root, name))
        for name in ("passwd", "group"):
            master = os.path.join(self.root, "usr/share/base-passwd", f"{name}.master")
            target = os.path.join(self.root, "etc", name)
            if os.path.exists(master) and not os.path.exists(target):
                shutil.copy(master, target)

    def prepare(self):
        for name in ("bin", "sbin", "lib", "lib64"):
            os.makedirs(os.path.join(self.root, "usr", name), exist_ok=True)
            link = os.path.join(self.root, name)
            if not os.path.islink(link):
                os.symlink(f"usr/{name}", link)

    def add(self, packages):
        """Makes sure that `packages` and their dependencies are unpacked."""
        with open(os.path.join(self.top, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = set()
            if os.path.exists(self.done_file):
                with open(self.done_file, encoding="ascii") as f:
                    done = set(f.read().split())
            if set(packages) <= done:
                return self.root
            print(f"fetching {RELEASE} {self.arch}: {' '.join(sorted(set(packages) - done))}",
                  file=sys.stderr, flush=True)
            self.prepare()
            self.download(packages)
            with open(self.done_file, "a", encoding="ascii") as f:
                for deb in self.archives():
                    name = os.path.basename(deb).split("_")[0]
                    if name not in done:
                        self.unpack(deb)
                        f.write(name + "\n")
                        f.flush()
                    os.unlink(deb)
                self.finish()
                f.writelines(p + "\n" for p in packages)
        return self.root


def sysroot(arch, packages):
    """The folder with `packages` (and their dependencies) of the release for `arch`."""
    return Sysroot(arch).add(packages)


def command(root, path):
    """How to start the program `path` of the amd64 sysroot `root` on this machine: through the
    release's own dynamic linker, unless it is static."""
    program = os.path.join(root, path)
    linker = os.path.join(root, "lib64", "ld-linux-x86-64.so.2")
    with open(program, "rb") as f:
        if b"ld-linux-x86-64.so.2" not in f.read(4096):
            return [program]
    return [linker, "--library-path", os.path.join(root, "usr/lib/x86_64-linux-gnu"), program]


def qemu_riscv64():
    """The release's qemu-riscv64 as a command."""
    return command(sysroot("amd64", ["qemu-user"]), "usr/bin/qemu-riscv64")


# The names under which a mirror has a release, as for SUITES.
SOURCE_SUITES = {"bookworm": ("bookworm", "oldstable"), "trixie": SUITES}


def download_source(folder, release, package):
    """The .orig.tar of `package` in `folder`; apt checks it against the signed index."""
    options = ["-o", f"Dir::State={folder}", "-o", f"Dir::State::lists={folder}/lists",
               "-o", f"Dir::State::status={folder}/status", "-o", f"Dir::Cache={folder}",
               "-o", f"Dir::Etc::sourcelist={folder}/sources.list",
               "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=",
               "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"]
    for name in ("lists/partial", "archives/partial"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    open(os.path.join(folder, "status"), "a", encoding="ascii").close()
    errors = []
    for suite in SOURCE_SUITES[release]:
        with open(os.path.join(folder, "sources.list"), "w", encoding="ascii") as f:
            f.write(f"deb-src [signed-by={KEYRING}] {mirror()} {suite} main\n")
        for command in (["update"], ["source", "--download-only", package]):
            run = subprocess.run(["apt-get", "-qq", *options, *command], cwd=folder,
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if run.returncode != 0:
                errors.append(run.stderr.strip())
                break
        else:
            return next(os.path.join(folder, n) for n in sorted(os.listdir(folder))
                        if ".orig.tar" in n and not n.endswith(".asc"))
    raise DebianError(f"the source of {package} in {release} could not be fetched:\n"
                      + "\n".join(errors))


# What the suites take of QEMU's source: plugins, tests that guests run, the scripts for gdb.
QEMU_SOURCES = ["*/contrib/plugins/*.c", "*/tests/*plugin*/*.c", "*/include/qemu/*.h", "*/tests/tcg/minilib/*",
                "*/tests/tcg/multiarch/*", "*/tests/tcg/riscv64/*", "*/tests/guest-debug/*"]


def source(release, package, patterns):
    """The folder with the files of the package's original source that match tar's `patterns`; other patterns
    mean that it is fetched again."""
    top = cache_folder(f"source-{release}-{package}")
    unpacked = os.path.join(top, "unpacked-" + hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:8])
    with open(os.path.join(top, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(unpacked):
            print(f"fetching the source of {package} in {release}", file=sys.stderr, flush=True)
            tar = download_source(top, release, package)
            shutil.rmtree(unpacked + ".new", ignore_errors=True)
            os.makedirs(unpacked + ".new")
            run = subprocess.run(["tar", "-C", unpacked + ".new", "--strip-components=1", "-xf", tar,
                                  "--wildcards", *patterns])
            if run.returncode != 0:
                raise DebianError(f"{tar} could not be unpacked")
            os.rename(unpacked + ".new", unpacked)
            os.unlink(tar)
    return unpacked


def main(args):
    if len(args) >= 3 and args[0] == "sysroot":
        print(sysroot(args[1], args[2:]))
    elif len(args) >= 4 and args[0] == "source" and args[1] in SOURCE_SUITES:
        print(source(args[1], args[2], args[3:]))
    elif args == ["qemu"]:
        print(" ".join(qemu_riscv64()))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DebianError as e:
        sys.exit(f"debian.py: {e}")
