#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/ir-ops.md says what ir/ops.def says."""

import os
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")
sys.exit(subprocess.call([sys.executable, os.path.join(TOP, "tools/ir_ops_doc.py"), "--check"]))
