/* SPDX-License-Identifier: Apache-2.0 */
#include "testsuite/translator/broken.h"

#include "translator/state.h"

static BeStatus compile(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out)
{
    (void)code, (void)f, (void)options, (void)out;
    CHECK(false, "the backend of this test");
    return BE_OK;
}

void break_backend(void)
{
    static Backend broken;

    broken = *tr.backend;
    broken.compile = compile;
    tr.backend = &broken;
}
