/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_DEFAULT = 64 << 20,
    CACHE_MACHINE = 256 << 20, /* many programs run there, and old code stays for a while */
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
    if (!tr.backend->start(tr.code, tr.guest) ||
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

    unsigned more = tr.config.instrument ? instrument_helpers() : 0;
    IrHelper *rows = more ? calloc(guest->n_helpers + more, sizeof(*rows)) : NULL;

    tr.helpers = calloc(guest->n_helpers + more + 1, sizeof(*tr.helpers));
    if (!tr.helpers || (more && !rows)) {
        *error = "Out of memory.";
        return false;
    }
    for (unsigned i = 0; i < guest->n_helpers; i++) {
        tr.helpers[i] = guest->helpers[i].fn;
    }
    if (more && !instrument_start(rows, tr.helpers)) {
        *error = "No memory for instrumentation.";
        return false;
    }
    if (tr.oracle && !check_start()) {
        *error = "Out of memory.";
        return false;
    }
    return true;
}

bool tr_start(const TrConfig *config, const char **error)
{
    static TrSystem system;

    tr.config = *config;
    if (config->system) {
        system = *config->system;
        tr.system = &system;
    }
    if (!tr.config.cache_size) {
        tr.config.cache_size = config->system ? CACHE_MACHINE : CACHE_DEFAULT;
    }
    tr.frontend = config->frontend;
    tr.guest = config->instrument ? instrument_guest() : config->frontend->guest;
    tr.backend = config->tier == TR_TIER_interp ? &be_interp : &be_x86_64;
    tr.oracle = config->check && config->tier != TR_TIER_interp ? &be_interp : NULL;
    tr.no_chain = config->no_chain || tr.oracle;
    if (tr.oracle && config->instrument) {
        *error = "--check runs everything twice, which plugins would count: use one or the other.";
        return false;
    }
    return start_helpers(error) && start_code(error) && cache_start(error) && unit_start(error) &&
           perf_start(error) && profile_start(error);
}

Vcpu *tr_vcpu_new(void *user)
{
    TrVcpu *v = exclusive_new();
    Vcpu *vcpu = &v->vcpu;

    if (!v) {
        return NULL;
    }
    vcpu->guest = tr.frontend->guest;
    vcpu->helpers = tr.helpers;
    vcpu->mem_base = tr.config.mem_base;
    vcpu->find = run_find;
    vcpu->switched = run_switched;
    vcpu->refill = instrument_refill;
    vcpu->owner = v;
    vcpu->user = user;
    vcpu->raise = &v->raise;
    vcpu->fp_traps = tr.backend->fp_trap ? FP_TRAPS : 0;
    vcpu_jumps_zeroed(vcpu);
    if (tr.system && !system_attach(v)) {
        tr_vcpu_free(vcpu);
        return NULL;
    }
    tr.frontend->reset(vcpu);
    vcpu->mode = tr.system ? 0 : tr.frontend->mode(vcpu);
    return vcpu;
}

void tr_vcpu_free(Vcpu *vcpu)
{
    TrVcpu *v = vcpu->owner;

    if (tr_self == v) {
        tr_self = NULL;
    }
    profile_thread_end(v);
    if (tr.system) {
        system_detach(v);
    }
    exclusive_free(v);
}
