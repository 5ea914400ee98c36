/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/gdb/signals.h"

enum { SIGNALS = 64, REALTIME_FIRST = 34, REALTIME_OFFSET = 12 };

static const unsigned char numbers[SIGNALS + 1] = {
#define SIGNAL(linux_number, gdb_number) [linux_number] = gdb_number,
#include "ui/gdb/signals.def"
};

int gdb_signal_from_linux(int sig)
{
    if (sig <= 0 || sig > SIGNALS) {
        return sig ? GDB_SIGNAL_UNKNOWN : 0;
    }
    if (sig >= REALTIME_FIRST && sig < SIGNALS) {
        return sig + REALTIME_OFFSET;
    }
    return numbers[sig] ? numbers[sig] : GDB_SIGNAL_UNKNOWN;
}

int gdb_signal_to_linux(int number)
{
    for (int sig = 1; sig <= SIGNALS; sig++) {
        if (number != GDB_SIGNAL_UNKNOWN && gdb_signal_from_linux(sig) == number) {
            return sig;
        }
    }
    return 0;
}
