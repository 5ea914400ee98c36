#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debian's programs for riscv64 under Ketch: output, exit status and written files must be those of
the oracle (cases.py says which).  Packages are fetched with apt into $KETCH_CACHE."""

import hashlib
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import cases  # noqa: E402
import suite  # noqa: E402
import debian  # noqa: E402

# A file system of its own from a sysroot, without touching that: ROOT NEW WORK COMMAND...
ENTER = """
root=$1 new=$2 work=$3; shift 3
mount -t tmpfs none "$new"
for d in usr etc; do mkdir "$new/$d"; mount --bind "$root/$d" "$new/$d"; done
for l in bin sbin lib lib64; do ln -s usr/$l "$new/$l"; done
for d in dev proc; do mkdir "$new/$d"; mount --rbind /$d "$new/$d"; done
mkdir "$new/tmp" "$new/work" "$new/ketch"
mount --bind "$work" "$new/work"
test ! -e "$KETCH_STATIC" || cp "$KETCH_STATIC" "$new/ketch/ketch"
exec unshare --root="$new" --wd=/work "$@"
"""


def enter(root, new, work, command):
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *rights, "sh", "-ec", ENTER, "sh", root, new, work, *command]


def environment(work, **more):
    return {"PATH": "/usr/bin:/bin", "HOME": work, "LC_ALL": "C.UTF-8", "TERM": "dumb", "TZ": "UTC",
            "TMPDIR": work} | more


class Programs:
    def __init__(self, options):
        self.options = options
        self.guest = debian.sysroot("riscv64", cases.GUEST_PACKAGES)
        self.native = debian.sysroot("amd64", cases.NATIVE_PACKAGES)
        self.qemu = debian.qemu_riscv64() if options.qemu is None else options.qemu.split()
        self.can_enter = suite.run(["unshare", "--mount"] + (
            [] if os.geteuid() == 0 else ["--map-root-user"]) + ["true"]).status == 0

    def run(self, case, how, timeout):
        """(status, output, {file: digest}) in a fresh working folder; how(work, new) -> command."""
        with tempfile.TemporaryDirectory() as top:
            work, new = os.path.join(top, "work"), os.path.join(top, "new")
            os.mkdir(work)
            os.mkdir(new)
            for name, text in case.files.items():
                with open(os.path.join(work, name), "w", encoding="utf-8") as f:
                    f.write(text)
            command, env = how(work, new)
            command = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
            result = suite.run(command, timeout, case.stdin.encode(), cwd=work, env=env)
            output = result.output.replace(work.encode(), b"WORK").replace(b"/work", b"WORK")
            if case.normal:
                output = case.normal(output)
            return result.status, output, self.collect(case, work)

    @staticmethod
    def collect(case, work):
        digests = {}
        for name in case.collect:
            path = os.path.join(work, name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    digests[name] = hashlib.sha256(f.read()).hexdigest()
            else:
                digests[name] = "missing"
        return digests

    def user_mode(self, prefix, case):
        """As one runs a foreign program from its sysroot."""
        program = self.guest + case.argv[0]
        return lambda work, new: ([*prefix, "-L", self.guest, "-0", case.argv[0], program,
                                   *case.argv[1:]], environment(work))

    def in_file_system(self, root, prefix, argv):
        """Inside the sysroot as the root of the file system; the working folder is /work."""
        static = os.path.join(os.path.dirname(shutil.which(self.options.ketch) or ""), "ketch-static")
        return lambda work, new: (
            enter(root, new, work, [*prefix, *argv]),
            environment("/work", KETCH_STATIC=static if prefix else "/nonexistent"))

    def oracle(self, case):
        if case.oracle == "qemu":
            return self.run(case, self.user_mode(self.qemu, case), case.timeout * 3)
        return self.run(case, self.in_file_system(self.native, [], case.native or case.argv),
                        case.timeout)

    def under_ketch(self, case, tier):
        timeout = case.timeout * (10 if tier == "interp" else 1)
        if case.chroot:
            how = self.in_file_system(self.guest, ["/ketch/ketch", "run", f"--tier={tier}"], case.argv)
        else:
            how = self.user_mode([self.options.ketch, "run", f"--tier={tier}"], case)
        return self.run(case, how, timeout)

    def job(self, case):
        if (case.oracle == "native" or case.chroot) and not self.can_enter:
            return [(case.name, "skip: this user may not make mount namespaces")]
        want = self.oracle(case)
        verdicts = []
        for tier in self.options.tier.split(","):
            title = f"{case.name} ({tier})"
            if tier == "interp" and case.long and not self.options.full:
                verdicts.append((title, "skip: takes long; --full runs it"))
                continue
            got = self.under_ketch(case, tier)
            for _ in range(case.tries - 1):
                if got != want:
                    want, got = self.oracle(case), self.under_ketch(case, tier)
            verdicts.append((title, self.difference(case, want, got, tier)))
        return verdicts

    def difference(self, case, want, got, tier):
        if want == got:
            return None
        if self.options.verbose:
            where = tempfile.mkdtemp(prefix=case.name.replace(" ", "-") + ".")
            for name, (_, output, _) in (("want", want), ("got", got)):
                with open(os.path.join(where, name), "wb") as f:
                    f.write(output)
            print(f"outputs of {case.name}: {where}")
        why = []
        if want[0] != got[0]:
            why.append(f"{suite.status_text(got[0])}, {case.oracle} has {suite.status_text(want[0])}")
        if want[1] != got[1]:
            why.append(self.first_difference(want[1], got[1]))
        why += [f"{n} differs ({got[2][n][:8]})" for n in want[2] if want[2][n] != got[2][n]]
        command, _ = self.user_mode([self.options.ketch, "run", f"--tier={tier}"], case)("", "")
        return "; ".join(why) + "\n    " + suite.shell(command)[:600]

    @staticmethod
    def first_difference(want, got):
        a, b = want.split(b"\n"), got.split(b"\n")
        n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        line = [x[n][:200].decode(errors="replace") if n < len(x) else "(end)" for x in (a, b)]
        return f"line {n + 1}: want {line[0]!r}, got {line[1]!r}"


def main():
    p = suite.parser(__doc__)
    p.add_argument("--qemu", help="the oracle (default: Debian trixie's qemu-riscv64, fetched)")
    p.add_argument("--full", action="store_true", help="the long ones in the interpreter too")
    p.add_argument("--list", action="store_true", help="print the names of the cases")
    p.add_argument("--verbose", action="store_true", help="keep outputs that differ")
    options = p.parse_args()
    if options.list:
        print("\n".join(c.name for c in cases.CASES))
        return 0
    try:
        programs = Programs(options)
    except debian.DebianError as e:
        sys.exit(f"programs: {e}")
    return suite.run_all(suite.choose(cases.CASES, options, name=lambda c: c.name), programs.job,
                         options.jobs)


if __name__ == "__main__":
    sys.exit(main())
