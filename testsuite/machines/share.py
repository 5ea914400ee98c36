# SPDX-License-Identifier: Apache-2.0
"""A folder of the host, mounted by Linux in the machine.  Cases of machines.py."""

import contextlib
import hashlib
import os
import random
import stat

from guest import Machine, check

ATTRIBUTE = "user.colour"


def write(*parts, data):
    path = os.path.join(*parts)
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(*parts):
    with open(os.path.join(*parts), "rb") as f:
        return f.read()


def sums(text):
    """{name: digest} of sha256sum's output."""
    return {name: digest for digest, name in (line.split(None, 1) for line in text.splitlines())}


class Share:
    """The folder, with a secret beside it."""

    def __init__(self, top):
        self.path = os.path.join(top, "share")
        os.makedirs(os.path.join(self.path, "sub"))
        self.secret = write(top, "secret", data=b"secret")
        self.big = random.Random(9).randbytes(3000001)
        write(self.path, "big", data=self.big)
        write(self.path, "a name, with spaces \u00e9", data=b"spaces")
        for i in range(700):
            write(self.path, "sub", f"a-longer-name-for-file-number-{i}", data=b"%d" % i)
        os.symlink("../secret", os.path.join(self.path, "outside"))
        os.symlink(self.secret, os.path.join(self.path, "absolute"))
        os.symlink("big", os.path.join(self.path, "inside"))
        os.mkfifo(os.path.join(self.path, "fifo"))

    @contextlib.contextmanager
    def machine(self, options, linux, *more, mount="trans=virtio,version=9p2000.L,msize=131072"):
        # As scripts for QEMU write it: -virtfs where the guest may write, -fsdev and -device where not.
        if "writable=on" in more:
            share = ["-virtfs", f"local,path={self.path},mount_tag=host,security_model=none,readonly=off"]
        else:
            share = ["-fsdev", f"local,id=f,path={self.path},security_model=none", "-device",
                     "virtio-9p-pci,fsdev=f,mount_tag=host"]
        with Machine(options.ketch, *share, linux=linux, append="modules=9p") as m:
            m.up()
            m.run(f"mkdir /host && mount -t 9p -o {mount} host /host && cd /host")
            yield m
            m.send("cd /; umount /host; poweroff -f\n")
            m.end()


def read_only_case(options, linux, top):
    share = Share(top)
    with_attributes = True
    try:
        os.setxattr(os.path.join(share.path, "big"), ATTRIBUTE, b"blue")
    except OSError:
        with_attributes = False
    with share.machine(options, linux) as m:
        digest = hashlib.sha256(share.big).hexdigest()
        check(sums(m.run("sha256sum big inside")) == {"big": digest, "inside": digest}, "big differs")
        check(m.run("cat 'a name, with spaces '*") == "spaces", "the name with spaces")
        check(m.run("ls sub | wc -l; cat sub/* | wc -c") == f"700\n{sum(len(str(i)) for i in range(700))}",
              "files are missing")
        check(m.run("readlink outside") == "../secret", "a link is not shown")
        m.run("! cat outside && ! cat absolute && ! cat /host/../secret")
        for change in ("echo x > new", "echo x >> big", "mkdir d", "rm big", "mv big b", "ln -s x y", "ln big y",
                       "mkfifo p", "chmod 600 big", "touch big", ": > big"):
            m.run(f"! ({change})")
        if with_attributes:
            check("blue" in m.run(f"getfattr -n {ATTRIBUTE} big"), "no extended attribute")
        write(share.path, "late", data=b"later")
        check(m.run("cat late") == "later", "what the host writes is not there")
    check(sorted(os.listdir(share.path)) == sorted(["a name, with spaces \u00e9", "absolute", "big", "fifo", "inside",
                                                    "late", "outside", "sub"]), "something was changed")
    check(read(share.path, "big") == share.big, "big was changed")


def writable_case(options, linux, top):
    share = Share(top)
    with share.machine(options, linux, "writable=on") as m:
        m.run("cp big copy && mkdir -p d/e && mv copy d/e/ && cp -r sub d && sync")
        m.run("ln -s ../../etc/passwd link && ln big hard && mkfifo pipe && mknod file p")
        m.run("! mknod null c 1 3 && ! [ -e null ]")
        m.run("(echo through > pipe &) && [ $(cat pipe) = through ]")
        m.run("echo one > log && echo two >> log && chmod 640 log && touch -d '2001-02-03 04:05:06' log")
        m.run("dd if=/dev/zero of=sparse bs=1 count=1 seek=999999 2>/dev/null && truncate -s 5000 sparse")
        m.run("echo x > outside; ! echo x > absolute")  # the guest's own /secret; no such folder there
        m.run("chown 0:0 log || [ $(stat -c %u log) != 0 ]")
        m.run("cd d/e && rm -r ../sub && cd ../.. && rm 'inside'")
        m.run("i=0; while [ $i -lt 200 ]; do echo $i > t; mv t d/n$i; i=$((i+1)); done")
        m.run("exec 3<big && rm hard && head -c 10 <&3 >/dev/null; exec 3<&-")
    check(read(share.path, "d/e/copy") == share.big, "the copy differs")
    check(not os.path.exists(os.path.join(share.path, "d/sub")), "the removed folder is there")
    check(os.readlink(os.path.join(share.path, "link")) == "../../etc/passwd", "another link")
    check(stat.S_ISFIFO(os.stat(os.path.join(share.path, "pipe")).st_mode), "no pipe")
    status = os.stat(os.path.join(share.path, "log"))
    check(read(share.path, "log") == b"one\ntwo\n" and stat.S_IMODE(status.st_mode) == 0o640 and
          int(status.st_mtime) == 981173106, f"log: {read(share.path, 'log')} {status}")
    check(read(share.path, "sparse") == bytes(5000), "sparse")
    check([read(share.path, f"d/n{i}") for i in range(200)] == [b"%d\n" % i for i in range(200)], "d/n*")
    with open(share.secret, "rb") as f:
        check(f.read() == b"secret", "the secret was changed")
    check(sorted(os.listdir(top)) == ["secret", "share"], "something is outside")


def linux_cases(options, linux, folder):
    def own(name):
        path = os.path.join(folder, name)
        os.mkdir(path)
        return path

    return [("shared folder", lambda: read_only_case(options, linux, own("share-r"))),
            ("shared folder, writable", lambda: writable_case(options, linux, own("share-w")))]
