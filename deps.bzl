# SPDX-License-Identifier: Apache-2.0
"""Everything that Ketch needs from outside: all of it from Debian's packages, nothing fetched."""

load("//tools/bzl:pkg_config.bzl", "pkg_config")

# Repositories that Bazel 4.2 would download, from Debian's packages or from tools/bzl.
_LOCAL = {
    "bazel_skylib": "/usr/share/bazel/tools/skylib",
    "platforms": "/usr/share/bazel/tools/platforms",
    "remote_coverage_tools": "tools/bzl/remote_coverage_tools",
    "rules_cc": "tools/bzl/rules_cc",
    "rules_java": "/usr/share/bazel/rules/java",
    "rules_proto": "/usr/share/bazel/rules/proto",
}

# Libraries: repository -> {target: pkg-config module}.
_LIBRARIES = {
    "capstone": {"capstone": "capstone"},
    "glib": {"glib": "glib-2.0"},
    "gtest": {
        "gtest": "gtest",
        "gtest_main": "gtest_main",
    },
    "libedit": {"libedit": "libedit"},
    "libelf": {"libelf": "libelf"},
    "libzstd": {"libzstd": "libzstd"},
    "zlib": {"zlib": "zlib"},
}

# The same for shared objects, into which archives do not link.
_SHARED_LIBRARIES = {
    "glib_shared": {"glib": "glib-2.0"},
    "json_glib": {"json_glib": "json-glib-1.0"},
    "slirp": {"slirp": "slirp"},
}

def ketch_deps():
    for name, path in _LOCAL.items():
        native.local_repository(name = name, path = path)
    for name, targets in _LIBRARIES.items():
        pkg_config(name = name, targets = targets)
    for name, targets in _SHARED_LIBRARIES.items():
        pkg_config(name = name, targets = targets, shared = True)
