#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports the ten longest functions and files of Ketch's C code: sizes.py [ROOT]

Sizes are guidance (a function above 50 lines is worth a second look), so the report never
fails for them; it fails when it finds no code to measure, because then it says nothing."""

import os
import re
import sys

FOLDERS = ["base", "ir", "frontends", "backends", "translator", "softmmu", "userland", "devices",
           "plugins", "ui"]


def sources(root):
    for folder in FOLDERS:
        for path, _, names in os.walk(os.path.join(root, folder), followlinks=True):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(path, name)


def functions(text):
    """(lines, name) of each function: from its name's line to the closing brace."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{" and number > 0:
            head = number - 1
            while head > 0 and lines[head].startswith((" ", "\t")):
                head -= 1
            name = re.search(r"(\w+)\(", lines[head])
            start = (head, name.group(1)) if name else None
        elif line == "}" and start:
            yield number - start[0] + 1, start[1]
            start = None


def main():
    here = os.path.dirname(os.path.realpath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..")
    files, found = [], []
    for path in sources(root):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        name = os.path.relpath(path, root)
        files.append((text.count("\n"), name))
        found += [(n, f"{function} ({name})") for n, function in functions(text)]
    if not files or not found:
        sys.exit("no source files found")
    lengths = sorted(n for n, _ in found)
    print(f"{len(files)} files, {sum(n for n, _ in files)} lines; {len(found)} functions, median "
          f"{lengths[len(lengths) // 2]} lines, 9 in 10 at most {lengths[len(lengths) * 9 // 10]}")
    for title, rows in (("functions", found), ("files", files)):
        print(f"longest {title}:")
        for n, name in sorted(rows, reverse=True)[:10]:
            print(f"  {n:5} {name}")


main()
