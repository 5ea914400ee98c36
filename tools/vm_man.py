#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/ketch-vm.1, the manual page of `ketch vm`, from ui/vm/options.def (--check: only says whether it is
current)."""
import os
import re
import sys

import page

ROW = re.compile(r'^OPTION\(\s*\w+,\s*"([^"]+)",\s*(?:"([^"]*)"|NULL),\s*(?:"((?:[^"\\]|\\.)*)"|NULL)\)')
REFUSED = re.compile(r'^REFUSE\("([^"]+)",\s*"((?:[^"\\]|\\.)*)"\)')
SECTION = re.compile(r'^SECTION\("(.*)"\)')

HEAD = r""".\" SPDX-License-Identifier: Apache-2.0
.\" Written by tools/vm_man.py from ui/vm/options.def.
.TH KETCH-VM 1 "" "Ketch" "User Commands"
.SH NAME
ketch-vm \- run a whole riscv64 machine
.SH SYNOPSIS
.B ketch vm \-\-non\-security
.RI [ OPTIONS ]
.SH DESCRIPTION
Runs the machine \fBvirt\fP, as QEMU knows it, by dynamic binary translation. Options have QEMU's spelling where the
meaning is the same.
.PP
Translation does not isolate the guest: one that is hostile can do whatever its user can. A machine therefore starts only
with \fB\-\-non\-security\fP.
.SH OPTIONS
"""

TAIL = r""".SH EXIT STATUS
0 when the guest powers off, or what it says; 1 for a wrong option; 78 when the machine would not be isolated and that
was not accepted; 128+N when signal N ended it.
.SH EXAMPLES
.nf
ketch vm \-\-non\-security \-nographic \-m 512M \-kernel Image \-initrd initrd \-append console=ttyS0
ketch vm \-\-non\-security \-nographic \-kernel u\-boot.bin \-drive file=disk.qcow2,format=qcow2
.fi
.SH SEE ALSO
.BR ketch (1)
"""


def roff(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def sentence(text):
    """A `code` of it is bold; the first letter large, a full stop at the end."""
    text = re.sub(r"`([^`]*)`", lambda m: f"\x01{m[1]}\x02", text)
    text = roff(text).replace("\x01", "\\fB").replace("\x02", "\\fP")
    return f"{text[0].upper()}{text[1:]}."


def refused(lines):
    yield ".SH OPTIONS OF QEMU THAT ARE REFUSED\n"
    for line in lines:
        if found := REFUSED.match(line):
            yield f".TP\n\\fB{roff(found[1])}\\fP\n{sentence(found[2])}\n"


def options(lines):
    for line in lines:
        if found := SECTION.match(line):
            yield f".SS {roff(found[1])}\n"
        elif (found := ROW.match(line)) and found[3]:
            spelling, argument, text = found.groups()
            name = f"\\fB{roff(spelling)}\\fP"
            if argument and argument[0] == "[":
                name += f"[=\\fI{roff(argument[1:-1])}\\fP]"
            elif argument:
                name += f" \\fI{roff(argument)}\\fP"
            yield f".TP\n{name}\n{sentence(text)}\n"


def main():
    with open(os.path.join(page.ROOT, "ui/vm/options.def"), encoding="utf-8") as table:
        lines = list(table)
    return page.main("ketch-vm.1", HEAD + "".join(options(lines)) + "".join(refused(lines)) + TAIL)


if __name__ == "__main__":
    sys.exit(main())
