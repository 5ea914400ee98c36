/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/script.h"

#include <stdio.h>
#include <string.h>

bool script_parse(const char *head, char interp[SCRIPT_HEAD], char arg[SCRIPT_HEAD])
{
    size_t n = strcspn(head + 2, "\n");
    char line[SCRIPT_HEAD];
    char *p = line, *end;

    snprintf(line, sizeof(line), "%.*s", (int)n, head + 2);
    end = line + strlen(line);
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) {
        *--end = '\0';
    }
    p += strspn(p, " \t");
    n = strcspn(p, " \t");
    if (n == 0) {
        return false;
    }
    snprintf(interp, SCRIPT_HEAD, "%.*s", (int)n, p);
    p += n;
    p += strspn(p, " \t");
    snprintf(arg, SCRIPT_HEAD, "%s", p);
    return true;
}
