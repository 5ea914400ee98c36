# SPDX-License-Identifier: Apache-2.0
"""Draws a benchmark table as horizontal bars on a logarithmic axis, as SVG without libraries."""

import math

COLOURS = ["#1f6f8b", "#c96f3b", "#8a8d91", "#7d5ba6"]
LEFT, RIGHT, BAR, GAP, TOP = 120, 70, 9, 8, 46
WIDTH = 720


def ratio(results, name):
    entry, native = results.get(name), results["native"]["cpu"]
    if entry is None or "error" in entry or native <= 0:
        return None
    return entry["cpu"] / native


def write(path, table, names):
    """`table`: row -> runner -> {"cpu": ...}; one bar for each of `names`, as ratio to native."""
    ratios = [ratio(t, n) for t in table.values() for n in names]
    top = max([r for r in ratios if r] or [10])
    decades = math.ceil(math.log10(top * 1.05)) or 1
    scale = (WIDTH - LEFT - RIGHT) / decades
    height = TOP + len(table) * (len(names) * BAR + GAP) + 10
    out = [f'<!-- SPDX-License-Identifier: Apache-2.0 --><svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>']
    for i, name in enumerate(names):
        x = LEFT + i * 110
        out.append(f'<rect x="{x}" y="8" width="10" height="10" fill="{COLOURS[i % 4]}"/>'
                   f'<text x="{x + 15}" y="17">{name}</text>')
    for decade in range(decades):
        for step in (1, 2, 5):
            value = step * 10**decade
            x = LEFT + math.log10(value) * scale
            out.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 6}" '
                       f'stroke="{"#555555" if value == 1 else "#dddddd"}"/>'
                       f'<text x="{x:.1f}" y="{TOP - 10}" text-anchor="middle" fill="#555555">'
                       f'{value}</text>')
    y = TOP
    for row, results in table.items():
        out.append(f'<text x="{LEFT - 6}" y="{y + len(names) * BAR / 2 + 4:.1f}" '
                   f'text-anchor="end">{row}</text>')
        for i, name in enumerate(names):
            r = ratio(results, name)
            if r:
                length = math.log10(r) * scale
                out.append(f'<rect x="{LEFT + min(length, 0):.1f}" y="{y}" '
                           f'width="{abs(length):.1f}" height="{BAR - 1}" '
                           f'fill="{COLOURS[i % 4]}"/>'
                           f'<text x="{LEFT + max(length, 0) + 3:.1f}" y="{y + BAR - 1}" '
                           f'font-size="9" fill="#555555">{r:.2g}</text>')
            y += BAR
        y += GAP
    out.append("</svg>\n")
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(out))
