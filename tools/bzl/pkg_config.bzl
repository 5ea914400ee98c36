# SPDX-License-Identifier: Apache-2.0
"""pkg_config(): a library of the system as an external repository, found with pkg-config.

`@NAME//:TARGET` is a cc_library for each entry of `targets` (target name -> pkg-config module);
`@NAME//:TARGET_headers` is only what is needed to compile.
Archives are preferred unless it is `shared`, with their private libraries: relocating the shared ones, function by function,
would take longer than the rest of a program's start.  Only the C library's own stay shared, but in the
static build."""

_C_LIBRARY = ["-lm", "-lpthread", "-pthread", "-ldl", "-lrt"]

_BUILD = """cc_library(
    name = "{name}_headers",
    hdrs = glob(["include/{name}/**"], allow_empty = True),
    includes = {includes},
    defines = {defines},
    visibility = ["//visibility:public"],
)

cc_library(
    name = "{name}",
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
    deps = [":{name}_headers"],
)
"""

def _flags(ctx, *args):
    result = ctx.execute(["pkg-config"] + list(args))
    if result.return_code != 0:
        fail("pkg-config %s: %s (tools/packages.txt lists the Debian packages to install)" %
             (" ".join(args), result.stderr))
    return [f for f in result.stdout.strip().split(" ") if f]

def _library(ctx, name, module):
    includes = []
    for i, folder in enumerate(_flags(ctx, "--cflags-only-I", module)):
        link = "include/%s/%d" % (name, i)
        ctx.symlink(folder[len("-I"):], link)
        includes.append(link)
    defines = [
        f[len("-D"):]
        for f in _flags(ctx, "--cflags-only-other", module)
        if f.startswith("-D")
    ]
    if ctx.attr.shared:
        libs = _flags(ctx, "--libs", module)
        return _BUILD.format(name = name, includes = includes, defines = defines, linkopts = libs)
    libs = _flags(ctx, "--libs", "--static", module)
    libs = (["-Wl,--push-state,--as-needed,-Bstatic"] +
            [f for f in libs if f not in _C_LIBRARY] +
            ["-Wl,--pop-state", "-Wl,--push-state,--as-needed"] +
            [f for f in libs if f in _C_LIBRARY] +
            ["-Wl,--pop-state"])
    return _BUILD.format(name = name, includes = includes, defines = defines, linkopts = libs)

def _pkg_config_impl(ctx):
    libraries = [_library(ctx, n, ctx.attr.targets[n]) for n in sorted(ctx.attr.targets)]
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD.bazel", "\n".join(libraries))

pkg_config = repository_rule(
    implementation = _pkg_config_impl,
    attrs = {
        "shared": attr.bool(),
        "targets": attr.string_dict(mandatory = True),
    },
    environ = ["PKG_CONFIG_PATH"],
    local = True,
)
