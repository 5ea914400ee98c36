# SPDX-License-Identifier: Apache-2.0
"""Who controls a machine: snapshots, `ketch monitor`, gdb.  Cases of machines.py."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import rsp
import network
import suite
from guest import CROSS, FIRMWARE, HERE, Failed, Machine, check


def monitor(options, path, *command):
    """What `ketch monitor` prints for it."""
    suite.wait_for(lambda: suite.listens(path), "there is no monitor")
    r = suite.run([options.ketch, "monitor", path, *command])
    check(r.status == 0, f"`{' '.join(command)}`: {suite.status_text(r.status)}: {r.errors.decode(errors='replace')}")
    return r.output.decode()


def disk_is(machine, word):
    machine.run("echo 3 > /proc/sys/vm/drop_caches")
    check(machine.run(f"head -c {len(word)} /dev/vda") == word, f"the disk is not {word}")


def snapshot_case(options, linux, folder):
    """A shell's variables, a file in memory, a counter in the background and a disk that is being written
    go on in another process, which starts from the snapshot; and back again in that one."""
    qmp, saved = os.path.join(folder, "snap.qmp"), os.path.join(folder, "saved")
    disk = os.path.join(folder, "snap.qcow2")
    r = suite.run([options.ketch, "image", "create", "-q", "-f", "qcow2", disk, "64M"])
    check(r.status == 0, f"{r.errors}")
    args = ["-smp", "2", "-qmp", f"unix:{qmp},server=on,wait=off", "-drive",
            f"file={disk},format=qcow2,if=none,id=d", "-device", "virtio-blk-pci,drive=d,packed=on,num-queues=2"]
    with Machine(options.ketch, *args, linux=linux) as m:
        m.up()
        m.run("put() { echo $1 | dd of=/dev/vda conv=fsync; }")
        m.run("fill() { dd if=/bin/busybox of=/dev/vda bs=64k seek=16; }")
        m.run("put before 2>/dev/null")
        m.run("x=kept; echo text > /tmp/file; "
              "(i=0; while :; do i=$((i+1)); echo $i > /tmp/next; mv /tmp/next /tmp/count; usleep 10000; done) & true")
        m.run("(while :; do fill; sync; done 2>/dev/null) & true")
        m.run("sleep 1; until [ -e /tmp/count ]; do usleep 10000; done")
        before = int(m.run("cat /tmp/count"))
        check(monitor(options, qmp, "savevm", saved) == "", "savevm says something")
        m.run("x=changed; rm /tmp/file; put behind 2>&-")
        monitor(options, qmp, "quit")
        m.end()
    with Machine(options.ketch, *args, "-loadvm", saved, linux=linux) as m:
        suite.wait_for(lambda: "running" in monitor(options, qmp, "info", "status"), "it does not run")
        for _ in range(2):
            m.send("\n")
            m.expect("ready> ")
            check(m.run("echo $x; cat /tmp/file") == "kept\ntext", "something is not as it was")
            disk_is(m, "before")
            suite.wait_for(lambda: int(m.run("cat /tmp/count")) > before, "what ran in the background does not")
            m.run("x=changed; rm /tmp/file; put behind 2>&-")
            disk_is(m, "behind")
            check(monitor(options, qmp, "loadvm", saved) == "", "loadvm says something")
        check("saved" in monitor(options, qmp, "info", "snapshots"), "the snapshot of the disk is not shown")
        for command, after in (("save", "x=changed; rm /tmp/file; put behind 2>&-"), ("load", "true"), ("delete", "true")):
            where = {} if command == "delete" else {"vmstate": "d"}
            job = {"job-id": command, "tag": "inside", "devices": ["d"], **where}
            monitor(options, qmp, json.dumps({"execute": f"snapshot-{command}", "arguments": job}))
            jobs = json.loads(monitor(options, qmp, '{"execute": "query-jobs"}'))
            check(not [j for j in jobs if "error" in j], f"{jobs}")
            m.send("\n")
            m.expect("ready> ")
            check(m.run("echo $x; cat /tmp/file") == "kept\ntext", f"snapshot-{command}: something is not as it was")
            disk_is(m, "before")
            m.run(after)
        check("inside" not in monitor(options, qmp, "info", "snapshots"), "the snapshot is not deleted")
        monitor(options, qmp, "quit")
        m.end()
    r = suite.run([options.ketch, "image", "check", disk])
    check(r.status == 0, f"the disk is damaged: {r.output} {r.errors}")
    for change, why in ((["-smp", "1"], "does not fit this machine: it is of board=virt harts=2"),
                        (["-device", "virtio-rng-device"], "it has not all harts and devices of this machine")):
        with Machine(options.ketch, *args, *change, "-loadvm", saved, linux=linux) as m:
            m.expect(why)
            m.end(1)


GDB = """set pagination off
set architecture riscv:rv64
set confirm off
target remote {socket}
info threads
print/x $pc
stepi
stepi
print/x $pc
break *0x80200000
continue
print/x $pc
print/x $a1
print/x $priv
maintenance packet Qqemu.PhyMemMode:1
x/wx 0x80000000
maintenance packet Qqemu.PhyMemMode:0
monitor info status
delete
watch *(long*)$sp
stepi
print $pc != 0x80200000
delete
detach
"""

# In order.
GDB_ANSWERS = ['"hart 0"', '"hart 1"', "$1 = 0x1000", "$2 = 0x1008", "hit Breakpoint 1", "$3 = 0x80200000",
               "$4 = 0x", "$5 = 0x1", 'received: "OK"', "0x80000000:", "VM status: paused", "$6 = 1",
               "detached"]


def gdb_case(options, linux, folder):
    """From reset to the kernel's first instruction; then the machine boots on its own."""
    if not shutil.which("gdb-multiarch"):
        return "skip: no gdb-multiarch"
    with run_gdb(options, folder, "gdb", GDB, GDB_ANSWERS, linux=linux) as m:
        m.up()
        check(m.run("nproc") == "2", "a hart is missing")
        m.send("poweroff -f\n")
        m.end()
    return None


# Two harts with page tables of their own, in which one address is another's.
# The first one's page is the user's, and was never used: a debugger minds neither.
GDB_SPACES = """set pagination off
set architecture riscv:rv64
set confirm off
target remote {socket}
maintenance packet Qqemu.PhyMemMode:1
set {{long}}0x80100018 = 0x2000001f
set {{long}}0x80101018 = 0x20040801
set {{long}}0x80102000 = 0x200800cf
set {{long}}0x80000000 = 11
set {{long}}0x80200000 = 22
maintenance packet Qqemu.PhyMemMode:0
define enter
set $pmpaddr0 = 0x3fffffffffffff
set $pmpcfg0 = 31
set $satp = 0x8000000000080100 + $arg0
set $priv = 1
maintenance flush register-cache
end
thread 1
enter 0
thread 2
enter 1
thread 1
print *(long*)0xc0000000
thread 2
maintenance flush dcache
print *(long*)0xc0000000
set {{long}}0xc0000008 = 33
maintenance packet Qqemu.PhyMemMode:1
maintenance flush dcache
print *(long*)0x80200008
print/x *(long*)0x80100018
monitor help
detach
"""
GDB_SPACES_ANSWERS = ["$1 = 11", "$2 = 22", "$3 = 33", "$4 = 0x2000001f", "lists the commands"]


# A program that the debugger brings; what takes a hart through traps; what a machine has not; its end.
GDB_PROGRAM = """python
def refused(command):
    try:
        gdb.execute(command)
    except gdb.error as e:
        print(str(e), flush=True)
end
set pagination off
set confirm off
file {program}
target remote {socket}
load
compare-sections
hbreak add
thbreak work
continue
continue
print $_thread
backtrace 1
finish
delete
print add(20, 22)
tbreak add
continue
watch word
set scheduler-locking on
next 3
delete
python refused("info proc")
shell touch {folder}/file
python refused("remote get {folder}/file {folder}/copy")
set $pc = call
stepi
print $pc == handler
print/x $mcause
stepi 3
stepi
print (long)$pc - (long)call
stepi
print (long)$pc - (long)call
set scheduler-locking off
set $pc = main
set var end = 8
continue
info threads
"""
GDB_PROGRAM_ANSWERS = ["Start address", ".text, range", "matched", "hit Temporary breakpoint", "work (hart=",
                       "hit Breakpoint", "add (a=", "#0  add (a=", "Value returned is", " = 42",
                       "hit Temporary breakpoint", "hit Hardware watchpoint", "Not supported on this target",
                       "Remote I/O error: Function not implemented", "= 1\n", "= 0xb\n", "= 4\n", "= 8\n",
                       "exited with code 07", "No threads."]


def program_case(options, folder):
    if not shutil.which("gdb-multiarch") or not shutil.which(CROSS):
        return f"skip: no gdb-multiarch or no {CROSS}"
    program = os.path.join(folder, "bare")
    subprocess.run([CROSS, "-g", "-O1", "-ffreestanding", "-mcmodel=medany", "-nostdlib", "-static", "-no-pie",
                    "-Wl,--no-relax", "-Wl,--build-id=none", "-Wl,-Ttext=0x80001000", "-o", program,
                    os.path.join(HERE, "bare.c")], check=True)
    script = GDB_PROGRAM.replace("{program}", program).replace("{folder}", folder)
    run_gdb(options, folder, "program", script, GDB_PROGRAM_ANSWERS, "-bios", "none").end(7)
    return None


def threads_of(pid):
    """What the threads of a process wait for, and the processor time that they have used."""
    lines = []
    for tid in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        try:
            texts = []
            for name in ("comm", "wchan", "stat"):
                with open(f"/proc/{pid}/task/{tid}/{name}", encoding="ascii", errors="replace") as f:
                    texts.append(f.read().strip())
        except OSError:
            continue  # it has ended
        fields = texts[2].rpartition(")")[2].split()
        lines.append(f"{tid} {texts[0]} {fields[0]} {texts[1]} {int(fields[11]) + int(fields[12])} ticks")
    return "\n".join(lines)


def gdb_output(machine, script):
    try:
        r = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-iex", f"set remotetimeout {suite.PATIENCE}", "-x",
                            script], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=suite.PATIENCE, check=False)
    except subprocess.TimeoutExpired as e:
        said = (e.stdout or b"").decode(errors="replace")
        raise Failed(f"gdb does not end: {said}\nThe machine:\n{threads_of(machine.process.pid)}") from None
    return r.stdout.decode(errors="replace")


def run_gdb(options, folder, name, script, answers, *args, linux=None):
    """A machine of two harts that stands before its first instruction, under gdb; then it is the caller's."""
    path, file = os.path.join(folder, name + ".sock"), os.path.join(folder, name + ".gdb")
    with open(file, "w", encoding="ascii") as f:
        f.write(script.format(socket=path))
    m = Machine(options.ketch, "-smp", "2", "-S", "-gdb", f"unix:{path}", *args, linux=linux)
    try:
        suite.wait_for(lambda: suite.listens(path), "nobody listens")
        text = at = gdb_output(m, file)
        for answer in answers:
            check(answer in at, f"no {answer!r} (in that order) in {text}")
            at = at[at.index(answer) + len(answer):]
    except BaseException:
        m.__exit__()
        raise
    return m


def spaces_case(options, folder):
    """Memory is what the chosen thread sees."""
    if not shutil.which("gdb-multiarch"):
        return "skip: no gdb-multiarch"
    with run_gdb(options, folder, "spaces", GDB_SPACES, GDB_SPACES_ANSWERS):
        return None


def crowd_case(options, folder):
    """Harts that hit one breakpoint at the same time, and one that goes on alone; from the reset on."""
    path, start = os.path.join(folder, "crowd.sock"), 0x80000000
    with Machine(options.ketch, "-smp", "4", "-S", "-bios", "none", "-gdb", f"unix:{path}") as m:
        client = rsp.Client(path)
        rsp.write_code(client, start, rsp.LOOP_CODE)
        for thread in client.threads():
            client.numbers(thread)
            rsp.write_number(client, rsp.S1, 0)
            rsp.write_number(client, rsp.S2, 0)
        client.want("OK", "Z0,1000,4")
        seen = [client.stop(f"vCont;c:{thread}") for thread in client.threads()]
        check(seen == [(thread, "swbreak:;") for thread in client.threads()], f"at reset: {seen}")
        check(client.stop("vCont;s:2") == ("2", "") and client.numbers("2", rsp.PC) == (0x1004,),
              "a breakpoint keeps its hart from its step")
        client.want("OK", "z0,1000,4")
        rsp.crowd(client, start + 4, 60)
        rsp.crowd_after(client, start + 4)
        client.want("OK", f"Z0,{start + 4:x},4")
        client.stop("vCont;c")
        client.want("OK", "D")
        client = rsp.Client(path)
        rsp.crowd_after(client, start + 4)
        client.send("k")
        m.end()


MSTATUS, MIE, MTVEC, MCAUSE, TIME = (65 + csr for csr in (0x300, 0x304, 0x305, 0x342, 0xc01))


def interrupted_steps(client):
    """A software interrupt that the hart has sent itself waits for steps that want it; time stands still if
    that is wanted."""
    start, handler, msip = 0x80000000, 0x80000100, 0x2000000
    values = ((rsp.PC, start), (rsp.T0, msip), (rsp.T1, 1), (MTVEC, handler), (MIE, 8), (MSTATUS, 8))
    rsp.write_code(client, start, [0x0062a023] + 8 * [0x00130313])  # sw t1, 0(t0); addi t1, t1, 1 ...
    rsp.write_code(client, handler, 4 * [0x00130313])
    for register, value in values:
        rsp.write_number(client, register, value)
    client.want("0x3", "qqemu.sstep")
    for n in range(1, 4):
        client.stop("vCont;s")
        check(client.number(rsp.PC) == start + 4 * n, "a step takes an interrupt")
    client.want("OK", "Qqemu.sstep=5")
    before = client.number(TIME)
    client.stop("vCont;s")
    check((client.number(rsp.PC), client.number(MCAUSE)) == (handler, 1 << 63 | 3), "the interrupt is not taken")
    client.stop("vCont;s")
    check(client.number(rsp.PC) == handler + 4, "it is taken again")
    check(client.number(TIME) == before, "time has gone by")
    client.want("OK", "Qqemu.sstep=3")


def steps_case(options, folder):
    path = os.path.join(folder, "steps.sock")
    with Machine(options.ketch, "-S", "-bios", "none", "-gdb", f"unix:path={path},server=on,wait=off") as m:
        client = rsp.Client(path)
        rsp.steps(client, 0x80000000, 0x80001000)
        interrupted_steps(client)
        client.send("k")
        m.end()


def let_go_case(options, folder):
    """A monitor has let go what a debugger has stopped: the registers of what runs are not for writing."""
    gdb, path = os.path.join(folder, "let_go.gdb"), os.path.join(folder, "let_go.sock")
    with Machine(options.ketch, "-S", "-bios", "none", "-gdb", f"unix:{gdb}", "-qmp",
                 f"unix:{path},server=on,wait=off") as m:
        client = rsp.Client(gdb)
        rsp.write_code(client, 0x80000000, [0x0000006f])  # j .
        rsp.write_number(client, rsp.PC, 0x80000000)
        monitor(options, path, "cont")
        for text in (f"P{rsp.PC:x}={8 * '00'}", "G" + 33 * 8 * "00"):
            said = client.ask(text)
            check(said.startswith("E"), f"{text}: {said}")
        monitor(options, path, "stop")
        check(client.number(rsp.PC) == 0x80000000, "the pc was written")
        rsp.write_number(client, rsp.T0, 5)
        client.send("k")
        m.end()


def at_once(path):
    end = time.monotonic() + suite.PATIENCE
    while not os.path.exists(path):
        check(time.monotonic() < end, "there is no socket")
    return rsp.Client(path)


def early_case(options, folder):
    """Who connects as soon as there is a socket finds the machine as reset left it."""
    path, large = os.path.join(folder, "early.sock"), os.path.join(folder, "early.initrd")
    with open(large, "wb") as f:
        f.truncate(128 << 20)  # loading it takes its time
    with Machine(options.ketch, "-S", "-bios", "none", "-kernel", large, "-initrd", large, "-gdb", f"unix:{path}",
                 memory="1G") as m:
        client = at_once(path)
        client.want("97020000", "m1000,4")  # auipc t0, 0
        check(client.stop("vCont;s") == ("1", "") and client.number(rsp.PC) == 0x1004, "it steps elsewhere")
        client.send("k")
        m.end()


# lui a0, 0x100; lui a1, 5; addi a1, a1, 0x555; sw a1, 0(a0); j .: it switches the machine off.
SWITCH_OFF = bytes.fromhex("37051000 b7550000 93855555 2320b500 6f000000")


def no_shutdown_case(options, folder):
    """A machine that the guest has switched off stays, and goes on when it was reset."""
    path, code = os.path.join(folder, "stays"), os.path.join(folder, "off.bin")
    with open(code, "wb") as f:
        f.write(SWITCH_OFF)
    with Machine(options.ketch, "-bios", code, "-qmp", f"unix:{path},server=on,wait=off", "-no-shutdown") as m:
        suite.wait_for(lambda: os.path.exists(path), "no monitor")
        for _ in range(2):
            suite.wait_for(lambda: "paused (shutdown)" in monitor(options, path, "info", "status"), "it does not stay")
            said = monitor(options, path, "cont")
            check("Resetting" in said, said)
            monitor(options, path, "system_reset")
            suite.wait_for(lambda: monitor(options, path, "info", "status") == "VM status: paused\n", "it is not reset")
            said = monitor(options, path, "cont")
            check("Resetting" not in said, said)
        monitor(options, path, "quit")
        m.end()
    with Machine(options.ketch, "-bios", code, "-action", "shutdown=pause", "-action", "shutdown=poweroff") as m:
        m.end()


def daemon_case(options, folder):
    """It comes back when the machine is there, which has a name, a number in a file and several monitors."""
    names = [os.path.join(folder, f"daemon{i}") for i in range(3)]
    pidfile = os.path.join(folder, "pid")
    command = [options.ketch, "vm", "--non-security", "-daemonize", "-pidfile", pidfile]
    r = suite.run([*command, "-name", "guest=toy,process=toy-vm", "-uuid", "01234567-89AB-cdef-0123-456789abcdef",
                   "-chardev", f"socket,id=c,path={names[0]},server=on,wait=off", "-mon", "chardev=c,mode=control",
                   "-qmp", f"unix:{names[1]},server=on", "-qmp", f"unix:{names[2]},server=on",
                   "-smp", "4,sockets=1,cores=2,threads=2", "-rtc", "base=2020-01-01T00:00:00,clock=vm", "-nodefaults"])
    check(r.status == 0 and b"no isolation" in r.errors, f"{r.status}: {r.errors}")
    with open(pidfile, encoding="ascii") as f:
        pid = int(f.read())
    try:
        for path in names:
            check(monitor(options, path, "info", "uuid") == "01234567-89ab-cdef-0123-456789abcdef\n", path)
            check(monitor(options, path, "info", "name") == "toy\n", path)
            check("CPU #3" in monitor(options, path, "info", "cpus"), path)
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            check(f.read() == "toy-vm\n", "its name is another")
        check("stands = on" in monitor(options, names[0], "info", "qtree"), "the clock does not stand")
        again = suite.run([*command, "-bios", "none"])
        check(again.status == 1 and b"another process has it" in again.errors, f"{again.errors}")
        monitor(options, names[0], "quit")
        suite.wait_for(lambda: not os.path.exists(pidfile), "the file with its number stays")
        check(not any(map(os.path.exists, names)), "sockets are left over")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def passed_case(options, folder):
    """What the one who starts a machine has opened: a monitor's socket, the console's file; RAM is in a file."""
    path, ram, text = (os.path.join(folder, name) for name in ("passed", "passed-ram", "passed-text"))
    with socket.socket(socket.AF_UNIX) as listening, open(text, "wb") as console:
        listening.bind(path)
        listening.listen()
        fds = listening.fileno(), console.fileno()
        with Machine(options.ketch, "-chardev", f"socket,id=c,fd={fds[0]},server=on,wait=off", "-mon", "chardev=c,mode=control",
                     "-add-fd", f"set=3,fd={fds[1]},opaque=text", "-chardev", "file,id=f,path=/dev/fdset/3,append=on",
                     "-serial", "chardev:f", "-object", f"memory-backend-file,id=m,size=64M,mem-path={ram},share=on",
                     "-object", "secret,id=s,data=x", "-M", "virt,memory-backend=m,dump-guest-core=off", memory="64M",
                     fds=fds) as m:
            suite.wait_for(lambda: b"Boot HART MEDELEG" in contents(text), "firmware says nothing")
            check("CPU #0" in monitor(options, path, "info", "cpus"), "no monitor")
            monitor(options, path, "quit")
            m.end()
    check(contents(ram)[:64] == contents(FIRMWARE)[:64] and os.path.getsize(ram) == 64 << 20, "RAM is not in its file")


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def monitor_case(options, folder):
    """`ketch monitor` on firmware alone."""
    path = os.path.join(folder, "people")
    with Machine(options.ketch, "-qmp", f"unix:{path},server=on,wait=off", "-netdev",
                 f"user,id=n,hostfwd=tcp::{network.free_port(socket.SOCK_STREAM)}-:22",
                 "-device", "virtio-net-pci,netdev=n") as m:
        m.expect("OpenSBI v")
        check("(ram): ram" in monitor(options, path, "info", "mtree"), "no RAM in info mtree")
        check("mhartid" in monitor(options, path, "x/6i", "0x1000"), "the reset vector is not shown")
        check('"provides-isolation" : false' in
              monitor(options, path, '{"execute": "query-isolation"}'), "isolation is not told")
        check("mtvec" in monitor(options, path, "info", "registers"), "no CSRs in info registers")
        roms = monitor(options, path, "info", "roms")
        check(FIRMWARE in roms and 'mem=ram name="the device tree"' in roms, roms)
        pci = json.loads(monitor(options, path, '{"execute": "query-pci"}'))[0]["devices"]
        check([(d["slot"], d["class_info"]["desc"]) for d in pci] ==
              [(0, "Host bridge"), (1, "Ethernet controller")], f"{pci}")
        check('Ethernet controller: PCI device 1af4:1041' in monitor(options, path, "info", "pci"),
              "info pci does not show the network card")
        check(re.search(r"TCP\[HOST_FORWARD\] .* 127\.0\.0\.1 +\d+ ", monitor(options, path, "info", "usernet")),
              "no forwarded port in info usernet")
        core, tree = os.path.join(folder, "core"), os.path.join(folder, "people.dtb")
        check(monitor(options, path, "dump-guest-memory", core) + monitor(options, path, "dumpdtb", tree) == "",
              "the dumps say something")
        with open(core, "rb") as f, open(tree, "rb") as g, open(FIRMWARE, "rb") as firmware:
            head = firmware.read(64)
            check(f.read(4) == b"\x7fELF" and g.read(4) == b"\xd0\r\xfe\xed", "the dumps are something else")
            f.seek(4096)
            check(f.read(64) == head, "the core file has other code than the firmware")
        check(os.stat(core).st_blocks * 512 < 16 << 20, "pages of zeros are in the core file")
        r = suite.run([options.ketch, "monitor", path, "fly"])
        check(b"unknown command: 'fly'" in r.output, f"{r.output}")
        monitor(options, path, "quit")
        m.end()
    r = suite.run([options.ketch, "monitor", path, "info", "status"])
    check(r.status == 1 and b"no monitor answers" in r.errors, f"{r.errors}")


def firmware_cases(options, folder):
    if not os.path.exists(FIRMWARE):
        return []
    return [("ketch monitor", lambda: monitor_case(options, folder)),
            ("-daemonize, -pidfile, -mon, -uuid, -rtc", lambda: daemon_case(options, folder)),
            ("descriptors that are passed on", lambda: passed_case(options, folder)),
            ("-no-shutdown", lambda: no_shutdown_case(options, folder)),
            ("gdb, harts at one breakpoint", lambda: crowd_case(options, folder)),
            ("gdb, at once", lambda: early_case(options, folder)),
            ("gdb, a program", lambda: program_case(options, folder)),
            ("gdb, steps", lambda: steps_case(options, folder)),
            ("gdb, let go by a monitor", lambda: let_go_case(options, folder)),
            ("gdb, two address spaces", lambda: spaces_case(options, folder))]


def devices_case(options, linux, folder):
    """The guest gives memory up and gets it back; sees its cable pulled out, by either name, and its disk grow."""
    path, disk = os.path.join(folder, "devices"), os.path.join(folder, "grows.qcow2")
    suite.run([options.ketch, "image", "create", "-f", "qcow2", disk, "1M"])

    def qmp(text):
        return json.loads(monitor(options, path, text))

    with Machine(options.ketch, "-qmp", f"unix:{path},server=on,wait=off", "-device", "virtio-balloon-device",
                 "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,id=nic", "-drive",
                 f"file={disk},format=qcow2,id=d", linux=linux) as m:
        m.up()
        check(m.run("cat /sys/block/vda/size") == "2048", "the disk has another size at first")
        check(monitor(options, path, "block_resize d 3") == "", "block_resize says something")
        suite.wait_for(lambda: m.run("cat /sys/block/vda/size") == "6144", "the guest does not see the disk grow")
        m.run("ip link set eth0 up")
        check(qmp('{"execute": "query-balloon"}') == {"actual": 256 << 20}, "not all memory at first")
        monitor(options, path, '{"execute": "balloon", "arguments": {"value": 134217728}}')
        suite.wait_for(lambda: qmp('{"execute": "query-balloon"}') == {"actual": 128 << 20}, "it keeps its memory")
        check(int(m.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")) < 128 << 10, "the guest has all memory")
        check(monitor(options, path, "balloon", "256") == "", "balloon says something")
        suite.wait_for(lambda: "actual=256" in monitor(options, path, "info", "balloon"), "it takes no memory")
        for off, on in (("set_link n off", "set_link n on"),
                        ('{"execute": "set_link", "arguments": {"name": "nic", "up": false}}',
                         '{"execute": "set_link", "arguments": {"name": "nic", "up": true}}')):
            monitor(options, path, off)
            check("link down" in monitor(options, path, "info", "network"), "the cable is not pulled out")
            suite.wait_for(lambda: m.run("cat /sys/class/net/eth0/carrier") == "0", "the link stays up")
            monitor(options, path, on)
            suite.wait_for(lambda: m.run("cat /sys/class/net/eth0/carrier") == "1", "the link stays down")
        said = monitor(options, path, "set_link x on")
        check("'x' not found" in said, said)
        m.send("poweroff -f\n")
        m.end()


def linux_cases(options, linux, folder):
    return [("balloon, set_link", lambda: devices_case(options, linux, folder)),
            ("snapshot", lambda: snapshot_case(options, linux, folder)),
            ("gdb", lambda: gdb_case(options, linux, folder))]
