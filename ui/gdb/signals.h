/* SPDX-License-Identifier: Apache-2.0 */
/* ui/gdb/signals.h - Linux's signal numbers and the remote protocol's. */
#ifndef KETCH_UI_GDB_SIGNALS_H
#define KETCH_UI_GDB_SIGNALS_H

enum { GDB_SIGNAL_UNKNOWN = 143 };

/* GDB_SIGNAL_UNKNOWN when gdb has no number for it. */
int gdb_signal_from_linux(int sig);

/* 0 when it is none of Linux. */
int gdb_signal_to_linux(int number);

#endif
