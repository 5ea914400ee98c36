/* SPDX-License-Identifier: Apache-2.0 */
/* testsuite/plugins/print.h - printf() for plugins, by qemu_plugin_outs(). */
#ifndef KETCH_TESTSUITE_PLUGINS_PRINT_H
#define KETCH_TESTSUITE_PLUGINS_PRINT_H

#include <stdarg.h>
#include <stdio.h>

#include "plugins/qemu-plugin.h"

__attribute__((format(printf, 1, 2))) static void print(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    qemu_plugin_outs(text);
}

#endif
