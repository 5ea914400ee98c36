/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/callgraph.c - who calls whom, and where the instructions go: a flame graph.
 *
 * Each vcpu keeps a stack of the calls it is in, made from the calls and returns it executes, and
 * counts instructions in a tree of them: one node for each distinct stack.  The report is folded stacks
 * (`main;parse;read 1234`, one a line, which flame-graph tools read), and with `svg` a picture.
 *
 * A return pops the calls that expected to come back elsewhere, so longjmp() and exceptions unwind (to
 * the function that they go on in, when nobody is expected there); a jump to the start of another function,
 * a tail call, replaces the function on top.  An indirect jump into the middle of another function is a
 * switch between stacks, as coroutines do it, and unwinds like a return.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "plugins/bundled/bundled.h"
#include "plugins/bundled/flame.h"
#include "plugins/ketch-plugin.h"

/* Calls deeper than this are counted in the function at this depth. */
#define MAX_DEPTH 4096

typedef struct Spot {
    uint64_t vaddr;
    uint64_t end; /* the address after it: where a call comes back to */
    const char *function;
    uint32_t n_insns;
    KetchInsnKind last; /* kind of its last instruction */
    bool starts;        /* at the start of its function */
} Spot;

typedef struct Frame {
    FlameNode *node;
    uint64_t back; /* address that its return goes to; 0: unknown */
} Frame;

typedef struct Thread {
    const Spot *previous;
    Frame *stack; /* MAX_DEPTH; stack[0] is the root */
    uint32_t depth;
    uint32_t lost; /* calls beyond MAX_DEPTH */
} Thread;

static const char name[] = "callgraph";
static const char *out = "%p.folded";
static const char *svg;
static struct qemu_plugin_scoreboard *threads; /* Thread, by vcpu */
static FlameNode *root;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const PluginArg args[] = {
    { "out", PLUGIN_ARG_FILE, &out, "file for folded stacks, %p: process id (%p.folded)" },
    { "svg", PLUGIN_ARG_FILE, &svg, "file for the picture (none)" },
    { 0 },
};

/* The callee of `parent`; threads share the tree. */
static FlameNode *enter(FlameNode *parent, const char *function)
{
    FlameNode *node;

    pthread_mutex_lock(&lock);
    node = flame_child(parent, function);
    pthread_mutex_unlock(&lock);
    return node;
}

static void push(Thread *t, const char *function, uint64_t back)
{
    if (t->depth + 1 == MAX_DEPTH) {
        t->lost++;
        return;
    }
    t->stack[t->depth + 1] = (Frame){ enter(t->stack[t->depth].node, function), back };
    t->depth++;
}

/* Pops the calls up to the one that comes back to `s`; when there is none, as after longjmp(), those
 * above the last one of its function.  When there is none of that either it is on another stack, as a coroutine is:
 * who called there has not been kept. */
static void pop(Thread *t, const Spot *s)
{
    if (t->lost) {
        t->lost--;
        return;
    }
    for (uint32_t depth = t->depth; depth > 0; depth--) {
        if (t->stack[depth].back == s->vaddr) {
            t->depth = depth - 1;
            return;
        }
    }
    for (uint32_t depth = t->depth; depth > 0; depth--) {
        if (t->stack[depth].node->function == s->function) {
            t->depth = depth;
            return;
        }
    }
    t->depth = 0;
    push(t, s->function, 0);
}

/* A signal handler is called by nobody, and rt_sigreturn() goes back to where it came. */
static void signalled(Thread *t, const Spot *s, const Spot *p)
{
    if (s->starts) {
        push(t, s->function, p->end);
    } else {
        pop(t, s);
    }
}

/* Brings the stack up to date with the step from the previous block to this one. */
static void step(Thread *t, const Spot *s)
{
    const Spot *p = t->previous;

    if (!p || t->depth == 0) {
        push(t, s->function, 0);
        return;
    }
    switch (p->last) {
    case KETCH_INSN_CALL:
    case KETCH_INSN_ICALL:
        push(t, s->function, p->end);
        break;
    case KETCH_INSN_RETURN:
        pop(t, s);
        break;
    case KETCH_INSN_JUMP:
    case KETCH_INSN_INDIRECT:
    case KETCH_INSN_BRANCH:
        if (s->function == p->function) {
            break;
        }
        if (s->starts && t->lost == 0) {
            t->stack[t->depth].node = enter(t->stack[t->depth - 1].node, s->function);
        } else if (!s->starts && p->last == KETCH_INSN_INDIRECT) {
            pop(t, s);
        }
        break;
    case KETCH_INSN_PLAIN:
    case KETCH_INSN_STOP:
        if (s->vaddr != p->end) {
            signalled(t, s, p);
        }
        break;
    }
}

static void executed(unsigned vcpu, void *spot)
{
    Thread *t = qemu_plugin_scoreboard_find(threads, vcpu);
    const Spot *s = spot;

    step(t, s);
    t->previous = s;
    __atomic_fetch_add(&t->stack[t->depth].node->self, s->n_insns, __ATOMIC_RELAXED);
}

static void vcpu_started(qemu_plugin_id_t id, unsigned vcpu)
{
    Thread *t = qemu_plugin_scoreboard_find(threads, vcpu);

    (void)id;
    if (!t->stack) {
        t->stack = g_new(Frame, MAX_DEPTH);
    }
    t->stack[0] = (Frame){ root, 0 };
    t->previous = NULL;
    t->depth = t->lost = 0;
}

/* The name of the function at an address, for the whole run. */
static const char *function_at(uint64_t vaddr, bool *starts)
{
    KetchPlace place;

    *starts = false;
    if (!ketch_plugin_place(vaddr, &place)) {
        return "[no file]";
    }
    if (place.symbol) {
        *starts = place.start == vaddr;
        return g_intern_string(place.symbol);
    }
    return g_intern_string(strrchr(place.file, '/') ? strrchr(place.file, '/') + 1 : place.file);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
    Spot *s = g_new(Spot, 1);

    (void)id;
    s->vaddr = qemu_plugin_tb_vaddr(tb);
    s->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    s->n_insns = (uint32_t)n;
    s->last = ketch_plugin_insn_kind(last);
    s->function = function_at(s->vaddr, &s->starts);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, s);
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    FILE *f = plugin_report_open(name, out);

    (void)id;
    (void)unused;
    flame_total(root);
    flame_write_folded(root, f);
    plugin_report_close(name, f);
    if (svg) {
        f = plugin_report_open(name, svg);
        flame_write_svg(root, "instructions", f);
        plugin_report_close(name, f);
    }
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    (void)id;
    (void)info;
    root = flame_new("all");
    threads = qemu_plugin_scoreboard_new(sizeof(Thread));
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .vcpu_started = vcpu_started,
    .translated = translated,
    .finish = finish,
};
