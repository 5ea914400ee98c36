/* SPDX-License-Identifier: Apache-2.0 */
/* The "test finisher" of SiFive's boards: a word that powers the machine off or resets it. */
#include "devices/device.h"

enum { FAIL = 0x3333, PASS = 0x5555, RESET = 0x7777, BANK_BYTES = 0x1000 };

static void wrote(Dev *dev, unsigned index, uint64_t value)
{
    const DevEnv *env = dev->env;

    (void)index;
    switch (value & 0xffff) {
    case PASS:
        env->request(env->opaque, DEV_REQUEST_poweroff, 0);
        break;
    case FAIL:
        env->request(env->opaque, DEV_REQUEST_poweroff, (int)(value >> 16 & 0xff));
        break;
    case RESET:
        env->request(env->opaque, DEV_REQUEST_reset, 0);
        break;
    default:
        break;
    }
}

static const DevReg regs[] = {
    { .name = "FINISH", .offset = 0, .size = 4, .access = 2 | 4, .wrote = wrote },
};

static const DevBank banks[] = { { "registers", BANK_BYTES, regs, G_N_ELEMENTS(regs), NULL } };

const DevType dev_sifive_test = {
    .name = "sifive-test",
    .summary = "power-off and reset",
    .size = sizeof(Dev),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
};
