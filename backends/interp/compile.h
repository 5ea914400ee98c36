/* SPDX-License-Identifier: Apache-2.0 */
/* backends/interp/compile.h - IrFunc to InterpProgram; see Backend.compile and release. */
#ifndef KETCH_BACKENDS_INTERP_COMPILE_H
#define KETCH_BACKENDS_INTERP_COMPILE_H

#include "backends/interp/interp.h"

BeStatus interp_compile(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out);
void interp_release(BeCode *code);

#endif
