#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ketch vm`: Debian's kernel boots under OpenSBI and powers off; disks, networks, monitors; device
trees like QEMU's; what wrong options say."""

import hashlib
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import guest  # noqa: E402
import boot  # noqa: E402
import control  # noqa: E402
import debian  # noqa: E402
import kills  # noqa: E402
import network  # noqa: E402
import share  # noqa: E402
import stress  # noqa: E402
import suite  # noqa: E402  (guest has put its folder on the path)
import systems  # noqa: E402
import tree  # noqa: E402
from guest import Failed, Machine, check  # noqa: E402


UBOOT = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"


# ---- The command line: arguments, exit status, what the sentence has ----

COMMANDS = [
    ("vm", 78, "--non-security"),
    ("vm -kernel none -m 64M", 78, "--non-security"),
    ("vm --isolation=require", 78, "--non-security"),
    ("vm --isolation=perhaps", 1, "'perhaps'"),
    ("vm --frobnicate", 1, "'--frobnicate'"),
    ("vm kernel", 1, "'kernel'"),
    ("vm -m", 1, "needs SIZE"),
    ("vm -m lots", 1, "'lots'"),
    ("vm --non-security -m 4M", 1, "from 8M"),
    ("vm -smp 9", 1, "from 1 to 8"),
    ("vm -smp cores=3,threads=3", 1, "from 1 to 8"),
    ("vm -smp 3,cores=2", 1, "topology"),
    ("vm -smp 2,maxcpus=4", 1, "'4'"),
    ("vm -smp cores=2,threads=2,maxcpus=4", 78, "--non-security"),
    ("vm -M virt,usb=on", 1, "usb is off"),
    ("vm -M virt,acpi=off,aia=none,usb=off,graphics=off", 78, "--non-security"),
    ("vm -accel tcg,thread=single", 1, "thread is multi"),
    ("vm -accel tcg,thread=multi,tb-size=64,one-insn-per-tb=on", 78, "--non-security"),
    ("vm -accel tcg,tb-size=0", 1, "megabytes"),
    ("vm -uuid 1234", 1, "'1234'"),
    ("vm -name guest=x,debug-threads=off", 1, "debug-threads is on"),
    ("vm -rtc base=yesterday", 1, "'yesterday'"),
    ("vm -rtc clock=rt", 1, "'rt'"),
    ("vm -rtc base=2020-02-30", 1, "'2020-02-30'"),
    ("vm -action panic=pause", 1, "'panic=pause'"),
    ("vm -action reboot=never", 1, "'never'"),
    ("vm -mon x,mode=control,pretty=perhaps", 1, "'perhaps'"),
    ("vm -M virt,accel=kvm:tcg -accel kvm -accel tcg -bios default -m 1.5G -qmp-pretty none -net none", 78, "--non-security"),
    ("vm -M virt,accel=kvm:hvf", 1, "accel is tcg"),
    ("vm -m 1.5", 1, "'1.5'"),
    ('vm -M none -audiodev {{"id":"a","driver":"none"}} -audiodev none,id=b', 78, "--non-security"),
    ("vm -audiodev alsa,id=a", 1, "'alsa,id=a'"),
    ("vm -add-fd set=1", 1, "'set=1'"),
    ("vm -add-fd set=1,fd=99", 1, "passed on"),
    ("vm --non-security -chardev socket,id=x,fd=99,server=on", 1, "'99'"),
    ("vm --non-security -chardev socket,id=x,fd=0", 1, "'0'"),
    ("vm --non-security -object memory-backend-file,id=m,size=128M", 1, "mem-path="),
    ("vm --non-security -object memory-backend-file,id=m,size=128M,mem-path=/nowhere/x -M virt,memory-backend=m", 1, "/nowhere/x"),
    ("vm -msg timestamp=on", 1, "timestamp is off"),
    ('vm -device {{"id":"x"}}', 1, 'needs "driver"'),
    ('vm -netdev {{"type":', 1, "Parse error"),
    ('vm --non-security -netdev {{"type":"user","id":"n","hostfwd":[{{"str":"udp:x"}}]}}', 1, "udp:x"),
    ('vm --non-security -object {{"qom-type":"pigeon","id":"x"}}', 1, "there are: rng-random"),
    ("vm --non-security -net nic -net pigeon", 1, "'pigeon'"),
    ("vm --non-security -net nic,speed=9 -net user", 1, "'speed=9'"),
    ("vm --non-security -net nic -net nic", 1, "there is '-net nic' already"),
    ("vm --non-security -device virtio-rng-pci,addr=0", 1, "0x1 to 0x1f"),
    ("vm --non-security -device virtio-rng-pci,addr=20", 1, "0x1 to 0x1f"),
    ("vm --non-security -device virtio-rng-pci,addr=4.1", 1, "one function"),
    ("vm --non-security -device virtio-rng-pci,id=a,addr=4 -device virtio-rng-pci,addr=04.0", 1, "there is 'a'"),
    ("vm --non-security -device virtio-rng-device,addr=4", 1, "'addr'"),
    ("vm --non-security -device loader,addr=0x80000000,data=1", 1, "data-len="),
    ("vm --non-security -device loader,addr=0x80000000,data=1,data-len=9", 1, "data-len="),
    ("vm --non-security -mon x", 1, "no such -chardev"),
    ("vm --non-security -daemonize -nographic", 1, "leaves the terminal"),
    ("vm --non-security -daemonize -qmp stdio", 1, "leaves the terminal"),
    ("vm --non-security -daemonize -bios /nowhere", 1, "/nowhere: No such file"),
    ("vm --non-security -pidfile /nowhere/x", 1, "/nowhere/x: No such file"),
    ("vm -no-user-config -nodefaults", 78, "--non-security"),
    ("vm --icount=3", 1, "instructions are not counted"),
    ("vm -M toaster", 1, "there are: virt"),
    ("vm -M virt,slots=3", 1, "'slots=3'"),
    ("vm -M virt,aclint=perhaps", 1, "'perhaps'"),
    ("vm --non-security -cpu z80", 1, "'z80'"),
    ("vm --non-security -cpu rv64,wings=on", 1, "wings"),
    ("vm -accel kvm", 1, "'kvm'"),
    ("vm --mmu=none", 1, "'none'"),
    ("vm --non-security -bios /nowhere", 1, "/nowhere: No such file"),
    ("vm --non-security -bios {text} -kernel /nowhere", 1, "/nowhere: No such file"),
    ("vm --non-security -kernel {elf}", 1, "another processor"),
    ("vm --non-security -kernel {short_elf}", 1, "ELF"),
    ("vm --non-security -kernel {gz}", 1, "gzip data is damaged"),
    ("vm --non-security -kernel {empty}", 1, "is empty"),
    ("vm --non-security -kernel {text} -dtb {text}", 1, "is no device tree"),
    ("vm --non-security -initrd {text}", 1, "-initrd needs -kernel"),
    ("vm --non-security -kernel {text} -initrd {big} -m 32M", 1, "larger than the memory"),
    ("vm --non-security -device toaster", 1, "'toaster'"),
    ("vm --non-security -device loader,file={text},addr=0", 1, "not in the memory"),
    ("vm --non-security -device loader,file={text}", 1, "needs addr="),
    ("vm --non-security -device virtio-blk-device,drive=none", 1, "id=none"),
    ("vm --non-security -device virtio-rng-device,colour=red", 1, "'colour'"),
    ("vm --non-security -drive file={text}", 1, "format"),
    ("vm --non-security -drive file={text},format=raw,speed=9", 1, "'speed=9'"),
    ("vm --non-security -drive file={text},format=raw,if=floppy", 1, "'floppy'"),
    ("vm --non-security -drive file={text},format=raw,if=pflash,unit=2", 1, "flash memories 0 and 1"),
    ("vm --non-security -drive file={big},format=raw,if=pflash", 1, "more than"),
    ("vm --non-security -drive file={text},format=raw,werror=stop", 1, "werror is report"),
    ("vm --non-security -drive file={text},format=raw,index=3", 1, "index is 0 here"),
    ("vm --non-security -drive file={text},format=raw,media=tape", 1, "'tape'"),
    ("vm --non-security -drive file={text},format=raw,throttling.iops-total=9", 1, "'throttling.iops-total=9'"),
    ("vm --non-security -snapshot -drive file=/nowhere,format=raw", 1, "/nowhere"),
    ("vm --non-security -blockdev driver=raw,node-name=n", 1, "file.filename=PATH"),
    ("vm --non-security -blockdev driver=raw,node-name=n,file=m", 1, "no node 'm'"),
    ("vm --non-security -blockdev driver=nbd,node-name=n", 1, "'nbd'"),
    ("vm --non-security -blockdev driver=raw,file.filename={text}", 1, "node-name="),
    ('vm --non-security -blockdev {{"driver":', 1, "Parse error"),
    ('vm --non-security -blockdev {{"driver":"raw","node-name":"n","file":{{"filename":"{text}"}},"x":[1]}}', 1, "'x=[]'"),
    ("vm --non-security -M virt,pflash0=n", 1, "id=n"),
    ("vm --non-security -object pigeon,id=x", 1, "there are: rng-random"),
    ("vm --non-security -object rng-random,id=x,filename={text}", 1, "random numbers are the host's"),
    ("vm --non-security -object rng-builtin", 1, "id=ID"),
    ("vm --non-security -object memory-backend-ram,id=x,size=1G", 1, "134217728"),
    ("vm --non-security -M virt,memory-backend=x", 1, "id=x"),
    ("vm --non-security -device virtio-rng-pci,rng=x", 1, "no -object with id=x"),
    ("vm --non-security -device virtio-9p-pci,fsdev=x,mount_tag=t", 1, "no -fsdev with id=x"),
    ("vm --non-security -device virtio-rng-pci,disable-legacy=off", 1, "disable-legacy is on"),
    ("vm --non-security -virtfs local,path=/,mount_tag=t,security_model=mapped-xattr", 1, "'mapped-xattr'"),
    ("vm --non-security -virtfs local,mount_tag=t", 1, "path=FOLDER"),
    ("vm --non-security -nic user,model=e1000", 1, "'e1000'"),
    ("vm --non-security -nic pigeon", 1, "'pigeon'"),
    ("vm -global virtio-mmio.force-legacy=true", 1, "force-legacy is false"),
    ("vm -boot order=d", 1, "'order=d'"),
    ("vm -vga std", 1, "'std'"),
    ("vm -sandbox on", 1, "'on'"),
    ("vm -overcommit mem-lock=on", 1, "mem-lock is off"),
    ("vm -global virtio-mmio.force-legacy=false -boot strict=on -vga none -parallel none -sandbox off", 78, "--non-security"),
    ("vm --non-security -fw_cfg opt/x", 1, "file= and string="),
    ("vm --non-security -serial tcp:localhost:1", 1, "TCP"),
    ("vm --non-security -serial chardev:x", 1, "no such -chardev"),
    ("vm --non-security -chardev pigeon,id=x", 1, "'pigeon'"),
    ("vm --non-security -chardev socket,id=x,path=x,server=maybe", 1, "'server=maybe'"),
    ("vm --non-security -monitor ,", 1, "no place for a monitor"),
    ("vm --non-security -netdev pigeon,id=x", 1, "'pigeon'"),
    ("vm --non-security -netdev user,id=x,tftp=/nowhere", 1, "/nowhere"),
    ("vm --non-security -netdev user,id=x,guestfwd=tcp:10.0.2.100:99", 1, "-cmd:COMMAND"),
    ("vm --non-security -netdev user,id=x,guestfwd=tcp:10.0.2.2:99-cmd:true", 1, "is not free"),
    ("vm --non-security -netdev user,id=x,ipv6-net=fd00::/48", 1, "64 bits"),
    ("vm --non-security -netdev user,id=x,ipv6-dns=here", 1, "not an IPv6 address"),
    ("vm --non-security -chardev null,id=x,logfile=/nowhere/x", 1, "/nowhere/x"),
    ("vm -echr 200", 1, "'200'"),
    ("vm --non-security -monitor tcp:localhost:1", 1, "tcp"),
    ("vm --non-security -monitor stdio -serial stdio", 1, "two of"),
    ("vm --non-security -monitor stdio -qmp stdio", 1, "two of"),
    ("vm -display sdl", 1, "'sdl'"),
    ("vm -d nonsense", 1, "'nonsense'"),
    ("vm --help", 0, "-kernel FILE"),
    ("vm -M help", 0, "virt"),
    ("vm -device help", 0, "virtio-blk-device"),
    ("vm -device virtio-blk-pci,help", 0, "drive="),
    ("vm -chardev help", 0, "ringbuf"),
    ("vm -object help", 0, "rng-random"),
    ("vm -accel help", 0, "tcg"),
    ("vm -display help", 0, "none"),
    ("vm -netdev help", 0, "guestfwd="),
]


def command_files(folder):
    contents = {"text": b"no program, no kernel\n", "empty": b"", "gz": b"\x1f\x8b\x08\0\0\0\0\0\0\0junk",
                "elf": b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(100), "short_elf": b"\x7fELF\2\1",
                "big": b""}
    paths = {}
    for name, data in contents.items():
        paths[name] = os.path.join(folder, name)
        with open(paths[name], "wb") as f:
            f.write(data)
    os.truncate(paths["big"], 40 << 20)
    return paths


def command_case(options, row):
    args, status, pattern = row
    with tempfile.TemporaryDirectory() as folder:  # of its own: disks are locked while they are in use
        r = suite.run([options.ketch, *args.format(**command_files(folder)).split()])
    text = (r.output + r.errors).decode(errors="replace")
    check(r.status == status, f"{suite.status_text(r.status)}, not {status}: {text}")
    check(pattern in text, f"nothing of '{pattern}' in: {text}")
    check(status == 0 or text.count("\n") == 1, f"more than a sentence: {text}")


# ---- Every option with values that it does not have ----

WRONG = ["", ",", "=", "nonsense", "x=y,,z", "-1", "99999999999999999999", "%s%n", "\u00e9\x01", "help,help", "id=",
         "unix:", "file=", "a" * 5000]
# Any text is a value of these, and a file of that name is made for -D.
ANY_TEXT = {"-name", "-append", "-D", "-pidfile"}


def option_names():
    """Of options.def, those that take an argument."""
    with open(os.path.join(suite.TOP, "ui/vm/options.def"), encoding="utf-8") as f:
        return re.findall(r'^OPTION\(\w+, +"(\S+)", +"', f.read(), re.MULTILINE)


def refused_case(options):
    """What QEMU has and Ketch has not is refused with a reason of its own."""
    with open(os.path.join(suite.TOP, "ui/vm/options.def"), encoding="utf-8") as f:
        rows = re.findall(r'^REFUSE\("(\S+)", +"(.*)"\)', f.read(), re.MULTILINE)
    check(len(rows) > 40, f"{len(rows)} rows")
    for name, why in rows:
        r = suite.run([options.ketch, "vm", name, "x"])
        check(r.status == 1 and r.errors.decode() == f"ketch vm: option '{name}': {why}\n", f"{name}: {r.errors}")


def wrong_case(options, name, folder):
    """Each value is refused with a sentence, and nothing is written."""
    empty = os.path.join(folder, "empty" + name)
    os.mkdir(empty)
    refused = 0
    for value in WRONG:
        # The device tree alone is made, so that a value that is right ends at once.
        args = ["vm", "--non-security", "-bios", "none", "-serial", "none", name, value]
        args += [] if name == "-loadvm" else ["-M", "virt,dumpdtb=/dev/null"]
        r = suite.run([options.ketch, *args], cwd=empty)
        text = (r.output + r.errors).decode(errors="replace")
        text = re.sub(r"^ketch: no isolation .*\n", "", text).lstrip()  # the first line of a log
        what = f"{name} {value[:40]!r}: {suite.status_text(r.status)}: {text[:200]}"
        check(r.status in (0, 1), what)
        check(r.status == 0 or (text.startswith("ketch vm: ") and text.count("\n") == 1), what)
        check(not os.listdir(empty), f"{name} {value[:40]!r} has written {os.listdir(empty)}")
        refused += r.status
    check(refused >= len(WRONG) - 4 or name in ANY_TEXT, f"{refused} of {len(WRONG)} values of {name} are refused")


# ---- The device tree ----

# What differs from QEMU's, and why.
OTHER = {"riscv,isa": "our processor", "rng-seed": "random", "riscv,cbom-block-size": "our processor",
         "riscv,cboz-block-size": "our processor"}
MISSING = {"/pmu": "there are no counters of events"}


def tree_case(options, folder, board):
    qemu = shutil.which("qemu-system-riscv64")
    if not qemu:
        return "skip: no qemu-system-riscv64"
    folder, trees = tempfile.mkdtemp(dir=folder), []
    link = os.path.join(folder, "ketch.dtb")
    os.symlink("file.dtb", link)  # what there is is written to
    for name, command in (("qemu", [qemu]), ("ketch", [options.ketch, "vm"])):
        path = os.path.join(folder, f"{name}.dtb")
        r = suite.run([*command, "-M", f"{board},dumpdtb={path}", "-m", "512M", "-smp", "3", "-nographic"])
        check(r.status == 0, f"{name}: {suite.status_text(r.status)}: {r.errors.decode(errors='replace')}")
        with open(path, "rb") as f:
            trees.append(tree.resolve(tree.parse(f.read())))
    check(os.path.islink(link), "dumpdtb has replaced a link")
    theirs, ours = trees
    for path in sorted(set(theirs) | set(ours)):
        if path in MISSING:
            continue
        check(path in ours, f"no node {path}")
        check(path in theirs, f"QEMU has no node {path}")
        for name in sorted((set(theirs[path]) | set(ours[path])) - set(OTHER)):
            check(ours[path].get(name) == theirs[path].get(name),
                  f"{path} {name}: {ours[path].get(name)}, QEMU {theirs[path].get(name)}")
    return None


# ---- Linux ----

def boot_case(options, linux, *args, kernel=None):
    with Machine(options.ketch, *args, linux=linux, kernel=kernel) as m:
        m.up()
        check("riscv64" in m.run("uname -m"), "it is no riscv64")
        harts = args[args.index("-smp") + 1] if "-smp" in args else "1"
        check(m.run("nproc") == harts, "nproc counts wrong")
        check(abs(int(m.run("date +%s")) - time.time()) < 300, "its clock is wrong")
        before = int(m.run("cut -d. -f1 /proc/uptime"))
        m.run("sleep 2")
        went = int(m.run("cut -d. -f1 /proc/uptime")) - before
        check(0 < went < suite.PATIENCE, f"of 2 s it counts {went}")
        m.send("poweroff -f\n")
        m.end()


class Crowded(Machine):
    """More harts than processors."""

    @staticmethod
    def program(ketch):
        some = sorted(os.sched_getaffinity(0))[:2]
        return ["taskset", "-c", ",".join(map(str, some)), *Machine.program(ketch)]


def idle_case(options, linux):
    """In its first seconds behind the prompt a kernel has its harts forget some hundred translations."""
    with Crowded(options.ketch, "-smp", "4", linux=linux) as m:
        m.up()
        before = suite.processor_seconds(m.process.pid)
        time.sleep(5)
        used = suite.processor_seconds(m.process.pid) - before
        # What a boot takes tells how fast this machine is.
        check(used < max(0.3, before / 6),
              f"4 harts that have nothing to do took {used:.2f} s of 5 s, the boot {before:.2f} s")
        m.send("poweroff -f\n")
        m.end()


def interp_case(options, linux):
    """The reference boots, too; it takes 13 s of processor time."""
    with Machine(options.ketch, "--tier=interp", linux=linux) as m:
        m.up(1800)
        check(m.run("echo $((6 * 7))") == "42", "it counts wrong")
        m.send("poweroff -f\n")
        m.end()


def restart_case(options, linux):
    with Machine(options.ketch, linux=linux) as m:
        m.up()
        m.send("reboot -f\n")
        m.up()
        m.send("\x01x")
        m.end()


def console_case(options, linux):
    """Ctrl-a keys; a monitor on the console; the guest stops and goes."""
    with Machine(options.ketch, linux=linux) as m:
        m.up()
        m.send("\x01h")
        m.expect("C-a x")
        m.send("\x01c")
        m.expect(r"\) ")
        m.send("info status\n")
        m.expect("running")
        m.send("info qtree\n")
        m.expect("ns16550a")
        m.send("\x01c")
        check(m.run("echo still $((40 + 2))") == "still 42", "the shell is gone")
        guest.terminate(m)
        m.end(128 + signal.SIGTERM)


def qmp_case(options, folder):
    """-S: nothing runs until `cont`; `quit` ends it."""
    path = os.path.join(folder, "qmp")
    with Machine(options.ketch, "-S", "-qmp", f"unix:{path},server=on,wait=off") as m:
        suite.wait_for(lambda: suite.listens(path), "nobody listens")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(suite.PATIENCE)
            s.connect(path)
            stream = s.makefile("rw")
            check("QMP" in stream.readline(), "no greeting")
            for command, want in (("qmp_capabilities", "return"), ("query-status", '"running": false'),
                                  ("query-isolation", "tcg"), ("cont", "")):
                stream.write(f'{{"execute": "{command}"}}\n')
                stream.flush()
                line = stream.readline()
                check(want.replace(" ", "") in line.replace(" ", ""), f"{command}: {line}")
            m.expect("OpenSBI v")
            stream.write('{"execute": "quit"}\n')
            stream.flush()
            m.end()
    check(not os.path.exists(path), "the socket is left over")


class Qmp:
    """A QMP client: replies, and the events that came before them."""

    def __init__(self, path):
        suite.wait_for(lambda: suite.listens(path), "nobody listens")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(suite.PATIENCE)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rw")
        self.events = []
        self.stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            message = json.loads(self.stream.readline())
            if "event" not in message:
                return message.get("return", message)
            self.events.append(message)

    def event(self, name):
        """The data of the next event of that name."""
        while True:
            for k, message in enumerate(self.events):
                if message["event"] == name:
                    del self.events[:k + 1]
                    return message.get("data")
            self.events.append(json.loads(self.stream.readline()))


# Who ends or resets a machine, and what QMP calls it.
REASONS = (
    ("quit", "SHUTDOWN", False, "host-qmp-quit", lambda m, q: q.ask("quit")),
    ("SIGTERM", "SHUTDOWN", False, "host-signal", lambda m, q: m.process.terminate()),
    ("Ctrl-a x", "SHUTDOWN", False, "host-ui", lambda m, q: m.send("\x01x")),
    ("system_reset", "RESET", False, "host-qmp-system-reset", lambda m, q: q.ask("system_reset")),
)


def reason_case(options, folder, row):
    _, event, by_guest, reason, act = row
    path = os.path.join(folder, reason)
    with Machine(options.ketch, "-qmp", f"unix:{path},server=on,wait=off") as m:
        m.expect("OpenSBI v")
        qmp = Qmp(path)
        act(m, qmp)
        got = qmp.event(event)
        check(got == {"guest": by_guest, "reason": reason}, f"{got}")
        qmp.socket.close()


def reset_case(options, folder):
    """A machine that stands still is reset and goes on standing still."""
    path = os.path.join(folder, "reset")

    def pc(qmp):
        return qmp.ask("human-monitor-command", **{"command-line": "p/x $pc"}).strip()

    with Machine(options.ketch, "-qmp", f"unix:{path},server=on,wait=off") as m:
        m.expect("OpenSBI v")
        qmp = Qmp(path)
        qmp.ask("stop")
        check(pc(qmp) != "0x1000", "it has not run")
        qmp.ask("system_reset")
        qmp.event("RESET")
        suite.wait_for(lambda: pc(qmp) == "0x1000", "it is not where a reset starts")
        time.sleep(0.2)
        check(pc(qmp) == "0x1000", "it runs")
        check(qmp.ask("query-status") == {"running": False, "status": "paused"}, "it is not paused")
        qmp.ask("cont")
        m.expect("OpenSBI v")
        qmp.socket.close()


def disk_case(options, linux, folder):
    """Two disks, one behind each transport; what the guest writes is in the files, but not with -snapshot."""
    args = []
    for name in ("mmio", "pci"):
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(name.encode().ljust(512, b".") + bytes((1 << 20) - 512))
    args = ["-drive", f"file={folder}/mmio,format=raw,if=none,id=mmio", "-device", "virtio-blk-device,drive=mmio,serial=mmio",
            "-blockdev", json.dumps({"driver": "file", "filename": f"{folder}/pci", "node-name": "file"}),
            "-blockdev", json.dumps({"driver": "raw", "file": "file", "node-name": "pci", "cache": {"direct": False}}),
            "-object", "iothread,id=io", "-device",
            json.dumps({"driver": "virtio-blk-pci", "drive": "pci", "serial": "pci", "iothread": "io", "bus": "pcie.0",
                        "addr": "0x7"})]
    with Machine(options.ketch, "-snapshot", *args, linux=linux) as m:
        m.up()
        check(m.run("cat /sys/bus/pci/devices/0000:00:07.0/device") == "0x1042", "the disk is in another slot")
        for disk in ("vda", "vdb"):
            m.run(f"yes | dd of=/dev/{disk} bs=4096 count=16 iflag=fullblock conv=fsync 2>/dev/null")
            check(m.run(f"head -c 4 /dev/{disk}") == "y\ny", "the guest does not see what it has written")
        m.send("poweroff -f\n")
        m.end()
    for name in ("mmio", "pci"):
        with open(os.path.join(folder, name), "rb") as f:
            check(f.read() == name.encode().ljust(512, b".") + bytes((1 << 20) - 512), f"{name}: -snapshot has changed it")
    with Machine(options.ketch, *args, linux=linux) as m:
        m.up()
        for name in ("mmio", "pci"):
            disk = m.run(f"grep -l {name} /sys/block/vd*/serial | cut -d/ -f4")
            check(m.run(f"head -c {len(name)} /dev/{disk}") == name, f"{disk} is not {name}")
            m.run(f"yes {name}{name} | dd of=/dev/{disk} bs=4096 count=16 seek=1 iflag=fullblock "
                  "conv=fsync 2>/dev/null")
        m.send("poweroff -f\n")
        m.end()
    for name in ("mmio", "pci"):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        want = (f"{name}{name}\n".encode() * 16384)[:65536]
        check(data[4096:4096 + 65536] == want and len(data) == 1 << 20, f"{name}: not what was written")


def net_case(options, linux):
    """User networking: an address by DHCP, a file from this machine."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello from the host\n" * 1000)

        def do_POST(self):
            got = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(hashlib.md5(got).hexdigest().encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Machine(options.ketch, "-net", "nic,model=virtio-net-device,macaddr=52:54:00:00:00:07", "-net", "user",
                     linux=linux) as m:
            m.up()
            check(m.run("cat /sys/class/net/eth0/address") == "52:54:00:00:00:07", "its address is another")
            m.run("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
            got = m.run(f"wget -qO- http://10.0.2.2:{server.server_port}/ | sort | uniq -c")
            check(got == "1000 hello from the host", got)
            m.run("cat /bin/busybox /bin/busybox /bin/busybox > /tmp/big")
            m.run("n=$(wc -c < /tmp/big)")
            m.run("echo POST / HTTP/1.0 > /tmp/post")
            m.run("echo Content-Length: $n >> /tmp/post; echo >> /tmp/post")
            m.run(f"cat /tmp/post /tmp/big | nc 10.0.2.2 {server.server_port} > /tmp/got")
            got = m.run("tail -n 1 /tmp/got; md5sum < /tmp/big")
            check(re.fullmatch(r"(\w{32})\1\s+-", got), f"what was sent and what came: {got}")
            m.send("poweroff -f\n")
            m.end()
    finally:
        server.shutdown()


def manual_case():
    """docs/ketch-vm.1 says what ui/vm/options.def says."""
    r = suite.run([sys.executable, os.path.join(suite.TOP, "tools/vm_man.py"), "--check"])
    check(r.status == 0, r.output.decode())


def check_case(options):
    """Firmware runs under --check, in regions, too."""
    with Machine(options.ketch, "--check", "--tier-threshold", "50", "-smp", "2") as m:
        m.expect("OpenSBI v")
        m.expect("Boot HART MEDELEG")
        m.send("\x01x")
        m.end()


def uboot_case(options):
    with Machine(options.ketch, "-kernel", UBOOT) as m:
        m.expect("Flash: 32 MiB")
        m.expect("Hit any key")
        m.send(" ")
        m.expect("=> ")
        m.send("md.l 0x80200000 1\n")
        m.expect("(?s)80200000: .*=> ")
        m.send("poweroff\n")
        m.end()


def edk2_case(options, folder):
    """Debian's EDK2 runs in flash memory, as QEMU starts it, and reaches its shell."""
    try:
        root = debian.sysroot("riscv64", ["qemu-efi-riscv64"])
    except (debian.DebianError, OSError) as e:
        return f"skip: {e}"
    place = os.path.join(root, "usr/share/qemu-efi-riscv64/RISCV_VIRT_")
    variables = os.path.join(folder, "variables.fd")
    shutil.copyfile(f"{place}VARS.fd", variables)
    with Machine(options.ketch, "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={place}CODE.fd", "-drive",
                 f"if=pflash,unit=1,format=raw,file={variables}") as m:
        m.expect("Shell> ")
        m.send("ver\r")
        m.expect("UEFI v2")
        m.send("reset -s\r")
        m.end()
    with open(variables, "rb") as f, open(f"{place}VARS.fd", "rb") as fresh:
        check(f.read() != fresh.read(), "it has kept no variables")
    return None


def terminal_case(options, how):
    """The terminal is as it was, however the machine ends."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    child = subprocess.Popen([options.ketch, "vm", "--non-security", "-nographic"], stdin=slave,
                             stdout=slave, stderr=slave, start_new_session=True)
    try:
        text = b""
        while b"OpenSBI v" not in text:
            ready, _, _ = select.select([master], [], [], suite.PATIENCE)
            check(ready and child.poll() is None, f"no firmware, {child.poll()}: {text[-1000:]}")
            text += os.read(master, 4096)
        check(termios.tcgetattr(slave)[3] != before[3], "the terminal is not raw")
        if how == "key":
            os.write(master, b"\x01x")
        else:
            child.send_signal(how)
        child.wait(suite.PATIENCE)
        check(termios.tcgetattr(slave) == before, "the terminal is not as it was")
    finally:
        child.kill()
        child.wait()
        os.close(master)
        os.close(slave)


def cases(options, folder):
    found = [(f"`{row[0]}`", lambda row=row: command_case(options, row)) for row in COMMANDS]
    found += [(f"wrong values of {name}", lambda name=name: wrong_case(options, name, folder))
              for name in option_names() if name != "-D"]
    found += [("refused options", lambda: refused_case(options)), ("manual page", manual_case)]
    found += [(f"device tree, {board}", lambda board=board: tree_case(options, folder, board))
              for board in ("virt", "virt,aclint=on")]
    if not os.path.exists(guest.FIRMWARE):
        return found + [("machines", lambda: "skip: the package opensbi is not installed")]
    found += [(f"terminal, {name}", lambda how=how: terminal_case(options, how))
              for name, how in (("Ctrl-a x", "key"), ("SIGTERM", signal.SIGTERM),
                                ("SIGHUP", signal.SIGHUP), ("SIGINT", signal.SIGINT),
                                ("SIGQUIT", signal.SIGQUIT), ("SIGABRT", signal.SIGABRT),
                                ("SIGSEGV", signal.SIGSEGV), ("SIGBUS", signal.SIGBUS),
                                ("SIGFPE", signal.SIGFPE), ("SIGILL", signal.SIGILL))]
    found.append(("U-Boot", (lambda: uboot_case(options)) if os.path.exists(UBOOT) else
                  (lambda: "skip: the package u-boot-qemu is not installed")))
    found.append(("EDK2", lambda: edk2_case(options, folder)))
    found.append(("--check", lambda: check_case(options)))
    found.append(("QMP", lambda: qmp_case(options, folder)))
    found.append(("QMP, reset of a machine that stands still", lambda: reset_case(options, folder)))
    found += [(f"QMP, {row[0]}", lambda row=row: reason_case(options, folder, row)) for row in REASONS]
    found += control.firmware_cases(options, folder)
    try:
        linux = guest.Images(folder)
    except guest.CannotRun as e:
        why = f"skip: {e}"
        return found + [("Linux", lambda: why)]
    return found + [
        ("Linux", lambda: boot_case(options, linux)),
        *((f"Linux, {n} harts", lambda n=n: boot_case(options, linux, "-smp", n)) for n in ("3", "4", "8")),
        ("Linux, 2 harts, an ACLINT", lambda: boot_case(options, linux, "-smp", "2", "-M", "virt,aclint=on")),
        ("Linux, --mmu=tlb", lambda: boot_case(options, linux, "--mmu=tlb")),
        ("Linux, 4 harts, idle", lambda: idle_case(options, linux)),
        ("Linux, --tier=interp", lambda: interp_case(options, linux)),
        ("restart", lambda: restart_case(options, linux)),
        ("console", lambda: console_case(options, linux)),
        ("disks", lambda: disk_case(options, linux, folder)),
        ("network", lambda: net_case(options, linux)),
        ("stress", lambda: stress.stress_case(options, linux, folder, options.stress)),
    ] + [case for part in (control, systems, kills, boot, share, network)
         for case in part.linux_cases(options, linux, folder)]


def verdict(case):
    name, fn = case
    try:
        return [(name, fn())]
    except Failed as e:
        return [(name, str(e))]
    except (ValueError, OSError, subprocess.SubprocessError) as e:
        return [(name, suite.explain(e))]


def main():
    parser = suite.parser(__doc__)
    parser.add_argument("--kills", type=int, default=9, help="how often a machine that writes is killed")
    parser.add_argument("--stress", type=int, default=stress.SHORT,
                        help="seconds for the machine under strain (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ketch-vm-") as folder:
        chosen = suite.choose(cases(options, folder), options, lambda c: c[0])
        return suite.run_all(chosen, verdict, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
