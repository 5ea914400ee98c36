/* SPDX-License-Identifier: Apache-2.0 */
/* userland/systable.c - syscalls.def and syskinds.def as tables. */
#include <errno.h>
#include <sys/syscall.h>

#include "userland/hostnr.h"
#include "userland/syscall.h"

const SysKindInfo syscall_kinds[SK_COUNT] = {
#define VALUE(id, printer, set) [SK_##id] = { #id, SD_VALUE, SPAN_ONE, 0 },
#define POINTER(id, direction, span, size, printer, set) \
    [SK_##id] = { #id, SD_##direction, SPAN_##span, size },
#include "userland/syskinds.def"
};

const SysRow syscall_rows[SYSCALL_LIMIT] = {
#define HOST(number, how, name, result, ...) \
    [number] = { #name, how, SK_##result, SYS_##name, 0, NULL, __VA_ARGS__ },
#define PASS(number, name, result, ...) HOST(number, SYS_PASS, name, result, __VA_ARGS__)
#define WAIT(number, name, result, ...) HOST(number, SYS_WAIT, name, result, __VA_ARGS__)
#define NAPS(number, name, result, ...) HOST(number, SYS_NAPS, name, result, __VA_ARGS__)
#define CALL(number, name, result, ...) \
    [number] = { #name, SYS_CALL, SK_##result, 0, 0, sys_##name, __VA_ARGS__ },
#define DENY_ROW(number, name, result, error, ...) \
    [number] = { #name, SYS_DENY, SK_##result, 0, error, NULL, __VA_ARGS__ },
#define DENY(number, name, result, error, ...) DENY_ROW(number, name, result, error, __VA_ARGS__)
#include "userland/syscalls.def"
};
