/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with one fault, chosen by the preprocessor. */
#include <stdint.h>
#include <stdlib.h>

#define CRASH (*(volatile int *)8 = 1)
#define HANG \
    for (;;) { \
        __asm__ volatile(""); \
    }

#ifndef IN_CONSTRUCTOR
#define IN_CONSTRUCTOR
#endif
#ifndef IN_INSTALL
#define IN_INSTALL
#endif
#ifndef IN_BLOCK
#define IN_BLOCK
#endif
#ifndef IN_EXEC
#define IN_EXEC
#endif
#ifdef IN_UNINSTALLED
void qemu_plugin_uninstall(uint64_t id, void (*cb)(uint64_t));

static void uninstalled(uint64_t id)
{
    IN_UNINSTALLED;
}
#define UNINSTALL(id) qemu_plugin_uninstall(id, uninstalled)
#else
#define UNINSTALL(id)
#endif
#ifndef STATUS
#define STATUS 0
#endif

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t, void *));
void qemu_plugin_register_vcpu_tb_exec_cb(void *tb, void (*cb)(unsigned, void *), int flags, void *data);

#ifndef NO_VERSION
int qemu_plugin_version = VERSION;
#endif

#ifdef MISSING
void qemu_plugin_does_not_exist(void);
void (*missing)(void) = qemu_plugin_does_not_exist;
#endif

__attribute__((constructor)) static void construct(void)
{
    IN_CONSTRUCTOR;
}

static void exec(unsigned vcpu, void *data)
{
    IN_EXEC;
}

static void block(uint64_t id, void *tb)
{
    IN_BLOCK;
    UNINSTALL(id);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, exec, 0, NULL);
}

#ifndef NO_INSTALL
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    IN_INSTALL;
    qemu_plugin_register_vcpu_tb_trans_cb(id, block);
    return STATUS;
}
#endif
