/* SPDX-License-Identifier: Apache-2.0 */
/* ui/cli/version.h - the version, in one place. */
#ifndef KETCH_UI_CLI_VERSION_H
#define KETCH_UI_CLI_VERSION_H

#define KETCH_VERSION "0.1.0"
#define KETCH_VERSION_TEXT \
    "ketch " KETCH_VERSION "\nLicence Apache-2.0. Runs riscv64 Linux programs on x86-64 Linux."

#endif
