# SPDX-License-Identifier: Apache-2.0
"""gdb's remote protocol spoken by the tests themselves, and what both kinds of guest - a program's threads,
a machine's harts - have to do when several stop at once."""

import re
import socket
import time

import suite

T0, T1, S1, S2, PC = 5, 6, 9, 18, 32  # numbers of registers


class Client:
    """Speaks the protocol itself."""

    def __init__(self, address):
        suite.wait_for(lambda: suite.listens(address), "nobody listens")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(suite.PATIENCE)
        self.socket.connect(address)
        self.data = b""

    def read(self):
        """The next packet's data, run lengths undone."""
        while b"#" not in self.data or len(self.data) < self.data.index(b"#") + 3:
            more = self.socket.recv(65536)
            if not more:
                return "closed"
            self.data += more
        start, end = self.data.index(b"$"), self.data.index(b"#")
        text, self.data = self.data[start + 1:end].decode("latin-1"), self.data[end + 3:]
        try:
            self.socket.sendall(b"+")
        except ConnectionError:
            pass  # that was the last one
        return re.sub(r"(.)\*(.)", lambda m: m[1] * (ord(m[2]) - 28), text, flags=re.S)

    def send(self, text):
        self.socket.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def ask(self, text):
        self.send(text)
        return self.read()

    def number(self, register):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{register:x}")), "little")

    def numbers(self, thread, *registers):
        self.want("OK", f"Hg{thread}")
        return tuple(self.number(r) for r in registers)

    def want(self, reply, text):
        said = self.ask(text)
        if said != reply:
            raise ValueError(f"{text}: {reply} wanted, {said}")

    def stop(self, text=None):
        """The thread that stops after `text`, or after control-C."""
        if text:
            self.send(text)
        else:
            self.socket.sendall(b"\3")
        said = self.read()
        found = re.match(("T05" if text else "T02") + r".*?thread:([0-9a-f]+);(.*)", said)
        if not found:
            raise ValueError(f"{text}: {said}")
        return found[1], found[2]

    def threads(self):
        return self.ask("qfThreadInfo")[1:].split(",")


def check(good, why):
    if not good:
        raise ValueError(why)


# What each thread of a crowd executes: s1 and s2 count, `spot` is between them.
LOOP = """1: addi s1, s1, 1
spot: addi s2, s2, 1
j 1b
"""
LOOP_CODE = (0x00148493, 0x00190913, 0xff9ff06f)


def step_alone(client, spot, thread, others):
    """From the breakpoint, which is taken away for that: nobody else moves or says anything."""
    before = {t: client.numbers(t, PC, S1, S2) for t in others}
    client.want("OK", f"z0,{spot:x},4")
    check(client.stop(f"vCont;s:{thread}") == (thread, ""), f"{thread} is not the one that stepped")
    check(client.numbers(thread, PC) == (spot + 4,), f"{thread} has not made a step")
    check({t: client.numbers(t, PC, S1, S2) for t in others} == before, "another one has moved")
    client.want("OK", f"Z0,{spot:x},4")


def crowd(client, spot, rounds):
    """All threads hit the breakpoint at `spot` again and again, `rounds` times or until each has had its turn;
    each hit is reported, once.  In no order: a thread that is found at `spot` may have hit it already, or have
    been stopped just before."""
    threads = client.threads()
    hits = dict.fromkeys(threads, 0)

    def hit(thread, reason):
        hits[thread] += 1
        state = client.numbers(thread, PC, S1, S2)
        check((state, reason) == ((spot, hits[thread], hits[thread] - 1), "swbreak:;"),
              f"{state} {reason} at hit {hits[thread]} of {thread}")
        step_alone(client, spot, thread, [t for t in threads if t != thread])

    client.want("OK", f"Z0,{spot:x},4")
    for n in range(100 * rounds):
        if n >= rounds and min(hits.values()) > 0:
            return
        thread, reason = client.stop("vCont;c")
        hit(thread, reason)
        if n % 4 == 3:  # nobody reports a hit who may not run
            alone, reason = client.stop(f"vCont;c:{thread}")
            check(alone == thread, f"{alone} reports instead of {thread}")
            hit(alone, reason)
    raise ValueError(f"not all have their turn: {hits}")


def crowd_after(client, spot):
    """The breakpoint is gone: what others had hit is, too, and they go on from there."""
    client.want("OK", f"z0,{spot:x},4")
    before = {t: client.numbers(t, S1, S2) for t in client.threads()}

    def all_moved():
        client.send("vCont;c")
        time.sleep(0.5)
        check(client.stop()[1] == "", "a breakpoint that is not there any more")
        return all(client.numbers(t, S1, S2) > was for t, was in before.items())

    suite.wait_for(all_moved, f"not all move on from {before}")
    for t in before:
        now = client.numbers(t, S1, S2)
        check(0 <= now[0] - now[1] <= 1, f"{t} is at {now}")


# addi t1, t1, 1; sw t1, 0(t0); addi t1, t1, 1; j back to the first
STEPS_CODE = (0x00130313, 0x0062a023, 0x00130313, 0xff5ff06f)


def write_code(client, at, words):
    code = b"".join(word.to_bytes(4, "little") for word in words)
    client.want("OK", f"M{at:x},{len(code):x}:{code.hex()}")


def write_number(client, register, value):
    client.want("OK", f"P{register:x}={value.to_bytes(8, 'little').hex()}")


def steps(client, code, word):
    """Steps of one thread, alone and in a range, over breakpoints and stores to a watched word; `code` and
    `word` are addresses of memory for it."""
    def at(offset):
        check(client.number(PC) == code + offset, f"at {client.number(PC):x}, not {code + offset:x}")

    def go(how, reason, offset):
        said = client.stop(how)[1]
        check(said == reason, f"{how}: {said!r}")
        at(offset)

    write_code(client, code, STEPS_CODE)
    write_number(client, T0, word)
    write_number(client, T1, 0)
    write_number(client, PC, code)
    around = f"vCont;r{code:x},{code + 16:x}"
    go(f"vCont;r{code:x},{code + 8:x}", "", 8)
    client.want("OK", f"Z2,{word:x},4")
    go(around, f"watch:{word:x};", 8)
    go("vCont;s", "", 12)
    go("vCont;s", "", 0)
    go("vCont;s", "", 4)
    go("vCont;s", f"watch:{word:x};", 8)
    client.want("OK", f"z2,{word:x},4")
    client.want("OK", f"Z0,{code + 8:x},4")
    before = client.number(T1)
    go(around, "swbreak:;", 8)
    check(client.number(T1) == before + 2, "not once around")
    go("vCont;s", "", 12)
    go("vCont;s", "", 0)
    go("vCont;s", "", 4)
    go("vCont;c", "swbreak:;", 8)
    client.want("OK", f"z0,{code + 8:x},4")

    def goes_round():
        client.send(around)
        time.sleep(0.3)
        client.stop()
        return client.number(T1) > before + 100

    suite.wait_for(goes_round, "slow, or it has not moved")
