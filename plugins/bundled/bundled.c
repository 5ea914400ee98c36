/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/bundled/bundled.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    if (!plugin_args_parse(bundled.name, bundled.args, argc, argv) ||
        (bundled.begin && !bundled.begin(id, info))) {
        return -1;
    }
    if (bundled.vcpu_started) {
        qemu_plugin_register_vcpu_init_cb(id, bundled.vcpu_started);
    }
    if (bundled.translated) {
        qemu_plugin_register_vcpu_tb_trans_cb(id, bundled.translated);
    }
    qemu_plugin_register_atexit_cb(id, bundled.finish, NULL);
    return 0;
}
