# SPDX-License-Identifier: Apache-2.0
"""Whole systems: Debian from power-on to power-off.  Cases of machines.py."""

import contextlib
import functools
import http.server
import os
import shutil
import tempfile
import threading

import rootfs
import suite
from guest import CannotRun, Machine, check

PROGRAM = r"""
#include <math.h>
#include <stdio.h>
#include <sys/utsname.h>
int main(void)
{
    struct utsname u;
    double sum = 0;

    for (int i = 1; i <= 1000000; i++) {
        sum += 1.0 / i / i;
    }
    uname(&u);
    printf("%s %.9f\n", u.machine, sqrt(6 * sum));
}
"""


# systemd's units may take as long as they do.
SLOW = "systemd.default_timeout_start_sec=3600 systemd.default_device_timeout_sec=3600"


def tool(*command):
    r = suite.run(command)
    check(r.status == 0, f"{suite.shell(command)}: {suite.status_text(r.status)}: "
          f"{(r.output + r.errors).decode(errors='replace')[-800:]}")


def sound(ketch, disk, folder):
    """The image is in order, and the file system in it."""
    raw = os.path.join(folder, "raw")
    tool(ketch, "image", "convert", "-q", "-f", "qcow2", "-O", "raw", disk, raw)
    tool("e2fsck", "-fn", raw)
    os.unlink(raw)
    tool(ketch, "image", "check", "-f", "qcow2", disk)
    if shutil.which("qemu-img"):
        tool("qemu-img", "check", "-f", "qcow2", disk)


@contextlib.contextmanager
def served(folder):
    """A web server for the folder on 127.0.0.1; its port."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def log_in(m):
    m.expect("guest login: ", 1200)
    m.send("root\n")
    m.expect("Password: ")
    m.send(f"{rootfs.PASSWORD}\n")
    m.expect("root@guest:~# ")
    m.send("PS1=ready\\>\\  exec sh\n")  # whose echo is the line as it is
    m.expect("ready> ")


def debian_session(m, port):
    state = m.run("systemctl is-system-running --wait || systemctl --failed --plain")
    check(state == "running", f"systemd's state: {state}")
    m.run("/lib/systemd/systemd-networkd-wait-online --timeout=300")
    check("10.0.2.15/24" in m.run("ip -color=never -4 addr show"), "no address by DHCP")
    m.run(f"echo 'deb [trusted=yes] http://10.0.2.2:{port} ./' > /etc/apt/sources.list")
    m.run("apt-get -q update")
    m.run(f"DEBIAN_FRONTEND=noninteractive apt-get -qy install {' '.join(rootfs.EXTRA)}")
    check(m.run(f"echo '2^100' | {rootfs.PROGRAM}") == str(2 ** 100), "what was installed computes wrong")
    m.run("cat > sum.c <<'END'" + PROGRAM + "END\n:")
    m.run("gcc -O2 -Wall -o sum sum.c -lm")
    check(m.run("./sum") == "riscv64 3.141591699", "the program computes wrong")
    m.run("sha256sum /usr/bin/* > /root/sums")


def debian_case(options, linux):
    """A disk with the cached one as its backing file; systemd, apt, gcc, power-off; what was written is
    there at the next boot."""
    try:
        disk = rootfs.Disk(options.ketch)
    except CannotRun as e:
        return f"skip: {e}"
    with tempfile.TemporaryDirectory() as folder, served(folder) as port:
        rootfs.repository(disk.extra, folder)
        work = os.path.join(folder, "work.qcow2")
        tool(options.ketch, "image", "create", "-q", "-f", "qcow2", "-b", disk.path, "-F", "qcow2", work)
        for session, bus, harts in ((lambda m: debian_session(m, port), "device", "1"),
                                    (lambda m: m.run("sha256sum --quiet -c sums"), "pci", "2")):
            args = ["-drive", f"file={work},format=qcow2,backing=on,if=none,id=d", "-netdev", "user,id=n",
                    "-device", f"virtio-blk-{bus},drive=d", "-device", f"virtio-net-{bus},netdev=n"]
            with Machine(options.ketch, *args, "-smp", harts, linux=linux, memory="512M",
                         append=f"modules=ext4 disk=/dev/vda {SLOW}") as m:
                log_in(m)
                session(m)
                m.send("poweroff\n")
                m.end()
            sound(options.ketch, work, folder)
    return None


def linux_cases(options, linux, folder):
    return [("Debian", lambda: debian_case(options, linux))]
