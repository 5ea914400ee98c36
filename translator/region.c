/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/state.h"

void region_hot(TrVcpu *v)
{
    TrUnit *unit;

    pthread_mutex_lock(&tr.lock);
    unit = cache_find(v->vcpu.pc, v->vcpu.mode);
    if (unit) {
        unit->counter = UINT32_MAX;
    }
    pthread_mutex_unlock(&tr.lock);
}
