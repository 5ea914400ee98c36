/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/dump.h - host code as text.
 */
#ifndef KETCH_BACKENDS_X86_64_DUMP_H
#define KETCH_BACKENDS_X86_64_DUMP_H

#include "backends/backend.h"

void x64_dump(const BeCode *code, int fd);

#endif
