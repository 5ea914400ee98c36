# SPDX-License-Identifier: Apache-2.0
"""A mix of what Python programs do: objects, dicts, strings, sorting, integers, floats."""

import json
import re
import sys


class Account:
    def __init__(self, name):
        self.name = name
        self.balance = 0
        self.log = []

    def move(self, amount):
        self.balance += amount
        if amount % 7 == 0:
            self.log.append((amount, self.balance))


def numbers(n, seed=1):
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) % 2**31
        yield seed


def round_(n):
    accounts = {f"a{i}": Account(f"a{i}") for i in range(50)}
    words = {}
    for x in numbers(n):
        accounts[f"a{x % 50}"].move(x % 1000 - 500)
        word = "w%d" % (x % 300)
        words[word] = words.get(word, 0) + 1
    best = sorted(words.items(), key=lambda kv: (-kv[1], kv[0]))[:5]
    text = json.dumps({k: a.log[:20] for k, a in accounts.items()})
    digits = sum(int(d) for d in re.findall(r"\d\d", text))
    primes = [p for p in range(2, 400) if all(p % d for d in range(2, int(p**0.5) + 1))]
    mean = sum(a.balance / (1 + len(a.log)) for a in accounts.values())
    return best[0], digits, len(primes), round(mean, 6), len(json.loads(text))


def main():
    for _ in range(int(sys.argv[1])):
        result = round_(20000)
    print(result)


main()
