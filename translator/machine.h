/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/machine.h - the harts of a whole machine, each on a thread of its own.
 *
 * Owns:       the vcpus and their threads.  What the machine has besides (memory, devices, time) is
 *             the board's, and given as MachineConfig.
 * Use:        tr_start() with TrConfig.system, machine_new(), machine_resume(); then a thread that
 *             is no hart's waits in machine_wait() for what the machine asks for:
 *
 *                 while (machine_wait(m, &event), event.kind != MACHINE_shutdown) {
 *                     machine_pause(m); reset the devices; machine_reset(m); machine_resume(m);
 *                 }
 *                 machine_free(m);
 *
 * Threading:  machine_irq() lines, machine_timer() and machine_request() may be used by any thread,
 *             also inside a device's access; they wait for nobody.  The rest by threads that are no
 *             hart's and hold no device's lock.
 */
#ifndef KETCH_TRANSLATOR_MACHINE_H
#define KETCH_TRANSLATOR_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/irq.h"
#include "frontends/system.h"
#include "ir/vcpu.h"
#include "translator/translator.h"

enum { MACHINE_HARTS = 8 };

typedef struct Machine Machine;

/* What an observer is told; in the hart's thread, outside of translated code.  Any may be NULL. */
typedef struct MachineEvents {
    void (*start)(Vcpu *vcpu);  /* before its first instruction */
    void (*idle)(Vcpu *vcpu);   /* it waits for an interrupt, and there is none */
    void (*resume)(Vcpu *vcpu); /* the wait is over */
    void (*crash)(int sig, const siginfo_t *info); /* any thread, in a signal handler: a host fault that is
                                                      not the guest's; when it returns, the process ends */
} MachineEvents;

/* What a breakpoint instruction was to whoever runs the machine. */
typedef enum MachineCall {
    MACHINE_call_none,  /* nothing: the guest's handler is entered */
    MACHINE_call_done,  /* a call, which has been served: the vcpu goes on where it is now */
    MACHINE_call_again, /* a call that has to wait for something outside: it is made again soon */
} MachineCall;

/* Besides TrConfig.system: constant, copied. */
typedef struct MachineConfig {
    unsigned n_harts;
    uint64_t (*time)(void *opaque); /* these three: see FeSystemConfig */
    void (*set_timer)(void *opaque, uint32_t hart, uint64_t when);
    void *opaque;
    const char *cpu;   /* options of -cpu, or NULL */
    uint64_t reset_pc; /* where each hart starts ... */
    uint64_t reset_arg; /* ... with its number and this in registers, see FeSystem.reset() */
    MachineEvents events;
    /* In the hart's thread, which it must not hold up.  NULL: no breakpoint is a call. */
    MachineCall (*breakpoint)(void *opaque, unsigned hart, Vcpu *vcpu);
} MachineConfig;

/* Paused, reset.  NULL and *error, a sentence. */
Machine *machine_new(const MachineConfig *config, const char **error);
void machine_free(Machine *m); /* ends the threads */

/* Interrupt line `line` of a hart (FeSystem.set_line). */
Irq machine_irq(Machine *m, unsigned hart, unsigned line);

/* The tick that MachineConfig.set_timer was told has come.  Harts that the machine has not are left
 * alone: a timer device has room for more. */
void machine_timer(Machine *m, unsigned hart);

/* ---- Stop and go ---- */

/* No hart executes anything, and none holds a device's lock, until machine_resume().  One by another
 * thread while this one waits for the harts is undone. */
void machine_pause(Machine *m);
void machine_resume(Machine *m);
bool machine_is_paused(const Machine *m);

/* All harts as after power-on.  Paused. */
void machine_reset(Machine *m);

/* RAM and the harts' state were replaced (a snapshot): nothing that was derived from them is kept.
 * After phys_written() for that RAM.  Paused. */
void machine_replaced(Machine *m);

/* What the machine or somebody who controls it wants to happen. */
typedef enum MachineEventKind {
    MACHINE_none,
    MACHINE_shutdown, /* value: exit status */
    MACHINE_restart,
    MACHINE_debug,    /* a hart has stopped for a debugger (machine_take_stop()), and all have been
                         asked to pause; value: hart */
} MachineEventKind;

typedef struct MachineEvent {
    MachineEventKind kind;
    int value;
    const char *reason; /* of shutdown and restart: ShutdownCause of QEMU's QMP reference; a constant */
} MachineEvent;

/* Posts an event; the harts execute little more until it is dealt with (they are asked to pause, as
 * if machine_pause() had been called, but nobody waits for it). */
void machine_request(Machine *m, MachineEvent event);

/* The next event, in the order of their posting. */
void machine_wait(Machine *m, MachineEvent *event);

/* ---- For a debugger ---- */

typedef enum MachineMove {
    MACHINE_run,
    MACHINE_stay,
    MACHINE_step,           /* interrupts wait */
    MACHINE_step_interrupts /* one that is pending and enabled is entered instead of an instruction */
} MachineMove;

/* What a hart does from the next machine_resume() on.  A step is one instruction,
 * and more of them while pc is in [lo, hi); then the hart stops (MACHINE_debug).  A breakpoint at its
 * first instruction does not count.  Paused. */
void machine_move(Machine *m, unsigned hart, MachineMove move, uint64_t lo, uint64_t hi);

/* Why a hart has stopped for the debugger: IR_TRAP_debug, a breakpoint; IR_TRAP_watch, with the
 * address; IR_TRAP_interrupt: its step is done.  IR_TRAP_none: it has not, since this was asked last
 * or the machine was reset.  What several have stopped for at the same time is all there when
 * machine_pause() returns, however many MACHINE_debug have been dealt with. */
TrStop machine_take_stop(Machine *m, unsigned hart);

/* ---- Looking inside ---- */

unsigned machine_harts(const Machine *m);

/* The number by which the host's kernel knows its thread, as gettid() has it. */
int machine_thread(const Machine *m, unsigned hart);

/* Paused: the registers are true (Frontend.registers, FeSystem.field). */
Vcpu *machine_hart(Machine *m, unsigned hart);

/* The vcpu of the hart whose thread calls; NULL: no hart's. */
Vcpu *machine_self(void);

/* Guest-virtual memory as the hart's page tables have it now, whatever the protection; paused.  False: not
 * all of it is RAM or ROM, or to be written, RAM. */
bool machine_read(Machine *m, unsigned hart, uint64_t vaddr, void *to, size_t size);
bool machine_write(Machine *m, unsigned hart, uint64_t vaddr, const void *from, size_t size);

#endif
