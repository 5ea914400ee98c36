/* SPDX-License-Identifier: Apache-2.0 */
/* A backend with a bug, for failure_test: the translator's own headers are C. */
#ifndef KETCH_TESTSUITE_TRANSLATOR_BROKEN_H
#define KETCH_TESTSUITE_TRANSLATOR_BROKEN_H

/* From now on, whatever is compiled breaks an invariant: CHECK fails. */
void break_backend(void);

#endif
