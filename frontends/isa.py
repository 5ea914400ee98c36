# SPDX-License-Identifier: Apache-2.0
"""isa.py - reads and checks instruction files (.isa).

An instruction file is lines; `#` starts a comment.  The stem of its name is the group (the
extension) of its instructions.

    width 32                                    of the rows that follow: 16 or 32 bits
    privileged                                  the rows that follow are for a whole machine only
    field rd     11:7             as xreg       a field; fields are shared by all files
    field imm_b  31 7 30:25 11:8  signed <<1 as pcrel
    field rd_p   4:2              +8 as xreg    value is the bits plus 8
    field rm     14:12            not 5 6 as rm values that no instruction has

    addi   ............ ..... 000 ..... 0010011   "addi rd, rs1, imm_i"
    c.add  1001 ..... ..... 10   "c.add rd, crs2"  if crs2 != 0   = add rd=rd rs1=rd rs2=crs2
    pause  00000001000000000000000000001111   "pause"   over fence

A field lists its bits, highest of the value first.  In a pattern 0 and 1 must be so, '.' belongs
to a field that the text names, '-' is ignored.  The text is the operand list: a word (after the
mnemonic, or anywhere in {braces}) that names a field is an operand.  `over X`: a special case of
X, which has X's other encodings.  `if`: encodings that the instruction has not.  `= X ...`: no
translator of its own; X's is called with these operands (fields or numbers).
"""
import os
import re


class IsaError(Exception):
    pass


class Field:
    def __init__(self, name, pieces, signed, shift, bias, excluded, kind):
        self.name, self.pieces, self.signed = name, pieces, signed
        self.shift, self.bias, self.excluded, self.kind = shift, bias, excluded, kind
        self.width = sum(hi - lo + 1 for hi, lo in pieces)
        self.bits = 0
        for hi, lo in pieces:
            self.bits |= ((1 << (hi - lo + 1)) - 1) << lo

    def key(self):
        return (self.pieces, self.signed, self.shift, self.bias, self.excluded, self.kind)

    def ctype(self):
        if self.signed:
            return "int32_t"
        top = ((1 << self.width) - 1 << self.shift) + self.bias
        return "uint8_t" if top < 256 else "uint32_t"

    def expr(self):
        """C expression over `bits`."""
        parts, at = [], self.width
        for hi, lo in self.pieces:
            at -= hi - lo + 1
            part = "(bits >> %d & 0x%xu)" % (lo, (1 << (hi - lo + 1)) - 1)
            parts.append(part + (" << %d" % at if at else ""))
        raw = " | ".join(parts)
        if self.signed:
            up = 32 - self.width
            raw = "(int32_t)((%s) << %d) >> %d" % (raw, up, up - self.shift)
        elif self.shift:
            raw = "(%s) << %d" % (raw, self.shift)
        return "(%s) + %d" % (raw, self.bias) if self.bias else raw

    def extract(self, bits):
        """The raw value, before sign, shift and bias."""
        value = 0
        for hi, lo in self.pieces:
            value = value << (hi - lo + 1) | (bits >> lo & ((1 << (hi - lo + 1)) - 1))
        return value

    def value(self, bits):
        """The operand in an encoding."""
        raw = self.extract(bits)
        if self.signed and raw >> (self.width - 1):
            raw -= 1 << self.width
        return (raw << self.shift) + self.bias

    def insert(self, bits, raw):
        """The encoding with this raw value in it."""
        bits &= ~self.bits
        for hi, lo in reversed(self.pieces):
            size = hi - lo + 1
            bits |= (raw & ((1 << size) - 1)) << lo
            raw >>= size
        return bits

    def raw_of(self, value):
        """The raw value that stands for `value`; None when none does."""
        raw = (value - self.bias) >> self.shift
        return raw if 0 <= raw < 1 << self.width else None


class Row:
    def __init__(self, where, name, group, width, pattern, text):
        self.where, self.name, self.group, self.width = where, name, group, width
        self.text, self.over, self.conditions, self.expand = text, None, [], None
        self.match = self.mask = self.dots = 0
        for i, ch in enumerate(pattern):
            bit = 1 << (width - 1 - i)
            if ch in "01":
                self.mask |= bit
                self.match |= bit if ch == "1" else 0
            elif ch == ".":
                self.dots |= bit
        self.ident = re.sub(r"[^a-z0-9]", "_", name)
        self.camel = "".join(p.capitalize() for p in self.ident.split("_"))
        self.operands = []
        self.privileged = False

    def excluded(self):
        """(field, raw value) pairs that this instruction has not."""
        pairs = [(f, v) for f, v in self.conditions]
        pairs += [(f, v) for f in self.operands for v in f.excluded]
        return pairs


def parse_field(words, where):
    m = re.fullmatch(r"(\w+)((?: \d+(?::\d+)?)+)( signed)?(?: <<(\d+))?(?: \+(\d+))?"
                     r"(?: not((?: \d+)+))?(?: as (\w+))", " ".join(words))
    if not m:
        raise IsaError("%s: malformed field" % where)
    pieces = []
    for piece in m[2].split():
        hi, _, lo = piece.partition(":")
        pieces.append((int(hi), int(lo or hi)))
        if pieces[-1][0] < pieces[-1][1] or pieces[-1][0] > 31:
            raise IsaError("%s: bits %s are not high:low within 31:0" % (where, piece))
    return Field(m[1], tuple(pieces), bool(m[3]), int(m[4] or 0), int(m[5] or 0),
                 tuple(int(v) for v in (m[6] or "").split()), m[7])


def strip(line):
    """The line without its comment."""
    return line.partition("#")[0].rstrip()


def read_fields(path, fields):
    for number, line in enumerate(open(path), 1):
        words = strip(line).split()
        if words[:1] != ["field"]:
            continue
        where = "%s:%d" % (path, number)
        field = parse_field(words[1:], where)
        if field.name in fields and fields[field.name].key() != field.key():
            raise IsaError("%s: field %s is defined differently elsewhere" % (where, field.name))
        fields.setdefault(field.name, field)


def template(row, fields):
    """Parts of the assembly text: strings and Fields."""
    mnemonic, _, rest = row.text.partition(" ")
    parts = []
    for word in re.split(r"(\{\w+\})", mnemonic):
        parts.append(lookup(row, fields, word[1:-1]) if word.startswith("{") else word)
    if rest:
        parts.append(" ")
        for word in re.split(r"(\{\w+\}|\w+)", re.sub(r",\s+", ",", rest.strip())):
            name = word.strip("{}")
            if word.startswith("{") or name in fields:
                parts.append(lookup(row, fields, name))
            else:
                parts.append(word)
    return [p for p in parts if p != ""]


def lookup(row, fields, name):
    if name not in fields:
        raise IsaError("%s: no field %s" % (row.where, name))
    return fields[name]


def parse_row(line, where, group, width, fields):
    m = re.fullmatch(r"\s*(\S+)((?:\s+[01.\-]+)+)\s+\"([^\"]*)\"(?:\s+over (\S+))?"
                     r"(?:\s+if (.*?))?(?:\s+= (.*))?\s*", line)
    if not m:
        raise IsaError("%s: neither a field, a width nor an instruction" % where)
    pattern = "".join(m[2].split())
    if len(pattern) != width:
        raise IsaError("%s: %s: the pattern has %d bits, not %d" % (where, m[1], len(pattern), width))
    row = Row(where, m[1], group, width, pattern, m[3])
    row.parts = template(row, fields)
    row.operands = list(dict.fromkeys(p for p in row.parts if isinstance(p, Field)))
    row.over = m[4]
    for condition in (m[5] or "").split(",") if m[5] else []:
        c = re.fullmatch(r"\s*(\w+) != (-?\d+)\s*", condition)
        if not c:
            raise IsaError("%s: malformed condition '%s'" % (where, condition.strip()))
        field = lookup(row, fields, c[1])
        row.conditions.append((field, int(c[2])))
    if m[6]:
        words = m[6].split()
        row.expand = (words[0], dict(w.split("=", 1) for w in words[1:]))
    check_cover(row)
    return row


def check_cover(row):
    covered = 0
    for field in row.operands:
        if field.bits >> row.width:
            raise IsaError("%s: %s: field %s is outside %d bits"
                           % (row.where, row.name, field.name, row.width))
        if field.bits & ~row.dots:
            raise IsaError("%s: %s: operand %s is not covered by '.' in the pattern"
                           % (row.where, row.name, field.name))
        covered |= field.bits
    if row.dots & ~covered:
        bit = (row.dots & ~covered).bit_length() - 1
        raise IsaError("%s: %s: bit %d is not covered by an operand" % (row.where, row.name, bit))


def read_rows(path, fields):
    rows, width, privileged = [], 32, False
    group = os.path.splitext(os.path.basename(path))[0]
    for number, line in enumerate(open(path), 1):
        line, where = strip(line), "%s:%d" % (path, number)
        words = line.split()
        if not words or words[0] == "field":
            continue
        if words[0] == "width":
            if words[1:] not in (["16"], ["32"]):
                raise IsaError("%s: width is 16 or 32" % where)
            width = int(words[1])
        elif words == ["privileged"]:
            privileged = True
        else:
            rows.append(parse_row(line, where, group, width, fields))
            rows[-1].privileged = privileged
    return rows


def never_both(a, b):
    """True when the bits that both patterns fix rule one of them out by its conditions."""
    mask, match = a.mask | b.mask, a.match | b.match
    for field, raw in a.excluded() + b.excluded():
        if field.bits & ~mask == 0 and field.extract(match) == field.raw_of(raw):
            return True
    return False


def check_overlaps(rows):
    names = {}
    for row in rows:
        if row.name in names:
            raise IsaError("%s: %s is also at %s" % (row.where, row.name, names[row.name].where))
        names[row.name] = row
    for i, a in enumerate(rows):
        for b in rows[:i]:
            if a.width != b.width or (a.match ^ b.match) & a.mask & b.mask or never_both(a, b):
                continue
            small, large = (a, b) if a.over == b.name else (b, a)
            if small.over != large.name or large.mask & ~small.mask:
                raise IsaError("%s: %s overlaps %s at %s" % (a.where, a.name, b.name, b.where))
    for row in rows:
        if row.over and row.over not in names:
            raise IsaError("%s: %s: no instruction %s" % (row.where, row.name, row.over))
        if row.expand:
            check_expansion(row, names)


def check_expansion(row, names):
    target = names.get(row.expand[0])
    if target is None or target.expand:
        raise IsaError("%s: %s: no instruction %s" % (row.where, row.name, row.expand[0]))
    want = [f.name for f in target.operands]
    if sorted(want) != sorted(row.expand[1]):
        raise IsaError("%s: %s: %s takes %s" % (row.where, row.name, target.name, ", ".join(want)))
    own = [f.name for f in row.operands]
    for value in row.expand[1].values():
        if value not in own and not re.fullmatch(r"-?\d+", value):
            raise IsaError("%s: %s: %s is not an operand" % (row.where, row.name, value))


def read_isa(paths):
    """(fields by name, rows) of all files."""
    fields = {}
    for path in paths:
        read_fields(path, fields)
    rows = [row for path in paths for row in read_rows(path, fields)]
    check_overlaps(rows)
    return fields, rows
