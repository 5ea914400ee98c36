#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/syscalls.md says what userland/syscalls.def says."""

import os
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")
sys.exit(subprocess.call([sys.executable, os.path.join(TOP, "tools/syscalls_doc.py"), "--check"]))
