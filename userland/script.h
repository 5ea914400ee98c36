/* SPDX-License-Identifier: Apache-2.0 */
/* userland/script.h - the first line of a script, as the kernel reads it (binfmt_script). */
#ifndef KETCH_USERLAND_SCRIPT_H
#define KETCH_USERLAND_SCRIPT_H

#include <stdbool.h>

enum {
    SCRIPT_DEPTH = 5, /* interpreters that are scripts, as the kernel allows */
    SCRIPT_HEAD = 256, /* bytes of a file that the kernel looks at */
};

/* From the first bytes of a file, NUL-terminated, that begin with "#!": the interpreter and the
 * one argument that may follow it, else "".  False when there is no interpreter.
 * Source: execve(2), "Interpreter scripts". */
bool script_parse(const char *head, char interp[SCRIPT_HEAD], char arg[SCRIPT_HEAD]);

#endif
