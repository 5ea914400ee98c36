/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stop and go, as one set of states for everybody who controls the machine: monitors, a debugger, the
 * program that runs it.  Whoever stops the machine, lets it go or resets it holds `control` from the look
 * at the state to the end of the change: else a reset would let go what `stop` has just stopped.
 */
#include "ui/monitor/state.h"

static void set_status(Monitor *m, const char *status)
{
    pthread_mutex_lock(&m->lock);
    m->status = status;
    pthread_mutex_unlock(&m->lock);
}

const char *monitor_status(Monitor *m)
{
    const char *status;

    pthread_mutex_lock(&m->lock);
    status = m->status;
    pthread_mutex_unlock(&m->lock);
    return status;
}

bool monitor_is_running(Monitor *m)
{
    return g_str_equal(monitor_status(m), "running");
}

static void stop_as_locked(Monitor *m, const char *status)
{
    if (monitor_is_running(m)) {
        machine_pause(m->vm.machine);
        clock_pause(m->vm.clock);
        set_status(m, status);
        monitor_event(m, MONITOR_EVENT_stop, NULL);
    }
}

void monitor_stop(Monitor *m)
{
    pthread_mutex_lock(&m->control);
    stop_as_locked(m, "paused");
    pthread_mutex_unlock(&m->control);
}

bool monitor_can_go_on(Monitor *m, GError **error)
{
    bool can = !g_str_equal(monitor_status(m), "shutdown");

    if (!can) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Resetting the Virtual Machine is required");
    }
    return can;
}

void monitor_switched_off(Monitor *m)
{
    pthread_mutex_lock(&m->control);
    stop_as_locked(m, "shutdown");
    set_status(m, "shutdown"); /* of one that had been stopped, too */
    pthread_mutex_unlock(&m->control);
}

void monitor_reset(Monitor *m, void (*reset)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&m->control);
    machine_pause(m->vm.machine);
    clock_pause(m->vm.clock);
    reset(opaque);
    if (g_str_equal(monitor_status(m), "shutdown")) {
        set_status(m, "paused");
    }
    if (monitor_is_running(m)) {
        clock_resume(m->vm.clock);
        machine_resume(m->vm.machine);
    }
    pthread_mutex_unlock(&m->control);
}

void monitor_let_run(Monitor *m)
{
    pthread_mutex_lock(&m->control);
    if (monitor_is_running(m)) {
        machine_resume(m->vm.machine);
    }
    pthread_mutex_unlock(&m->control);
}

static void go_on(Monitor *m, bool time)
{
    pthread_mutex_lock(&m->control);
    if (!monitor_is_running(m) && monitor_can_go_on(m, NULL)) {
        set_status(m, "running");
        monitor_event(m, MONITOR_EVENT_resume, NULL);
        if (time) {
            clock_resume(m->vm.clock);
        }
        machine_resume(m->vm.machine);
    }
    pthread_mutex_unlock(&m->control);
}

void monitor_cont(Monitor *m)
{
    go_on(m, true);
}

void monitor_cont_timeless(Monitor *m)
{
    go_on(m, false);
}

void monitor_request(Monitor *m, MachineEventKind kind)
{
    const char *reason = kind == MACHINE_shutdown ? "host-qmp-quit" : "host-qmp-system-reset";

    if (kind == MACHINE_shutdown) {
        set_status(m, "shutdown");
    }
    machine_request(m->vm.machine, (MachineEvent){ kind, 0, reason });
}

void monitor_powerdown(Monitor *m)
{
    monitor_event(m, MONITOR_EVENT_powerdown, NULL);
}

MonitorHold monitor_hold(Monitor *m)
{
    MonitorHold hold = { .monitor = m };

    pthread_mutex_lock(&m->control);
    hold.was_running = !machine_is_paused(m->vm.machine);
    hold.clock_was_running = clock_running(m->vm.clock);
    machine_pause(m->vm.machine); /* harts that were only asked to may still run */
    if (hold.clock_was_running) {
        clock_pause(m->vm.clock);
    }
    return hold;
}

void monitor_release(MonitorHold hold)
{
    if (hold.clock_was_running) {
        clock_resume(hold.monitor->vm.clock);
    }
    if (hold.was_running) {
        machine_resume(hold.monitor->vm.machine);
    }
    pthread_mutex_unlock(&hold.monitor->control);
}
