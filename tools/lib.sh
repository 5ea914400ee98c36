# SPDX-License-Identifier: Apache-2.0
# Shell functions of the commands in tools/; sourced with $top set to the top of the repository.

say()
{
    printf '%s\n' "$*" >&2
}

die()
{
    say "$(basename "$0"): $*"
    exit 1
}

installed()
{
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

# The packages of tools/packages.txt for the given occasions that are not installed.
missing_packages()
{
    for when in "$@"; do
        sed -n "s/^$when //p" "$top/tools/packages.txt"
    done | sort -u | while read -r package; do
        installed "$package" || printf '%s\n' "$package"
    done
}

# Installs what is missing for the given occasions (build, demo, test); silent when nothing is.
need_packages()
{
    command -v dpkg-query >/dev/null || die "dpkg is not here: this needs Debian 12 (or install what tools/packages.txt lists and use bazel)"
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "apt-get is not here; install these packages: $missing"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install $missing"
        as_root=sudo
    fi
    say "installing: $missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    if ! { $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
            -o Dpkg::Use-Pty=false install $missing; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $missing"
    fi
    rm -f "$log"
}
