# SPDX-License-Identifier: Apache-2.0
"""Networks of machines: the host's by libslirp with forwarded ports and names, a TAP device, a cable
between two machines.  Cases of machines.py; those that need a network of their own run as
`network.py CASE KETCH KERNEL INITRD` under unshare(1)."""

import contextlib
import fcntl
import hashlib
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import types

from guest import Failed, Machine, check
import suite

USER = ["-device", "virtio-net-device,netdev=n", "-netdev"]

# udhcpc's.
LEASE = r"""printf '#!/bin/sh\n[ $1 != bound ] || { ip addr add $ip/$mask dev $interface; """ \
        r"""ip route add default via $router; echo nameserver $dns > /etc/resolv.conf; }\n' > /lease"""


def free_port(kind):
    """None that the kernel gives to those who ask for any: nobody else takes it meanwhile."""
    for port in random.sample(range(10000, 32000), 1000):
        with socket.socket(socket.AF_INET, kind) as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise Failed("no port is free")


@contextlib.contextmanager
def booted(options, linux, *args, fds=()):
    with Machine(options.ketch, *args, linux=linux, fds=fds) as m:
        m.up()
        yield m
        m.send("poweroff -f\n")
        m.end()


def get_address(m):
    """By DHCP."""
    m.run("mkdir -p /etc && " + LEASE + " && chmod +x /lease")
    m.run("ip link set eth0 up && udhcpc -i eth0 -n -q -s /lease >/dev/null")
    check("10.0.2.15/24" in m.run("ip addr show dev eth0"), "no address by DHCP")


def sent_back(address, data):
    """What a TCP service at the address answers to the data."""
    with socket.create_connection(address, suite.PATIENCE) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = bytearray()
        while len(got) < len(data) and (more := s.recv(1 << 16)):
            got += more
        sender.join()
        return bytes(got)


def datagram_back(address, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        for _ in range(suite.PATIENCE // 2):
            s.sendto(data, address)
            with contextlib.suppress(TimeoutError):
                return s.recv(65536)
    return None


def services(m):
    """In the guest: TCP on 7000, UDP on 7001."""
    m.run("(nc -ll -p 7000 -e cat &) && (echo-udp 7001 &)")
    m.run("until grep -q :1B58.*:0000.0A /proc/net/tcp*; do usleep 10000; done")
    m.run("until grep -q :1B59 /proc/net/udp*; do usleep 10000; done")


def check_services(tcp, udp):
    data = random.Random(4).randbytes(1 << 20)
    for _ in range(3):
        check(sent_back(tcp, data) == data, "TCP: not what was sent")
    for size in (1, 1400, 9000) if udp else ():
        check(datagram_back(udp, data[:size]) == data[:size][::-1], f"UDP, {size} bytes: not what was sent")


def forward_case(options, linux, restrict):
    """Ports of this machine that are the guest's; with restrict=on nothing else (libslirp then drops
    what the guest sends by UDP, answers included)."""
    tcp, udp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    network = f"user,id=n,hostfwd=tcp::{tcp}-:7000,hostfwd=udp:127.0.0.1:{udp}-10.0.2.15:7001"
    with socket.create_server(("127.0.0.1", 0)) as server, \
            booted(options, linux, *USER, network + (",restrict=on" if restrict else "")) as m:
        get_address(m)
        services(m)
        check_services(("127.0.0.1", tcp), None if restrict else ("127.0.0.1", udp))
        there = f"10.0.2.2 {server.getsockname()[1]}"
        if restrict:
            m.run(f"! nc -w 3 {there} </dev/null")
            return
        m.run("head -c 3000000 /dev/urandom > /tmp/file")
        m.send(f"nc {there} < /tmp/file\n")
        server.settimeout(suite.PATIENCE)
        client, _ = server.accept()
        with client:
            got = hashlib.sha256()
            size = 0
            while size < 3000000 and (more := client.recv(1 << 16)):
                got.update(more)
                size += len(more)
        m.expect("ready> ")
        check(m.run("sha256sum < /tmp/file").split()[0] == got.hexdigest(), "the upload differs")
        m.run("! nc -w 3 10.0.2.2 1 </dev/null")


def user_case(options, linux, folder):
    """What a network of the kind user does besides: files by TFTP, commands of the host, names told by DHCP, ports that
    are forwarded while it runs."""
    shared, sock, port = os.path.join(folder, "tftp"), os.path.join(folder, "user"), free_port(socket.SOCK_STREAM)
    os.mkdir(shared)
    with open(os.path.join(shared, "file"), "wb") as f:
        f.write(b"by TFTP\n" * 200)
    network = (f"user,id=n,net=10.9.0.0/24,tftp={shared},bootfile=file,dnssearch=one.example,dnssearch=two.example,"
               "domainname=toy.example,guestfwd=tcp:10.9.0.100:99-cmd:echo from the host,ipv6-net=fd00:9::/64")
    with booted(options, linux, *USER, network, "-qmp", f"unix:{sock},server=on,wait=off") as m:
        m.run("ip link set eth0 up")
        m.run(r"printf '#!/bin/sh\nenv\n' > /show && chmod +x /show")
        told = m.run("udhcpc -i eth0 -n -q -s /show -O search -O domain -O bootfile 2>&1")
        m.run("ip addr add 10.9.0.15/24 dev eth0")
        for what in ("search=one.example two.example", "domain=toy.example", "boot_file=file"):
            check(what in told, f"no {what} in: {told}")
        got = m.run("tftp -g -r file -l /tmp/got 10.9.0.2 2>/dev/null && sort /tmp/got | uniq -c")
        check(got == "200 by TFTP", f"the file is {got}")
        check(m.run("nc 10.9.0.100 99 </dev/null") == "from the host", "the command was not started")
        services(m)
        for line, answer in 2 * [(f"hostfwd_add tcp::{port}-:7000", ""), (f"hostfwd_remove n tcp::{port}", "")] + [
                (f"hostfwd_remove tcp::{port}", "not forwarded"), ("hostfwd_add n here", "not tcp"),
                ("hostfwd_add x tcp::1-:1", "no network 'x'")]:
            said = suite.run([options.ketch, "monitor", sock, line]).output.decode()
            check(answer in said and bool(answer) == bool(said), f"{line}: {said}")
            if "add tcp" in line:
                check(sent_back(("127.0.0.1", port), b"hello") == b"hello", "the new port does not lead to the guest")


def cable_case(options, linux, kind):
    """Two machines, joined by a pair of sockets."""
    ends = socket.socketpair(socket.AF_UNIX, kind)
    args = [[*USER[:2], "-netdev", f"socket,id=n,fd={end.fileno()}"] for end in ends]
    args[1][1] += ",mac=52:54:00:12:34:57"
    with booted(options, linux, *args[0], fds=[ends[0].fileno()]) as one, \
            booted(options, linux, *args[1], fds=[ends[1].fileno()]) as other:
        for end in ends:
            end.close()
        for number, m in enumerate((one, other)):
            m.run(f"ip addr add 10.1.0.{number + 1}/24 dev eth0 && ip link set eth0 up")
        other.run("ping -c 3 10.1.0.1")
        services(one)
        other.run("head -c 2000000 /dev/urandom > /tmp/file")
        other.run("(cat /tmp/file; until [ -e /tmp/back ]; do usleep 10000; done) | nc 10.1.0.1 7000 | "
                  "(head -c 2000000 >/tmp/new; mv /tmp/new /tmp/back)")
        other.run("cmp /tmp/file /tmp/back")


# ---- In a network of their own ----

def tap_case(options, linux):
    """A TAP device by its descriptor: the host and the guest are neighbours."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    request = struct.pack("<16sH22x", b"tap0", 0x1002)  # IFF_TAP | IFF_NO_PI
    fcntl.ioctl(fd, 0x400454ca, request)  # TUNSETIFF
    for command in ("ip addr add 10.2.0.1/24 dev tap0", "ip link set tap0 up"):
        subprocess.run(command.split(), check=True)
    with booted(options, linux, *USER, f"tap,id=n,fd={fd}", fds=[fd]) as m:
        m.run("ip addr add 10.2.0.2/24 dev eth0 && ip link set eth0 up")
        m.run("ping -c 3 10.2.0.1")
        services(m)
        check_services(("10.2.0.2", 7000), ("10.2.0.2", 7001))


def name_server(address):
    """Knows one.test, 192.0.2.7, and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(address)
        while True:
            query, client = s.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            known = query[12:end - 4].lower() == b"\3one\4test\0"
            address_asked = query[end - 4:end - 2] == b"\0\1"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([192, 0, 2, 7]) if known and address_asked else b""
            s.sendto(query[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" +
                     struct.pack(">H", bool(answer)) + bytes(4) + query[12:end] + answer, client)


def names_case(options, linux):
    """The guest asks 10.0.2.3 for names, which is the name server of this machine."""
    threading.Thread(target=name_server, args=(("127.0.0.1", 53),), daemon=True).start()
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("nameserver 127.0.0.1\n")
        f.flush()
        subprocess.run(["mount", "--bind", f.name, os.path.realpath("/etc/resolv.conf")], check=True)
        with booted(options, linux, *USER, "user,id=n") as m:
            get_address(m)
            check(m.run("cat /etc/resolv.conf") == "nameserver 10.0.2.3", "another name server")
            check("192.0.2.7" in m.run("nslookup one.test"), "the name is not found")
            m.run("! nslookup two.test")


def own_network(options, linux, case):
    """The case in a network and with mounts of its own."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return "skip: a network of its own needs root's rights, unshare and ip"
    names = os.path.realpath("/etc/resolv.conf")
    needs = {"tap": ["ip", "tuntap", "add", "tap0", "mode", "tap"], "names": ["mount", "--bind", names, names]}
    r = suite.run(["unshare", "-nm", *needs[case]])
    if r.status:
        return f"skip: {suite.shell(needs[case])} in a network of its own: {r.errors.decode(errors='replace').strip()}"
    r = suite.run(["unshare", "-nm", sys.executable, __file__, case, options.ketch, linux.kernel, linux.initrd], 3600)
    return None if r.status == 0 else (r.output + r.errors).decode(errors="replace")[-1500:]


def main(case, ketch, kernel, initrd):
    options = types.SimpleNamespace(ketch=ketch)
    linux = types.SimpleNamespace(kernel=kernel, initrd=initrd)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        {"tap": tap_case, "names": names_case}[case](options, linux)
    except Failed as e:
        sys.exit(str(e))


def linux_cases(options, linux, folder):
    return [
        ("network, user", lambda: user_case(options, linux, folder)),
        ("network, forwarded ports", lambda: forward_case(options, linux, False)),
        ("network, restricted", lambda: forward_case(options, linux, True)),
        ("network, cable of datagrams", lambda: cable_case(options, linux, socket.SOCK_DGRAM)),
        ("network, cable of a stream", lambda: cable_case(options, linux, socket.SOCK_STREAM)),
        ("network, TAP", lambda: own_network(options, linux, "tap")),
        ("network, names", lambda: own_network(options, linux, "names")),
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
