/* SPDX-License-Identifier: Apache-2.0 */
/* userland/semihost.h - semihosting calls of programs (userland/semihosting/semihosting.h).  Threading: any. */
#ifndef KETCH_USERLAND_SEMIHOST_H
#define KETCH_USERLAND_SEMIHOST_H

#include "userland/task.h"

/* The thread has stopped at a breakpoint; true: that was a call, which is made, or will be tried again.  May
 * end the program. */
bool semihost_trap(Task *t);

#endif
