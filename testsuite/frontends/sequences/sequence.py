# SPDX-License-Identifier: Apache-2.0
"""sequence.py - makes one random sequence for sequences.py.

A sequence is a list of statements: single instructions, and idioms that the translator has eyes
for.  A kind (KINDS) says which statements are likely, and how deep they nest.  Each sequence works
on its own choice of registers, few or nearly all, so that values stay in host registers or do
not.  Reserved are:

    zero sp gp tp    the frame: 256 bytes of memory, then what runner.c keeps there
    ra               calls of functions
    a1               256 bytes of memory; seq_global is 64 more at a known address
    t0 t1            within a statement
    t2 s10 s11 s8    counters of loops, outermost first; the last for those of functions
    s9               a pointer that a loop moves
"""
MEMORY, SPAN = 11, 256
POOL = (8, 9, 10) + tuple(range(12, 24)) + (28, 29, 30, 31)
COUNTERS, IN_FUNCTION = ("t2", "s10", "s11"), ("s8",)
SAVED_RA = "464(sp)"  # see runner.c
# Control flow is made here; the others depend on where the stack is, or leave the program.
SKIPPED = {"jal", "jalr", "beq", "bne", "blt", "bge", "bltu", "bgeu", "ecall", "ebreak", "c.j",
           "c.jr", "c.jalr", "c.beqz", "c.bnez", "c.ebreak", "c.addi4spn", "c.addi16sp",
           "roriw",  # before slliw, QEMU 10.0 does not extend the latter's result
           # QEMU drops the flags of those whose result nobody reads
           "fround.s", "fround.d", "froundnx.s", "froundnx.d"}
FLOAT_GROUPS = {"rvf", "rvd", "rvcd", "zfhmin", "zfa"}
MODES = (0, 1, 2, 3, 4, 7, 7, 7, 7)
NARROW = ("addw subw addiw sllw srlw sraw slliw srliw sraiw mulw divw divuw remw remuw c.addw "
          "c.subw c.addiw sext.b sext.h zext.h add.uw sh1add.uw sh2add.uw sh3add.uw slli.uw rolw "
          "rorw clzw ctzw cpopw slt sltu slti sltiu lb lbu lh lhu lw lwu sb sh sw c.lw c.sw "
          "fcvt.w.d fcvt.wu.s fcvt.d.w fcvt.s.wu fmv.x.w fmv.w.x and or xor addi").split()


class Sequence:
    def __init__(self, rnd, rows, label, kind, length):
        self.rnd, self.label, self.kind = rnd, label, KINDS[kind]
        self.rows = [r for r in rows if r.group not in ("a", "zacas")]
        self.floats = [r for r in self.rows if r.group in FLOAT_GROUPS]
        self.narrow = [r for r in self.rows if r.name in NARROW]
        self.memory = [r for r in self.rows if "(" in r.text]
        self.atomics = [r for r in rows if r.name.startswith("amo") and not r.name.endswith("q")]
        self.xs = self.some(POOL, (4, 8, 8, 12, 20), range(8, 16))
        self.fs = self.some(range(32), (4, 8, 8, 16, 32), range(8, 16))
        self.lines, self.functions, self.tables = [], [], []
        self.n_labels = self.depth = self.loops = 0
        self.calls, self.counters, self.base = False, COUNTERS, MEMORY
        self.body(length)

    def some(self, pool, sizes, short):
        """Registers of the pool, two of them in reach of short fields."""
        chosen = self.rnd.sample([r for r in pool if r in short], 2)
        rest = [r for r in pool if r not in chosen]
        return chosen + self.rnd.sample(rest, min(self.rnd.choice(sizes) - 2, len(rest)))

    def text(self):
        ends = ["ret"]
        if self.calls:
            self.lines.insert(0, "sd ra, " + SAVED_RA)
            ends.insert(0, "ld ra, " + SAVED_RA)
        return self.lines + ends + [line for f in self.functions for line in f]

    # ---- What statements are made of ----

    def emit(self, *lines):
        self.lines += lines

    def new_label(self):
        self.n_labels += 1
        return ".L%s_%d" % (self.label, self.n_labels)

    def x(self):
        return "x%d" % self.rnd.choice(self.xs)

    def f(self):
        return "f%d" % self.rnd.choice(self.fs)

    def offset(self, size, end=SPAN):
        """Of an access of `size` bytes, aligned or not; often near others."""
        top = end - size
        at = self.rnd.choice((self.rnd.randrange(top + 1), self.rnd.randrange(min(top, 24) + 1)))
        return at & -size if self.rnd.random() < 0.6 else at

    def value(self, row, field):
        if "(%s)" % field.name in row.text:
            return self.base - field.bias
        if field.kind in ("xreg", "freg"):
            regs = self.xs if field.kind == "xreg" else self.fs
            if field.kind == "xreg" and self.zero(row, field):
                return 0
            return self.rnd.choice([r - field.bias for r in regs
                                    if 0 <= r - field.bias < 1 << field.width])
        if field.kind in ("rm", "rm_exact"):
            return self.rnd.choice(MODES)
        if "(" in row.text:
            return self.offset(8) >> field.shift & (1 << field.width) - 1
        return self.rnd.randrange(1 << field.width)

    def zero(self, row, field):
        """Shall it be x0?  QEMU does not come back from a compare and swap into that."""
        return not field.bias and row.group != "zacas" and self.rnd.random() < 0.03

    def encode(self, rows):
        while True:
            row = self.rnd.choice(rows)
            bits = row.match
            for field in row.operands:
                bits = field.insert(bits, self.value(row, field))
            if all(f.extract(bits) != f.raw_of(v) for f, v in row.excluded()):
                return ".insn 0x%x" % bits

    def condition(self):
        return "b%s %s, %s" % (self.rnd.choice(("eq", "ne", "lt", "geu", "ltu", "ge")), self.x(),
                               self.rnd.choice((self.x(), self.x(), "zero")))

    def body(self, length):
        names, weights = zip(*self.kind.items())
        self.depth += 1
        for name in self.rnd.choices(names, weights, k=length):
            getattr(self, name)()
        self.depth -= 1

    def inner(self):
        """The statements within another one: fewer the deeper."""
        self.body(self.rnd.randrange(1, max(2, 8 - 2 * self.depth)))

    # ---- Statements ----

    def any(self):
        self.emit(self.encode(self.rows))

    def float(self):
        self.emit(self.encode(self.floats))

    def narrow_op(self):
        self.emit(self.encode(self.narrow))

    def access(self):
        self.emit(self.encode(self.memory))

    def csr(self):
        """Any access after which the rounding mode is a valid one."""
        csr, rd, rs = self.rnd.choice((1, 2, 3)), self.x(), self.x()
        if self.rnd.random() < 0.3:
            self.emit("csrr %s, %d" % (rd, csr))
        elif csr == 1:
            op = self.rnd.choice(("csrr%s %s, 1, %s" % (self.rnd.choice("wsc"), rd, rs),
                                  "csrr%si %s, 1, %d" % (self.rnd.choice("wsc"), rd,
                                                         self.rnd.randrange(32))))
            self.emit(op)
        elif csr == 2:
            self.emit("csrrwi %s, 2, %d" % (rd, self.rnd.choice((0, 0, 1, 2, 3, 4))))
        else:
            self.emit("andi t1, %s, 0x%x" % (rs, self.rnd.choice((0x7f, 0x1f, 0x9f))),
                      "csrrw %s, 3, t1" % rd)

    def quiet_compare(self):
        """What compilers make of isless(), or nearly that."""
        a = self.x()
        self.emit("frflags t0")
        self.emit("f%s.%s %s, %s, %s" % (self.rnd.choice(("lt", "le", "eq")), self.rnd.choice("sd"),
                                         a, self.f(), self.f()))
        if self.rnd.random() < 0.2:
            self.emit(self.encode(self.rows))
        self.emit("fsflags t0")

    def extend(self):
        """Shifts that extend or cut, in pairs that need not match."""
        a, b, n = self.x(), self.x(), self.rnd.choice((8, 16, 31, 32, 33, 48, 56))
        left = self.rnd.choice(("slli %s, %s, %d" % (a, b, n), "slliw %s, %s, %d" % (a, b, n % 32),
                                "mv %s, %s" % (a, b)))
        right = self.rnd.choice(("srli %s, %s, %d", "srai %s, %s, %d")) % (self.x(), a, n)
        narrow = self.rnd.choice(("srliw %s, %s, %d", "sraiw %s, %s, %d")) % (self.x(), a, n % 32)
        self.emit(left, self.rnd.choice((right, narrow, "sext.w %s, %s" % (self.x(), a),
                                         "zext.w %s, %s" % (self.x(), a),
                                         "andi %s, %s, %d" % (self.x(), a,
                                                              self.rnd.choice((1, 255, -1, 127))))))

    def constant(self):
        value = self.rnd.choice((0, 1, -1, 31, 32, 63, 64, 255, -128, 0x7fffffff, -0x80000000,
                                 0x80000000, 0xffffffff, 0x7fffffffffffffff,
                                 self.rnd.getrandbits(64) >> self.rnd.randrange(64)))
        self.emit("li %s, %d" % (self.x(), value))

    def divide(self):
        """Quotient and remainder of the same operands, with something between."""
        w, u, a, b = (self.rnd.choice(p) for p in (("", "w"), ("", "u"), self.xs, self.xs))
        for op in self.rnd.sample(("div", "rem", "rem", "div"), 2):
            self.emit("%s%s%s %s, x%d, x%d" % (op, u, w, self.x(), a, b))
            if self.rnd.random() < 0.3:
                self.emit(self.encode(self.rows))

    def swap(self):
        """Registers change places: on the way back of a loop, all at once."""
        if self.rnd.random() < 0.6:
            chosen = self.rnd.sample(self.xs, self.rnd.randrange(2, len(self.xs) + 1))[:5]
            self.emit("mv t0, x%d" % chosen[0])
            self.emit(*("mv x%d, x%d" % pair for pair in zip(chosen, chosen[1:])))
            self.emit("mv x%d, t0" % chosen[-1])
        else:
            a, b = self.rnd.sample(self.fs, 2)
            move = self.rnd.choice(("fmv.d", "fmv.d", "fmv.s", "fneg.s", "fabs.d"))
            self.emit("fmv.x.d t0, f%d" % a, "%s f%d, f%d" % (move, a, b),
                      "fmv.d.x f%d, t0" % b)

    def window(self):
        """A store and loads of the same few bytes, in all sizes and as floats."""
        base = self.rnd.choice((0, 8, 13, 60, 128))
        stores = [("sb", 1), ("sh", 2), ("sw", 4), ("sd", 8), ("fsw", 4), ("fsd", 8), ("fsh", 2)]
        loads = [("lb", 1), ("lbu", 1), ("lh", 2), ("lhu", 2), ("lw", 4), ("lwu", 4), ("ld", 8),
                 ("flw", 4), ("fld", 8), ("flh", 2)]
        chosen = self.rnd.sample(stores, 2) + self.rnd.sample(loads, 2)
        if self.rnd.random() < 0.5:
            self.rnd.shuffle(chosen)
        for op, size in chosen:
            reg = self.f() if op[0] == "f" else self.x()
            at = base + self.rnd.choice((0, 0, 0, 1, 2, 4, 6, 7))
            self.emit("%s %s, %d(a1)" % (op, reg, at))

    def pieces(self):
        """Bytes or halves loaded one by one and put together, sometimes not quite right."""
        size, n = self.rnd.choice(((1, 2), (1, 4), (1, 8), (2, 2), (2, 4), (4, 2)))
        load, at = {1: "lbu", 2: "lhu", 4: "lwu"}[size], self.offset(size * n)
        order, sum_ = list(range(n)), self.x()
        if self.rnd.random() < 0.3:
            order.reverse()
        if self.rnd.random() < 0.2:
            self.rnd.shuffle(order)
        join = self.rnd.choice(("or", "or", "add", "xor"))
        for k, shift in enumerate(order):
            reg = "t1" if k else "t0"
            self.emit("%s %s, %d(a1)" % (load, reg, at + size * k),
                      "slli %s, %s, %d" % (reg, reg, 8 * size * shift))
            if k:
                self.emit("%s t0, t0, t1" % join)
            if self.rnd.random() < 0.05:
                self.emit("sb %s, %d(a1)" % (self.x(), at))
        self.emit("%s %s, t0" % (self.rnd.choice(("mv", "mv", "sext.w")), sum_))

    def indexed(self):
        """An access at a computed address."""
        scale = self.rnd.choice(("add", "sh1add", "sh2add", "sh3add", "add.uw", "sh2add.uw"))
        mask = {"1": 120, "2": 60, "3": 24}.get(scale[2], 240)
        self.emit("andi t0, %s, %d" % (self.x(), mask))
        if scale.endswith("uw") and self.rnd.random() < 0.5:
            self.emit("slli t1, %s, 32" % self.x(), "or t0, t0, t1")
        self.emit("%s t0, t0, a1" % scale)
        for _ in range(self.rnd.randrange(1, 4)):
            op, reg = self.rnd.choice((("lw", self.x()), ("ld", self.x()), ("lbu", self.x()),
                                       ("sh", self.x()), ("sd", self.x()), ("fld", self.f()),
                                       ("fsw", self.f()), ("sw", "zero")))
            self.emit("%s %s, %d(t0)" % (op, reg, self.rnd.randrange(9)))

    def atomic(self):
        row = self.rnd.choice(self.atomics)
        size = 4 if row.name.endswith(".w") else 8
        self.base = 5
        self.emit("addi t0, a1, %d" % (self.rnd.choice((0, 8, 16, self.rnd.randrange(248))) & -size),
                  self.encode([row]))
        self.base = MEMORY

    def exclusive(self):
        """LR and SC as compilers write them, mostly."""
        w, again, out = self.rnd.choice("wd"), self.new_label(), self.new_label()
        old, new = self.rnd.sample(self.xs, 2)
        self.emit("addi t0, a1, %d" % self.rnd.choice((0, 8, 16, 40)), again + ":",
                  "lr.%s%s x%d, (t0)" % (w, self.rnd.choice(("", ".aq", ".aqrl")), old))
        kind = self.rnd.random()
        if kind < 0.4:
            self.emit("bne x%d, %s, %s" % (old, self.x(), out))
        elif kind < 0.7:
            self.emit("%s x%d, x%d, %s" % (self.rnd.choice(("add", "xor", "maxu")), new, old,
                                           self.x()))
        else: # a part of the word
            self.emit("and x%d, x%d, %s" % (new, old, self.x()))
            if self.rnd.random() < 0.5:
                self.emit("%s x%d, %s, %s" % (self.rnd.choice(("bne", "beq", "bltu")), new, self.x(), out),
                          "andn x%d, x%d, %s" % (new, old, self.x()))
            self.emit("or x%d, x%d, %s" % (new, new, self.x()))
        self.emit("sc.%s%s t1, x%d, (t0)" % (w, self.rnd.choice(("", ".rl")), new))
        self.emit("bnez t1, " + again, out + ":")

    def known(self):
        """An access of a known address."""
        self.emit("lla t0, seq_global")
        for _ in range(self.rnd.randrange(1, 4)):
            op, reg = self.rnd.choice((("lw", self.x()), ("ld", self.x()), ("lbu", self.x()),
                                       ("sh", self.x()), ("sd", self.x()), ("fld", self.f()),
                                       ("fsw", self.f()), ("sb", "zero")))
            self.emit("%s %s, %d(t0)" % (op, reg, self.offset(8, 64)))

    def test(self):
        """A result that is branched on at once."""
        end, a = self.new_label(), self.x()
        make = self.rnd.choice(("and", "or", "sub", "add", "addw", "subw", "xor", "sll", "sraw",
                                "mul", "andi", "addi", "addiw", "slt", "sltu", "sltiu", "bext",
                                "bexti", "slli", "feq.d", "flt.s", "fle.d", "min", "maxu"))
        b = self.f() if make[0] == "f" else self.x()
        c = str(self.rnd.choice((0, 1, 7, 31))) if "i" in make[1:] and make != "min" else \
            self.f() if make[0] == "f" else self.x()
        self.emit("%s %s, %s, %s" % (make, a, b, c))
        if self.rnd.random() < 0.2:
            self.emit(self.encode(self.rows))
        self.emit("b%s %s, %s" % (self.rnd.choice(("eqz", "nez", "ltz", "gez", "gtz")), a, end))
        self.inner()
        self.emit(end + ":")

    def wide(self):
        """Arithmetic in two words: carry, borrow, both halves of a product; rotations."""
        a, b, x, y = self.x(), self.x(), self.x(), self.x()
        n = self.rnd.randrange(1, 32)
        self.emit(*self.rnd.choice((
            ("add %s, %s, %s" % (x, a, b), "sltu t0, %s, %s" % (x, self.rnd.choice((a, b))),
             "add %s, %s, t0" % (y, y)),
            ("sltu t0, %s, %s" % (a, b), "sub %s, %s, %s" % (x, a, b), "sub %s, %s, t0" % (y, y)),
            ("%s t0, %s, %s" % (self.rnd.choice(("mulhu", "mulh", "mulhsu")), a, b),
             "mul %s, %s, %s" % (x, a, b), "mv %s, t0" % y),
            ("slli t0, %s, %d" % (a, n), "srli t1, %s, %d" % (a, self.rnd.choice((64 - n, n))),
             "or %s, t0, t1" % x),
            ("slliw t0, %s, %d" % (a, n), "srliw t1, %s, %d" % (a, 32 - n),
             "%s %s, t0, t1" % (self.rnd.choice(("or", "add")), x)),
            ("neg t0, %s" % b, "sll t1, %s, %s" % (a, b), "srl t0, %s, t0" % a,
             "or %s, t0, t1" % x),
            ("sraiw t0, %s, 31" % a, "xor t1, %s, t0" % a, "subw %s, t1, t0" % x),
            ("rev8 t0, %s" % a, "srli %s, t0, %d" % (x, self.rnd.choice((32, 48, 16, 0)))),
            ("not t0, %s" % a, "and %s, t0, %s" % (x, b), "clz %s, t0" % y),
        )))

    def system_call(self):
        self.emit("li a7, 124", "ecall")  # sched_yield

    def fence(self):
        self.emit(self.rnd.choice(("fence", "fence rw, w", "fence r, rw", "fence.tso")))

    def skip(self):
        end = self.new_label()
        self.emit("%s, %s" % (self.condition(), end))
        self.inner()
        self.emit(end + ":")

    def choose(self):
        other, end = self.new_label(), self.new_label()
        self.emit("%s, %s" % (self.condition(), other))
        self.inner()
        self.emit("j " + end, other + ":")
        self.inner()
        self.emit(end + ":")

    def loop(self):
        """Counted; sometimes left in the middle, sometimes with a moving pointer."""
        if self.loops == len(self.counters) or self.depth > 4:
            return self.any()
        counter, top, out = self.counters[self.loops], self.new_label(), self.new_label()
        self.loops += 1
        self.emit("li %s, %d" % (counter, self.rnd.choice(((2, 3, 12, 40), (2, 3, 8),
                                                           (2, 3))[self.loops - 1])), top + ":")
        self.inner()
        if self.rnd.random() < 0.3:
            self.emit("%s, %s" % (self.condition(), out))
            self.inner()
        self.emit("addi %s, %s, -1" % (counter, counter), "bnez %s, %s" % (counter, top),
                  out + ":")
        self.loops -= 1

    def walk(self):
        """A loop along the memory: counted or up to an address, or a search."""
        if self.loops == len(self.counters):
            return self.any()
        counter, top, out = self.counters[self.loops], self.new_label(), self.new_label()
        step, n, start = (self.rnd.choice(c) for c in ((1, 2, 4, 8), (1, 2, 3, 4, 5, 7, 12),
                                                       (0, 1, 8, 31)))
        counted, first = self.rnd.random() < 0.4, self.rnd.random() < 0.3
        advance = ["addi s9, s9, %d" % step] + ["addi %s, %s, -1" % (counter, counter)] * counted
        self.loops += 1
        self.emit("addi s9, a1, %d" % start, "li %s, %d" % (counter, n) if counted else
                  "addi %s, a1, %d" % (counter, start + n * step), top + ":")
        self.emit(*advance * first)
        for _ in range(self.rnd.randrange(1, 6)):
            op, reg = self.rnd.choice((("lw", self.x()), ("lb", self.x()), ("ld", self.x()),
                                       ("sh", self.x()), ("sd", self.x()), ("flw", self.f()),
                                       ("fsd", self.f())))
            self.emit("%s %s, %d(s9)" % (op, reg, self.rnd.choice((0, step, self.rnd.randrange(64)))))
            if self.rnd.random() < 0.5:
                self.emit(self.encode(self.rows))
        if self.rnd.random() < 0.4:
            self.emit("lbu t0, %d(s9)" % self.rnd.randrange(64), "%s t0, %s, %s" %
                      (self.rnd.choice(("beq", "bltu", "bgeu")), self.rnd.choice(("zero", self.x())),
                       out))
        self.emit(*advance * (not first))
        self.emit("bnez %s, %s" % (counter, top) if counted else
                  "%s s9, %s, %s" % (self.rnd.choice(("bne", "bltu")), counter, top), out + ":")
        self.loops -= 1

    def tangle(self):
        """Blocks that go anywhere in themselves: loops with several entries."""
        if self.loops == len(self.counters) or self.depth > 3:
            return self.any()
        counter, out = self.counters[self.loops], self.new_label()
        places = [self.new_label() for _ in range(self.rnd.randrange(2, 6))]
        self.loops += 1
        self.emit("li %s, %d" % (counter, self.rnd.choice((4, 9, 30))))
        if self.rnd.random() < 0.5:
            self.emit("%s, %s" % (self.condition(), self.rnd.choice(places)))
        for place in places:
            self.emit(place + ":")
            self.inner()
            self.emit("addi %s, %s, -1" % (counter, counter), "beqz %s, %s" % (counter, out),
                      "%s, %s" % (self.condition(), self.rnd.choice(places)))
        self.emit(out + ":")
        self.loops -= 1

    def function(self):
        """The label of a function of this sequence, a new one or not."""
        if self.functions and self.rnd.random() < 0.4:
            return self.rnd.choice(self.functions)[0][:-1]
        name = self.new_label()
        kept = self.lines, self.counters, self.loops, self.functions
        self.lines, self.counters, self.loops, self.functions = [name + ":"], IN_FUNCTION, 0, []
        self.rnd.choice((self.leaf, self.leaf, self.framed, self.recursive))(name)
        kept[3].append(self.lines)
        kept[3].extend(self.functions)
        self.lines, self.counters, self.loops, self.functions = kept
        return name

    def leaf(self, _):
        self.inner()
        if self.rnd.random() < 0.1:  # returns behind the insn after the call
            end = self.new_label()
            self.emit("%s, %s" % (self.condition(), end), "addi ra, ra, 4", end + ":")
        self.emit(self.rnd.choice(("ret", "ret", "ret", "mv t0, ra\n\tjr t0")))

    def framed(self, _):
        """With a frame, and calls of its own, the last of them perhaps a jump."""
        self.emit("addi sp, sp, -272", "sd ra, 264(sp)")
        self.inner()
        self.counters = ()
        inner = self.function() if self.depth < 4 else None
        if inner:
            self.emit("jal ra, " + inner, self.wide_insn())
        self.emit("ld ra, 264(sp)", "addi sp, sp, 272",
                  "j " + inner if inner and self.rnd.random() < 0.3 else "ret")

    def recursive(self, name):
        out, start = self.new_label(), self.new_label()
        self.counters = ()
        self.lines[:] = [name + ":", "li s8, %d" % self.rnd.choice((2, 5, 12)), start + ":",
                         "addi sp, sp, -272", "sd ra, 264(sp)"]
        self.inner()
        self.emit("addi s8, s8, -1", "blez s8, " + out, "jal ra, " + start)
        self.inner()
        self.emit(out + ":", "ld ra, 264(sp)", "addi sp, sp, 272", "ret")

    def wide_insn(self):
        """One of four bytes."""
        return self.encode([r for r in self.rows if r.width == 32])

    def call(self):
        if self.counters is not COUNTERS:
            return self.any()
        self.calls = True
        if self.rnd.random() < 0.6:
            self.emit("jal ra, " + self.function())
        else:
            self.indirect((self.function(), self.function()), "jalr ra, t0")
        self.emit(self.wide_insn())

    def switch(self):
        end = self.new_label()
        cases = [self.new_label() for _ in range(self.rnd.choice((2, 4)))]
        self.indirect(cases, "jr t0")
        for case in cases:
            self.emit(case + ":")
            self.inner()
            if self.rnd.random() < 0.8:
                self.emit("j " + end)
        self.emit(end + ":")

    def indirect(self, targets, jump):
        """By a table, and a value that is not always the same."""
        table = self.new_label()
        self.tables += [table + ":"] + ["\t.dword " + target for target in targets]
        self.emit("la t1, " + table, "andi t0, %s, %d" % (self.x(), len(targets) - 1),
                  "sh3add t0, t0, t1", "ld t0, (t0)", jump)


FLOW = {"skip": 2, "choose": 2, "loop": 3, "call": 2, "switch": 1, "tangle": 1, "test": 3}
KINDS = {
    "plain": {"any": 80, "csr": 5, "skip": 8, "loop": 2, "constant": 2},
    "rounding": {"float": 40, "csr": 14, "quiet_compare": 4, "any": 5, "skip": 2, "choose": 1,
                 "loop": 3, "swap": 2, "window": 2, "call": 1, "test": 2},
    "narrow": {"narrow_op": 30, "extend": 12, "constant": 4, "divide": 3, "wide": 6, "swap": 2,
               "any": 4, "skip": 3, "choose": 2, "loop": 4, "call": 1, "test": 4, "tangle": 1},
    "memory": {"access": 14, "window": 10, "pieces": 5, "indexed": 6, "known": 5, "atomic": 6,
               "exclusive": 3, "fence": 3, "any": 14, "walk": 8, "skip": 2, "choose": 1, "loop": 3,
               "call": 1},
    "flow": {"any": 24, "float": 4, "narrow_op": 4, "swap": 4, "access": 4, "constant": 2,
             "divide": 1, "system_call": 1, **{name: 2 * weight for name, weight in FLOW.items()}},
}
