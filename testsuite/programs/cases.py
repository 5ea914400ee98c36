# SPDX-License-Identifier: Apache-2.0
"""The table of program runs: one Case a row.

Programs are Debian's for riscv64.  A case passes when exit status, output (standard output and
errors together) and the files named in `collect` are the same as the oracle's:

    qemu     the same program under qemu-riscv64; for programs that start no other programs,
             because those would be this machine's own under QEMU
    native   the same version of Debian's program for this machine, in a file system of its own
"""

import dataclasses
import re

PACKAGES = """base-passwd bash bc busybox bzip2 coreutils dash diffutils file findutils gawk grep gzip
libc-bin libpython3.13-testsuite lua5.4 m4 make mawk openssl perl procps python3.13 sed sqlite3 tar
xz-utils zstd git""".split()
# The compiler: for riscv64 on both machines.
GUEST_PACKAGES = PACKAGES + ["gcc-14", "libc6-dev"]
NATIVE_PACKAGES = PACKAGES + ["gcc-14-riscv64-linux-gnu", "libc6-dev-riscv64-cross"]


@dataclasses.dataclass
class Case:
    name: str
    argv: tuple             # argv[0] is a path in Debian's file system
    stdin: str = ""
    files: dict = dataclasses.field(default_factory=dict)  # in the working folder
    oracle: str = "qemu"
    native: tuple = None    # argv for the native oracle, when it differs
    collect: tuple = ()     # files that the run leaves behind
    normal: object = None   # function on the output: what has to be the same
    timeout: int = 600      # seconds in jit; tenfold in the interpreter
    tries: int = 1          # more for tests that a busy machine fails: CPython's own runner has --rerun
    chroot: bool = False    # with the static Ketch inside the guest's own file system
    long: bool = False      # in the interpreter only with --full


def numbers(count, seed=7):
    for _ in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 32


def make_text(lines):
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
    rnd = numbers(10**9)
    return "".join(f"{next(rnd) % 100000} {words[next(rnd) % 12]} {words[next(rnd) % 12]}"
                   f" {next(rnd) % 1000 / 8}\n" for _ in range(lines))


TEXT = make_text(4000)
BIG = make_text(40000)


def sorted_lines(output):
    return b"\n".join(sorted(output.split(b"\n")))


def without_times(output):
    """Drops durations, dates, process ids and addresses."""
    output = re.sub(rb"\d+(\.\d+)? ?m?s\b", b"T", output)
    return re.sub(rb"0x[0-9a-f]+", b"0x", output)


VERDICTS = """
import sys, unittest
verdicts = []
class Result(unittest.TextTestResult):
    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            verdicts.append(f'{test.id()} subtest failed')
for kind in 'Success Error Failure Skip ExpectedFailure UnexpectedSuccess'.split():
    def add(self, test, *rest, kind=kind):
        getattr(super(Result, self), 'add' + kind)(test, *rest)
        verdicts.append(f'{test.id()} {kind}')
    setattr(Result, 'add' + kind, add)
run = unittest.main(sys.argv[1], argv=['unittest'], exit=False, verbosity=2,
                    testRunner=unittest.TextTestRunner(resultclass=Result, verbosity=2))
print('\\nVERDICTS', len(verdicts), *sorted(verdicts), sep='\\n', flush=True)
"""


def python_verdicts(output):
    """The tests and what became of them; the rest has times, addresses and thread names."""
    return output.partition(b"\nVERDICTS\n")[2]


def sh(name, script, **more):
    return Case(name, ("/bin/bash", "script"), files={"script": script, "text": TEXT},
                oracle="native", **more)


def python_test(module, **more):
    more.setdefault("timeout", 1800)
    return Case(f"python3 test.{module}", ("/usr/bin/python3.13", "verdicts.py", f"test.{module}"),
                files={"verdicts.py": VERDICTS}, oracle="native", normal=python_verdicts, long=True, **more)


SHELL_LOOP = """
i=0; s=0
while [ $i -lt 3000 ]; do i=$((i + 1)); s=$((s * 31 % 65521 + i)); done
echo $s; f() { echo "f $1"; }; f 1; case abc in a*) echo star;; esac
for w in one two three; do echo "${w#t} ${#w}"; done; echo $(printf '%05d' 42)
trap 'echo exit trap' EXIT; (exit 3) || echo "status $?"
"""

C_SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; double weight; char name[16]; };
static int cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
double total(const struct node *n) { double t = 0; for (; n; n = n->next) t += n->weight * 1.5; return t; }
int main(int argc, char **argv)
{
    struct node *list = NULL;
    for (int i = 0; i < argc * 10; i++) {
        struct node *n = malloc(sizeof(*n));
        n->next = list; n->weight = i / 3.0; snprintf(n->name, sizeof(n->name), "n%d", i); list = n;
    }
    qsort(argv, argc, sizeof(argv[0]), cmp);
    switch (argc) { case 1: puts("one"); break; case 2: puts("two"); break; default: puts("many"); }
    printf("%.3f\\n", total(list));
    return 0;
}
"""

MACROS = """
#define CAT(a, b) a##b
#define STR(x) #x
#define TWICE(x) CAT(x, x) STR(x y "z")
#if __riscv_xlen == 64 && defined(__riscv_flen)
TWICE(ab) __LINE__ __FILE__ __VERSION__
#else
#error "not riscv64"
#endif
"""

ASSEMBLY = """
    .text
    .globl _start
_start:
    la a1, text
    li a0, 1
    li a2, 6
    li a7, 64
    ecall
    li a0, 5
    li a7, 93
    ecall
    .rodata
text: .asciz "hello\\n"
"""

MAKEFILE = """
OBJECTS := $(patsubst %.in,%.out,$(sort $(wildcard *.in)))
all: $(OBJECTS) ; @cat $^
%.out: %.in ; @echo "making $@"; sed 's/x/y/' $< > $@
$(info $(foreach n,1 2 3,<$(n)>) $(shell echo from shell))
"""

GIT = """
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A \\
    GIT_COMMITTER_EMAIL=a@example.org GIT_AUTHOR_DATE='1700000000 +0000' \\
    GIT_COMMITTER_DATE='1700000000 +0000' GIT_CONFIG_NOSYSTEM=1
git init -q -b main repo && cd repo
cp ../text a; git add a; git commit -qm first; sed -i 's/alpha/omega/' a; git commit -qam second
git checkout -qb side HEAD~1; echo side > b; git add b; git commit -qm side; git checkout -q main
git merge -q -m merge side; git log --oneline --graph; git diff --stat HEAD~1; git fsck --full
git gc -q; git cat-file -p HEAD; git blame -s a | tail -3; git grep -c omega; git archive HEAD | md5sum
git rev-parse HEAD; git status --short; git show --stat HEAD~1 | head -20
"""

PERL = r"""
use strict; use warnings;
my %count; open(my $f, '<', 'text') or die; 
while (<$f>) { $count{$1}++ while /(\w*a)\b/g; }
printf "%-10s %d\n", $_, $count{$_} for sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my @primes = grep { my $n = $_; !grep { $n % $_ == 0 } 2 .. sqrt $n } 2 .. 200; print "@primes\n";
my $s = join ',', map { sprintf '%.6g', exp($_ / 3) } 1 .. 20; print "$s\n";
print join('|', unpack('N n C a*', pack('N n C a*', 1 << 20, 513, 7, 'xyz'))), "\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; 1 while 1; }; print "caught $@";
print `echo from a child`; print "status ", $? >> 8, "\n"; system('exit 7'); print $? >> 8, "\n";
my $pid = fork // die; if (!$pid) { exit 9 } waitpid $pid, 0; print $? >> 8, "\n";
print sprintf('%vd', '1.22.333'), ' ', lc('ÄB'), ' ', reverse('abc') . '', "\n";
"""

PYTHON = r"""
import collections, decimal, fractions, hashlib, itertools, math, random, struct, sys, zlib
random.seed(42)
print([random.randrange(1000) for _ in range(10)], random.random(), random.gauss(0, 1))
print(math.fsum([0.1] * 10), math.gamma(5.5), math.erf(0.3), 2**1000 % 10**9, 7**77 // 3**99)
print(decimal.Decimal(2).sqrt(decimal.Context(prec=60)), fractions.Fraction(355, 113) ** 3)
data = bytes(random.randrange(256) for _ in range(5000))
print(hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest(), zlib.crc32(data))
print(zlib.decompress(zlib.compress(data)) == data, len(zlib.compress(b'ab' * 999)))
print(collections.Counter(open('text').read().split()).most_common(4))
print(float('nan'), -0.0, 1e308 * 10, 0.1 + 0.2, (0.5).hex(), round(2.675, 2), 5 // -3, -5 % 3)
print(struct.pack('<dfqHb', 1.5, 2.5, -3, 4, -5), struct.unpack('>f', b'\x40\x49\x0f\xdb'))
print(sum(1 for p in itertools.permutations(range(7)) if p[0] < p[-1]))
try:
    [][1]
except IndexError as e:
    print(repr(e))
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
print(deep(900), sys.getrecursionlimit())
"""

THREADS = """
import queue, threading
q, out, lock = queue.Queue(), [], threading.Lock()
def work():
    while (n := q.get()) is not None:
        with lock:
            out.append(n * n)
threads = [threading.Thread(target=work) for _ in range(20)]
for t in threads: t.start()
for n in range(3000): q.put(n)
for _ in threads: q.put(None)
for t in threads: t.join()
print(len(out), sum(out), threading.active_count())
"""

SUBPROCESS = """
import os, signal, subprocess, sys, tempfile
print(subprocess.run(['/bin/sh', '-c', 'echo out; echo err >&2; exit 4'], capture_output=True))
p = subprocess.Popen([sys.executable, '-c', 'print(input()[::-1])'], stdin=-1, stdout=-1)
print(p.communicate(b'abcdef\\n'), p.returncode)
p = subprocess.Popen(['sleep', '100']); p.terminate(); print(p.wait())
r, w = os.pipe(); pid = os.fork()
if pid == 0:
    os.write(w, b'child'); os._exit(3)
print(os.read(r, 10), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try:
    subprocess.run(['/nonexistent'])
except FileNotFoundError as e:
    print(e)
with tempfile.TemporaryFile() as f:
    f.write(b'x' * 100); f.seek(50); print(len(f.read()))
signal.signal(signal.SIGUSR1, lambda s, f: print('usr1')); os.kill(os.getpid(), signal.SIGUSR1)
import multiprocessing
if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    with multiprocessing.Pool(2) as pool:
        print(pool.map(abs, range(-5, 5)))
"""

ASYNCIO = """
import asyncio, socket
async def handle(r, w):
    while line := await r.readline():
        w.write(line.upper())
    w.close()
async def main():
    server = await asyncio.start_server(handle, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    async def client(n):
        r, w = await asyncio.open_connection('127.0.0.1', port)
        got = []
        for i in range(20):
            w.write(b'c%d-%d\\n' % (n, i)); await asyncio.sleep(0); got.append(await r.readline())
        w.close()
        return got[-1]
    print(await asyncio.gather(*(client(n) for n in range(10))))
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(a, [b'fd'], [0]); print(len(socket.recv_fds(b, 10, 4)[1]))
asyncio.run(main())
"""

SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
insert into t select i, 'row' || (i * 7919 % 1000), i / 7.0 from n;
create index tb on t(b); begin; update t set c = c * 2 where a % 3 = 0; rollback;
select count(*), sum(c), min(b), max(b), avg(a) from t; select b, count(*) from t group by b
having count(*) > 3 order by 2 desc, 1 limit 5; select printf('%.3f %08x', 3.14159, 48879);
select json_extract('{"a":[1,2,{"b":7}]}', '$.a[2].b') , quote(x'00ff');
select a, row_number() over (order by c desc) from t order by 2 limit 3; pragma integrity_check;
.mode csv
select * from t where a < 4;
.read nothing
"""

LUA = r"""
local t = {} for i = 1, 2000 do t[i] = (i * 7919) % 2003 end table.sort(t)
print(t[1], t[2000], #t, table.concat(t, ",", 1, 10))
print(string.format("%5.2f|%d|%s|%q|%x", math.pi, 42, "s", 'a"b\n', 255), 7 // 2, 7 % -3, 2^0.5)
for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do io.write(k, v, ";") end print()
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
print(co(), co(), co(), pcall(error, {code = 2}), select("#", 1, nil, 3))
print(math.maxinteger + 1 == math.mininteger, 1 // 0 == nil, 1 / 0, -1 / 0, 0x7fp3, 3 | 4 ~ 1)
print(utf8.char(228, 8364), #"ä€", string.rep("ab", 3, "-"), ("x"):byte(), tostring(1e15))
goto done print("never") ::done:: print(os.time({year=2020, month=1, day=1, hour=12}))
"""

BASH = r"""
declare -A map; while read -r n w _; do ((map[$w] += n)); done < text
for k in $(printf '%s\n' "${!map[@]}" | sort); do echo "$k ${map[$k]}"; done
a=(5 3 9 1); printf '%s ' $(printf '%s\n' "${a[@]}" | sort -n); echo "${a[@]: -2}" ${#a[@]}
[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]^^}"
f() { local x=$1; ((x <= 1)) && { echo 1; return; }; echo $((x * $(f $((x - 1))))); }; f 12
cat <<< "here" | tr a-z A-Z | tee out | wc -c; (exit 5); echo $?; ! true; echo $?
sleep 0.1 & wait $!; echo "waited $?"; trap 'echo usr1' USR1; kill -USR1 $$; echo after
coproc C { read x; echo "got $x"; }; echo data >&"${C[1]}"; read -r l <&"${C[0]}"; echo "$l"
kill -9 $$ & wait; echo unreachable
"""

CASES = [
    # busybox
    Case("busybox sh", ("/usr/bin/busybox", "sh", "-c", SHELL_LOOP)),
    Case("busybox sh with children", ("/usr/bin/busybox", "sh", "-c",
         "ls | sort | busybox wc -l; seq 1 500 | md5sum; yes | head -c 100000 | sha1sum; "
         "busybox sh -c 'echo $0 $1' a b; kill -TERM $$"), oracle="native"),
    Case("busybox awk", ("/usr/bin/busybox", "awk", "{s[$2]+=$1} END {for(k in s) print k,s[k]}"),
         stdin=TEXT),
    Case("busybox sort", ("/usr/bin/busybox", "sort", "-k2,2", "-k1n"), stdin=TEXT),
    Case("busybox sha512sum", ("/usr/bin/busybox", "sha512sum"), stdin=BIG),
    Case("busybox gzip", ("/usr/bin/busybox", "gzip", "-c"), stdin=BIG),
    Case("busybox bc", ("/usr/bin/busybox", "bc", "-l"),
         stdin="scale=60; 4*a(1); e(1); 2^500; s(1)/c(1)\n"),
    Case("busybox vi", ("/usr/bin/busybox", "vi", "-c", ":wq", "new"), collect=("new",)),
    # shells
    sh("bash", BASH),
    Case("bash loop", ("/bin/bash", "-c", SHELL_LOOP)),
    Case("bash printf and globs", ("/bin/bash", "-c", "printf '%q %b %d %x\\n' 'a b' 'c\\t' 12 255; "
         "echo {1..5}{a,b} ${PWD:0:1}; x=abcabc; echo ${x//b/X} ${x%%c*} ${x@Q}; type cd; help true")),
    Case("dash", ("/usr/bin/dash", "-c", SHELL_LOOP)),
    sh("dash with children", "dash -c 'for i in 1 2 3; do echo $i | cat; done; "
       "x=$(ls /usr/bin | wc -l); test $x -gt 100 && echo many'"),
    # coreutils
    sh("coreutils text", "sort -k2,2 -k1nr text | uniq -c -f1 | head; cut -d' ' -f2 text | sort -u; "
       "tr -d aeiou < text | cksum; nl text | tail -2; paste -d: text text | head -2; fold -w 9 text | wc; "
       "tac text | head -1; od -c text | head -3; expand text | md5sum; join text text 2>&1 | wc -l; "
       "comm -12 text text 2>/dev/null | wc -l; pr -t text | head -3; fmt text | head -3; split -l 999 text p; "
       "cat p* | cmp - text && echo same; shuf --random-source=text -n 3 text; numfmt --to=iec 123456"),
    sh("coreutils files", "mkdir -p d/e; cp text d; ln -s ../text d/e/l; cp -a d f; chmod 640 f/text; "
       "stat -c '%a %s %F' f/text f/e/l; mv f/text f/e; ls -R f; du -b text; touch -d 2020-01-02 d/t; "
       "stat -c %Y d/t; date -u -d @86400 +%F; realpath --relative-to=. f/e/l; rm -r f; ls; df . >/dev/null && echo df; "
       "install -m 700 text d/i; stat -c %a d/i; truncate -s 1M d/z; wc -c d/z; mkfifo d/p; (echo via fifo > d/p &); "
       "cat d/p; test -L d/e/l && echo link; timeout 0.2 sleep 5; echo $?; env -i A=1 env; nice -n 3 nice; seq -s, 5; factor 1234567890123"),
    Case("ls -l", ("/usr/bin/ls", "-ln", "--time-style=+%F", "/usr/share/base-passwd"), oracle="native"),
    Case("sort numbers", ("/usr/bin/sort", "-g", "-r"), stdin=TEXT),
    Case("sha256sum", ("/usr/bin/sha256sum", "text"), files={"text": BIG}),
    Case("b2sum", ("/usr/bin/b2sum",), stdin=BIG),
    Case("dd", ("/usr/bin/dd", "if=text", "bs=7", "count=500", "skip=3", "conv=swab,ucase",
                "status=none"), files={"text": TEXT}),
    Case("seq floats", ("/usr/bin/seq", "-w", "0", "0.37", "99")),
    Case("printf", ("/usr/bin/printf", "%5.2f %e %g %a %q\\n", "3.14159", "1e-300", "1e20", "0.1", "a b")),
    Case("expr", ("/usr/bin/expr", "12345678901234567890", "*", "98765432109876543210")),
    Case("id", ("/usr/bin/id", "root")),
    Case("a missing file", ("/usr/bin/cat", "nothing")),
    # text tools
    Case("grep -E", ("/usr/bin/grep", "-nE", "(alpha|mu) .*[0-9]{3}\\.[05]"), stdin=TEXT),
    Case("grep -P", ("/usr/bin/grep", "-oP", "(?<=beta )\\w+(?= \\d+$)"), stdin=TEXT),
    Case("grep -c -i -w", ("/usr/bin/grep", "-ciw", "ETA"), stdin=TEXT),
    Case("grep finds nothing", ("/usr/bin/grep", "zzz"), stdin=TEXT),
    Case("sed", ("/usr/bin/sed", "-nE", "s/([a-z]+) ([a-z]+)/\\2 \\U\\1/; /OMEGA|MU/{H;x;s/\\n/;/g;x}; "
                 "$!d; x; p"), stdin=TEXT),
    Case("sed -i", ("/usr/bin/sed", "-i", "-e", "1,100d;y/abc/xyz/", "text"), files={"text": TEXT},
         collect=("text",)),
    Case("gawk", ("/usr/bin/gawk", "{n[$2]+=$1; l[length($3)]++} END {PROCINFO[\"sorted_in\"]="
                  "\"@ind_str_asc\"; for(k in n) printf \"%s %d %.4f\\n\",k,n[k],log(n[k]); "
                  "print strftime(\"%F\",0,1), substr(\"hello\",2,3), sin(1), int(-3.9), 2**53+1}"), stdin=TEXT),
    Case("gawk with children", ("/usr/bin/gawk", "BEGIN {while((\"echo a; echo b\" | getline x)>0) "
                                "print x; print \"z\\na\" | \"sort\"; close(\"sort\"); print system(\"exit 3\")}"),
         oracle="native"),
    Case("mawk", ("/usr/bin/mawk", "{s+=$4} END {printf \"%.3f\\n\", s}"), stdin=TEXT),
    Case("bc", ("/usr/bin/bc", "-lq"), stdin="scale=200; 4*a(1)\n2^4000 % 997\nsqrt(2)\n"),
    Case("m4", ("/usr/bin/m4",), stdin="define(`f',`ifelse($1,0,1,`eval($1*f(decr($1)))')')f(10) "
         "len(`abc') translit(`abc',`a-c',`A-C')\n"),
    Case("diff", ("/usr/bin/diff", "-u", "--label=a", "--label=b", "a", "b"),
         files={"a": TEXT, "b": TEXT.replace("17", "18")}),
    sh("find and xargs", "mkdir -p d/{a,b}/{c,d}; touch d/a/c/{1,2,3}.txt; find d -name '*.txt' -size 0 | "
       "sort | xargs -n2 echo; find d -type d -empty | sort; find d -name 2.txt -exec sh -c 'echo run $1' x {} ';'"),
    Case("file", ("/usr/bin/file", "-b", "text", "/usr/bin/busybox"), files={"text": TEXT}),
    sh("ps", "ps -o pid= -p $$ | wc -l; ps -o comm= -p $$ | wc -l"),
    # archives
    Case("tar create", ("/usr/bin/tar", "-c", "--sort=name", "--mtime=@0", "--owner=0", "--group=0",
                        "--mode=644", "a", "b"), files={"a": TEXT, "b": "short"}),
    sh("tar through programs", "mkdir d; cp text d/x; ln -s x d/l; for z in gzip bzip2 xz zstd; do "
       "tar -cf t.$z --$z --mtime=@0 --owner=0 --group=0 d && tar -tvf t.$z | cut -c1-10,30- && rm -rf e && mkdir e && tar -C e -xf t.$z && "
       "cmp text e/d/x && echo $z; done"),
    Case("gzip -9", ("/usr/bin/gzip", "-9cn"), stdin=BIG),
    Case("bzip2", ("/usr/bin/bzip2", "-c"), stdin=BIG),
    Case("xz", ("/usr/bin/xz", "-c", "-6", "-T1"), stdin=BIG),
    Case("xz threads", ("/usr/bin/xz", "-c", "-1", "-T2", "--block-size=200000"), stdin=BIG),
    Case("zstd -T2", ("/usr/bin/zstd", "-qc", "-T2", "-B100000", "-5"), stdin=BIG),
    Case("zstd -19", ("/usr/bin/zstd", "-qc", "-19", "--single-thread"), stdin=TEXT),
    sh("round trips", "for z in gzip bzip2 xz 'zstd -q -T2'; do $z -c text | $z -dc | cmp - text && echo $z; "
       "echo garbage | $z -dc >/dev/null 2>&1; echo $?; done"),
    # languages
    Case("perl", ("/usr/bin/perl", "script"), files={"script": PERL, "text": TEXT}, oracle="native"),
    Case("perl modules", ("/usr/bin/perl", "-MList::Util=sum,shuffle", "-MPOSIX=floor,strftime",
                          "-MDigest::SHA=sha256_hex", "-MData::Dumper", "-MStorable=dclone", "-MEncode",
                          "-e", "$Data::Dumper::Sortkeys=1; print sum(1..100), floor(-2.5), "
                          "sha256_hex('abc'), Dumper(dclone({a=>[1,{b=>2}]})), strftime('%F',gmtime 0), "
                          "length(Encode::encode('UTF-16',\"\\x{263a}abc\"))")),
    Case("perl -n", ("/usr/bin/perl", "-ne", "$h{length $_}++; END{print \"$_ $h{$_}\\n\" for sort keys %h}"),
         stdin=TEXT),
    Case("python3", ("/usr/bin/python3.13", "script"), files={"script": PYTHON, "text": TEXT}),
    Case("python3 threads", ("/usr/bin/python3.13", "script"), files={"script": THREADS}),
    Case("python3 subprocess", ("/usr/bin/python3.13", "script"), files={"script": SUBPROCESS},
         oracle="native"),
    Case("python3 asyncio", ("/usr/bin/python3.13", "script"), files={"script": ASYNCIO}),
    Case("python3 traceback", ("/usr/bin/python3.13", "-c", "def f(x): return 1 // x\nf(0)")),
    Case("python3 segfault", ("/usr/bin/python3.13", "-X", "faulthandler", "-c",
                              "import ctypes; ctypes.string_at(0)"), normal=without_times),
    python_test("test_json"),
    python_test("test_re"),
    python_test("test_struct"),
    python_test("test_float"),
    python_test("test_threading", tries=3),
    # Relative programs and other users: only in a file system of its own.
    python_test("test_subprocess", chroot=True, tries=3),
    python_test("test_signal", tries=3),
    Case("sqlite3", ("/usr/bin/sqlite3", "-batch", "file.db"), stdin=SQL),
    Case("sqlite3 shell", ("/usr/bin/sqlite3", ":memory:", "select sqlite_version(), 1/3.0, 'x' || null;")),
    Case("lua5.4", ("/usr/bin/lua5.4", "script"), files={"script": LUA}),
    Case("lua5.4 popen", ("/usr/bin/lua5.4", "-e",
                          "print(io.popen('echo hi'):read('a'), os.execute('exit 3'))"), oracle="native"),
    sh("git", GIT),
    Case("git hash-object", ("/usr/bin/git", "hash-object", "text"), files={"text": BIG}),
    Case("openssl digests", ("/usr/bin/openssl", "dgst", "-r", "-sha3-256", "text"), files={"text": BIG}),
    Case("openssl aes", ("/usr/bin/openssl", "enc", "-aes-256-ctr", "-K", "00" * 32, "-iv",
                         "11" * 16, "-a"), stdin=TEXT),
    Case("openssl chacha20", ("/usr/bin/openssl", "enc", "-chacha20", "-K", "0f" * 32, "-iv", "22" * 16, "-a"),
         stdin=TEXT),
    sh("openssl keys", "openssl genpkey -algorithm ed25519 -out k && openssl pkey -in k -pubout -out p && "
       "echo data > m && openssl pkeyutl -sign -inkey k -rawin -in m -out s && openssl pkeyutl -verify -pubin -inkey p "
       "-rawin -in m -sigfile s; openssl genrsa -out r 1024 2>/dev/null && openssl req -x509 -key r -subj /CN=x -days 1 "
       "-out c && openssl verify -CAfile c c; openssl prime 1000003; openssl rand -hex 8 | wc -c", long=True),
    Case("make", ("/usr/bin/make", "-j2", "-Orecurse"), files={"Makefile": MAKEFILE, "a.in": "x1\n", "b.in": "x2\n",
                                                     "c.in": "x3\n"}, oracle="native", normal=sorted_lines),
    Case("make -n", ("/usr/bin/make", "-n", "-s"), files={"Makefile": "all: b\n\techo all\nb:\n\techo b\n"}),
    # gcc
    Case("cc1", ("/usr/libexec/gcc/riscv64-linux-gnu/14/cc1", "-quiet", "-O2", "-g", "source.c", "-o", "source.s"),
         files={"source.c": C_SOURCE}, collect=("source.s",)),
    Case("cpp", ("/usr/bin/riscv64-linux-gnu-cpp-14", "-P", "source.c"), files={"source.c": MACROS},
         oracle="native"),
    Case("as", ("/usr/bin/riscv64-linux-gnu-as", "source.s", "-o", "source.o"), files={"source.s": ASSEMBLY},
         collect=("source.o",)),
    sh("as and ld", "printf '%s' \"$(cat source)\" > s.s; riscv64-linux-gnu-as s.s -o s.o && riscv64-linux-gnu-ld s.o -o s && "
       "riscv64-linux-gnu-objdump -d s && riscv64-linux-gnu-nm s && riscv64-linux-gnu-strip s && riscv64-linux-gnu-readelf -h s",
       collect=("s.o", "s")),
    Case("gcc -c", ("/usr/bin/riscv64-linux-gnu-gcc-14", "-O2", "-c", "source.c"), files={"source.c": C_SOURCE},
         oracle="native", collect=("source.o",)),
    Case("gcc -O0 -c", ("/usr/bin/riscv64-linux-gnu-gcc-14", "-O0", "-c", "source.c"), files={"source.c": C_SOURCE},
         oracle="native", collect=("source.o",)),
    # inside the guest's own file system
    sh("static Ketch in a chroot", BASH, chroot=True),
    sh("exec in a root without proc", "busybox umount -l /proc; ls /proc | wc -l; env echo one; bash -c 'sed -n 2p text'; "
       "mkdir -p /tmp/r; chroot / env pwd", chroot=True),
    Case("python3 in a chroot", ("/usr/bin/python3.13", "script"), files={"script": SUBPROCESS},
         oracle="native", chroot=True),
]

for case in CASES:
    if case.name == "as and ld":
        case.files["source"] = ASSEMBLY
