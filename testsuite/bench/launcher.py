# SPDX-License-Identifier: Apache-2.0
"""launch.c, the program that measures, on this machine and inside a guest."""

import hashlib
import os
import subprocess

import debian

SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "launch.c")


def build(compiler):
    """Its path, built once for the machine of the compiler."""
    with open(SOURCE, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:16]
    target = os.path.join(debian.cache_folder("bench"), f"launch-{compiler}-{digest}")
    if not os.path.exists(target):
        subprocess.run([compiler, "-O2", "-static", SOURCE, "-o", target + ".new"], check=True)
        os.rename(target + ".new", target)
    return target
