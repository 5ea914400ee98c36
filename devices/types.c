/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "devices/device.h"

const DevType *const dev_types[] = {
#define DEVICE(name) &dev_##name,
#include "devices/devices.def"
    NULL,
};

const DevType *dev_type(const char *name)
{
    for (const DevType *const *t = dev_types; *t; t++) {
        if (!strcmp((*t)->name, name)) {
            return *t;
        }
    }
    return NULL;
}
