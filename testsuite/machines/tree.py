# SPDX-License-Identifier: Apache-2.0
"""Device trees: {path: {property: bytes}}, with handles replaced by the paths they mean."""

import struct

BEGIN, END, PROPERTY, NOP, FINISH = 1, 2, 3, 4, 9

# Properties whose cells hold handles: where among groups of so many cells they are.
HANDLES = {"interrupt-parent": (1, 0), "regmap": (1, 0), "cpu": (1, 0), "interrupts-extended": (2, 0),
           "interrupt-map": (6, 4)}


def parse(data):
    (_, _, structure, strings) = struct.unpack_from(">IIII", data)
    nodes, path, at = {}, [], structure
    while True:
        (token,) = struct.unpack_from(">I", data, at)
        at += 4
        if token == BEGIN:
            end = data.index(b"\0", at)
            path.append(data[at:end].decode())
            nodes["/".join(path) or "/"] = {}
            at = (end + 4) & ~3
        elif token == END:
            path.pop()
        elif token == PROPERTY:
            size, name = struct.unpack_from(">II", data, at)
            at += 8
            name = data[strings + name:data.index(b"\0", strings + name)].decode()
            nodes["/".join(path) or "/"][name] = data[at:at + size]
            at = (at + size + 3) & ~3
        elif token == FINISH:
            return nodes
        elif token != NOP:
            raise ValueError(f"token {token}")


def cells(value):
    return list(struct.unpack(f">{len(value) // 4}I", value))


def resolve(nodes):
    """Handles by the path of their node; "phandle" itself is gone."""
    paths = {cells(p["phandle"])[0]: path for path, p in nodes.items() if "phandle" in p}
    for properties in nodes.values():
        properties.pop("phandle", None)
        for name, (group, at) in HANDLES.items():
            if name in properties and len(properties[name]) % 4 == 0:
                properties[name] = [paths[c] if i % group == at else c
                                    for i, c in enumerate(cells(properties[name]))]
                if name == "interrupt-map":
                    rows = properties[name]
                    properties[name] = sorted(map(str, (rows[i:i + 6] for i in range(0, len(rows), 6))))
    return nodes
