/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CACHE_DEFAULT = 64 << 20,
    FP_TRAPS = 64, /* some 2 us each, once in the life of a vcpu */
};

Translator tr = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool start_code(const char **error)
{
    if (tr.config.tier == TR_TIER_jit) {
        tr.code = codebuf_new(tr.config.cache_size);
        if (!tr.code) {
            *error = errno == EINVAL ? "The code cache can be at most 1 GiB."
                                     : "No executable memory for the code cache.";
            return false;
        }
    }
    if (!tr.backend->start(tr.code, tr.frontend->guest) ||
        (tr.oracle && !tr.oracle->start(NULL, tr.frontend->guest))) {
        *error = "This processor lacks instructions that translated code needs.";
        return false;
    }
    tr.stubs_size = tr.code ? codebuf_used(tr.code) : 0;
    return true;
}

static bool start_helpers(const char **error)
{
    const IrGuest *guest = tr.frontend->guest;

    tr.helpers = calloc(guest->n_helpers + 1, sizeof(*tr.helpers));
    if (!tr.helpers) {
        *error = "Out of memory.";
        return false;
    }
    for (unsigned i = 0; i < guest->n_helpers; i++) {
        tr.helpers[i] = guest->helpers[i].fn;
    }
    if (tr.oracle && !check_start()) {
        *error = "Out of memory.";
        return false;
    }
    return true;
}

bool tr_start(const TrConfig *config, const char **error)
{
    tr.config = *config;
    if (!tr.config.cache_size) {
        tr.config.cache_size = CACHE_DEFAULT;
    }
    tr.frontend = config->frontend;
    tr.backend = config->tier == TR_TIER_interp ? &be_interp : &be_x86_64;
    tr.oracle = config->check && config->tier != TR_TIER_interp ? &be_interp : NULL;
    tr.no_chain = config->no_chain || tr.oracle;
    return start_helpers(error) && start_code(error) && cache_start(error) && unit_start(error) &&
           perf_start(error) && profile_start(error);
}

Vcpu *tr_vcpu_new(void *user)
{
    TrVcpu *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Vcpu *vcpu = &v->vcpu;

    if (v == MAP_FAILED) {
        return NULL;
    }
    vcpu->guest = tr.frontend->guest;
    vcpu->helpers = tr.helpers;
    vcpu->mem_base = tr.config.mem_base;
    vcpu->owner = v;
    vcpu->user = user;
    vcpu->raise = &v->raise;
    vcpu->fp_traps = tr.backend->fp_trap ? FP_TRAPS : 0;
    vcpu->jump_cache[0].pc = VCPU_NO_PC;
    tr.frontend->reset(vcpu);
    vcpu->mode = tr.frontend->mode(vcpu);
    exclusive_add(v);
    return vcpu;
}

void tr_vcpu_free(Vcpu *vcpu)
{
    TrVcpu *v = vcpu->owner;

    if (tr_self == v) {
        tr_self = NULL;
    }
    profile_thread_end(v);
    exclusive_remove(v);
    munmap(v, sizeof(*v));
}
