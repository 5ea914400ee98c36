#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-strace, -d strace_json, -D and -L: what the log says of a small program, and where its paths are looked up."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import suite  # noqa: E402

COMPILER = "riscv64-linux-gnu-gcc"

# Each statement and the line that it leaves in the log, after the thread's number.
CALLS = [
    (r'openat(AT_FDCWD, "none", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640); close(3);',
     r'openat\(AT_FDCWD, "none", O_WRONLY\|O_CREAT\|O_EXCL\|O_CLOEXEC, 0640\) = 3'),
    (r'unlink("none");', r'unlinkat\(AT_FDCWD, "none", 0\) = 0'),
    (r'unlink("none");', r'unlinkat\(AT_FDCWD, "none", 0\) = -1 ENOENT \(No such file or directory\)'),
    (r'int p[2]; pipe2(p, O_NONBLOCK);', r'pipe2\(\[3, 4\], O_RDONLY\|O_NONBLOCK\) = 0'),
    (r'write(p[1], "a\tb\n\"\1", 6);', r'write\(4, "a\\tb\\n\\"\\001", 6\) = 6'),
    (r'char buf[99]; read(p[0], buf, 99);', r'read\(3, "a\\tb\\n\\"\\001", 99\) = 6'),
    (r'read(p[0], buf, 99);', r'read\(3, 0x[0-9a-f]+, 99\) = -1 EAGAIN \(.*\)'),
    (r'write(1, (void *)-1L, 5);', r'write\(1, 0xffffffffffffffff, 5\) = -1 EFAULT \(Bad address\)'),
    (r'struct pollfd fd = { p[1], POLLOUT }; poll(&fd, 1, 0);',
     r'ppoll\(\[\{fd=4, events=POLLOUT, revents=0\}\], 1, \{tv_sec=0, tv_nsec=0\}, NULL, \d+\) = 1 '
     r'\[\{fd=4, events=POLLOUT, revents=POLLOUT\}\]'),
    (r'fcntl(p[0], F_SETFD, FD_CLOEXEC);', r'fcntl\(3, F_SETFD, FD_CLOEXEC\) = 0'),
    (r'kill(getpid(), 0);', r'kill\(\d+, 0\) = 0'),
    (r'sigset_t set; sigemptyset(&set); sigaddset(&set, SIGHUP); sigprocmask(SIG_BLOCK, &set, 0);',
     r'rt_sigprocmask\(SIG_BLOCK, \[SIGHUP\], NULL, 8\) = 0'),
    (r'struct rlimit l; getrlimit(RLIMIT_CORE, &l);', r'prlimit64\(0, RLIMIT_CORE, NULL, \{rlim_cur=.*\}\) = 0'),
    (r'socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);',
     r'socket\(AF_INET, SOCK_CLOEXEC\|SOCK_DGRAM, 0\) = 5'),
    (r'struct sockaddr_in in = { AF_INET, htons(53), { htonl(0x7f000001) } }; connect(5, (void *)&in, 16);',
     r'connect\(5, \{AF_INET, 127\.0\.0\.1:53\}, 16\) = 0'),
    (r'mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);',
     r'mmap\(NULL, 4096, PROT_READ, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\) = 0x[0-9a-f]+'),
    (r'syscall(425, 1, 0);', r'io_uring_setup\(1, NULL\) = -1 ENOSYS \(Function not implemented\)'),
    (r'_exit(0);', r'exit_group\(0\) = \?'),
]

HEAD = """#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
"""

LOOKUP = HEAD + """
    char text[64] = "";
    struct stat st;
    int fd = open("/etc/ketch-only", O_RDONLY);
    printf("%zd %s", read(fd, text, 63), text);
    printf("%d %d\\n", stat("/etc/ketch-only", &st), (int)st.st_size);
    printf("%d\\n", access("/etc/ketch-only", R_OK));
    printf("%zd\\n", readlink("/etc/ketch-link", text, 63));
    printf("%d %d\\n", stat("/etc/ketch-link", &st), (int)st.st_size);
    printf("%d %d\\n", lstat("/etc/ketch-link", &st), S_ISLNK(st.st_mode));
    printf("%d\\n", open("/etc/ketch-link", O_RDONLY | O_NOFOLLOW));
    printf("%d\\n", open("/etc/ketch-link", O_RDONLY) > 0);
    printf("%d\\n", stat("/etc/passwd", &st));
    printf("%d\\n", open("/etc/ketch-none", O_RDONLY));
    return 0;
}
"""
LOOKED_UP = b"6 below\n0 6\n0\n15\n0 6\n0 1\n-1\n1\n0\n-1\n"


AGAIN = """#include <unistd.h>
int main(int argc, char **argv)
{
    if (argc == 1) {
        execl("/proc/self/exe", argv[0], "again", (char *)0);
    }
    getpgid(77);
    return 0;
}
"""


def compile_text(text, folder):
    binary = os.path.join(folder, "program")
    with open(binary + ".c", "w", encoding="ascii") as f:
        f.write(text)
    subprocess.run([COMPILER, "-static", "-w", "-o", binary, binary + ".c"], check=True)
    return binary


def strace(options, folder, tier):
    binary = compile_text(HEAD + "\n".join(s for s, _ in CALLS) + "}\n", folder)
    result = suite.run([options.ketch, "run", f"--tier={tier}", "-strace", binary], cwd=folder)
    lines = result.errors.decode("latin-1").splitlines()
    for statement, wanted in CALLS:
        while lines and not re.fullmatch(r"\d+ " + wanted, lines[0]):
            lines.pop(0)
        if not lines:
            return f"no line in the log for: {statement}; {suite.status_text(result.status)}: {result.errors[-1500:]}"
        lines.pop(0)
    return None if result.status == 0 else suite.status_text(result.status)


def thread_end(options, folder, tier):
    """A call that a thread does not return from has one line."""
    binary = compile_text(HEAD + "syscall(SYS_exit, 3);}\n", folder)
    result = suite.run([options.ketch, "run", f"--tier={tier}", "-strace", binary], cwd=folder)
    last = result.errors.decode("latin-1").splitlines()[-1]
    return None if re.fullmatch(r"\d+ exit\(3\) = \?", last) else f"the last line is {last!r}"


def strace_json(options, folder, tier):
    binary = compile_text(HEAD + 'unlink("a\\n\\xff\\"b"); kill(getpid(), 0); _exit(7);}\n', folder)
    result = suite.run([options.ketch, "run", f"--tier={tier}", "-d", "strace_json", binary],
                       cwd=folder)
    try:
        calls = [json.loads(line) for line in result.errors.decode("ascii").splitlines()]
    except ValueError as error:
        return f"not JSON: {error}; {suite.status_text(result.status)}: {result.errors[-1500:]}"
    found = {c["call"]: c for c in calls}
    wanted = {"unlinkat": {"args": ["AT_FDCWD", '"a\\n\\377\\"b"', "0"], "errno": "ENOENT"},
              "kill": {"args": [str(calls[0]["tid"]), "0"], "result": 0},
              "exit_group": {"args": ["7"]}}
    for name, fields in wanted.items():
        if found.get(name) != {"tid": calls[0]["tid"], "call": name, **fields}:
            return f"{found.get(name)} is not {fields}"
    return None


def sysroot(options, folder, tier):
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "etc"))
    with open(os.path.join(root, "etc/ketch-only"), "w", encoding="ascii") as f:
        f.write("below\n")
    os.symlink("/etc/ketch-only", os.path.join(root, "etc/ketch-link"))
    binary = compile_text(LOOKUP, folder)
    result = suite.run([options.ketch, "run", f"--tier={tier}", "-L", root, binary])
    why = f"{suite.status_text(result.status)}: {result.output} {result.errors}"
    return None if result.output == LOOKED_UP else why


def log_file(options, folder, tier):
    """-D FILE holds what a program does and what the one does that it executes."""
    binary = compile_text(AGAIN, folder)
    log = os.path.join(folder, "log")
    for _ in range(2):  # the second run starts anew
        result = suite.run([options.ketch, "run", f"--tier={tier}", "-strace", "-D", log, binary])
        if result.status != 0:
            return f"{suite.status_text(result.status)}: {result.errors}"
    with open(log, encoding="ascii") as f:
        calls = re.findall(r"(?:execve|getpgid)(?=\()", f.read())
    return None if calls == ["execve", "getpgid"] else f"the log has {calls}"


def main():
    options = suite.parser(__doc__).parse_args()
    cases = [(check, tier) for check in (strace, thread_end, strace_json, sysroot, log_file) for tier in options.tier.split(",")]
    if not shutil.which(COMPILER):
        return suite.skip_all(len(cases), f"no {COMPILER}")

    def job(case):
        check, tier = case
        with tempfile.TemporaryDirectory() as folder:
            return [(f"{check.__name__} ({tier})", check(options, folder, tier))]

    return suite.run_all(suite.choose(cases, options, lambda c: c[0].__name__), job, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
