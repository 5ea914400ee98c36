# SPDX-License-Identifier: Apache-2.0
"""The main program of a tool that writes a page of docs/ from a table; with --check it only says whether
the page is current."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def main(name, text):
    """docs/NAME is to hold `text`.  The exit status."""
    path = os.path.join(ROOT, "docs", name)
    if "--check" not in sys.argv:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return 0
    with open(path, encoding="utf-8") as current:
        if current.read() == text:
            return 0
    print(f"docs/{name} is not what tools/{os.path.basename(sys.argv[0])} writes")
    return 1
