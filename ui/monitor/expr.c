/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of the monitor: 64-bit unsigned, C's operators and their order. */
#include <string.h>

#include "ui/monitor/state.h"

typedef struct Expr {
    const char *at;
    const char *why; /* NULL: all is well so far */
    Monitor *monitor;
    unsigned hart;
    unsigned depth;
} Expr;

enum { MAX_DEPTH = 64, LEVELS = 6 };

/* By binding strength, weakest first. */
static const struct {
    unsigned level;
    const char *text;
} operators[] = {
    { 0, "|" }, { 1, "^" }, { 2, "&" }, { 3, "<<" }, { 3, ">>" },
    { 4, "+" }, { 4, "-" }, { 5, "*" }, { 5, "/" },  { 5, "%" },
};

static uint64_t parse(Expr *e, unsigned level);

static void skip(Expr *e)
{
    while (*e->at == ' ') {
        e->at++;
    }
}

static uint64_t fail(Expr *e, const char *why)
{
    e->why = e->why ? e->why : why;
    return 0;
}

static uint64_t get_register(Expr *e)
{
    const MonitorVm *vm = &e->monitor->vm;
    size_t n = strcspn(e->at, " ()*/%+-<>&^|~");
    char *name = g_strndup(e->at, n);
    const FeRegister *r = fe_register(vm->frontend, name);

    g_free(name);
    e->at += n;
    if (!r) {
        return fail(e, "there is no such register (info registers shows them)");
    }
    return r->get(machine_hart(vm->machine, e->hart), r->slot);
}

static uint64_t unary(Expr *e)
{
    uint64_t value;
    char *end;

    skip(e);
    if (++e->depth > MAX_DEPTH) {
        return fail(e, "the expression is nested too deeply");
    }
    switch (*e->at) {
    case '-':
        e->at++;
        value = -unary(e);
        break;
    case '~':
        e->at++;
        value = ~unary(e);
        break;
    case '$':
        e->at++;
        value = get_register(e);
        break;
    case '(':
        e->at++;
        value = parse(e, 0);
        skip(e);
        if (*e->at != ')') {
            return fail(e, "a ')' is missing");
        }
        e->at++;
        break;
    default:
        value = g_ascii_strtoull(e->at, &end, 0);
        if (end == e->at) {
            return fail(e, "a number, $register or '(' is expected");
        }
        e->at = end;
    }
    e->depth--;
    return value;
}

static uint64_t apply(Expr *e, const char *op, uint64_t a, uint64_t b)
{
    switch (*op) {
    case '|':
        return a | b;
    case '^':
        return a ^ b;
    case '&':
        return a & b;
    case '<':
        return b < 64 ? a << b : 0;
    case '>':
        return b < 64 ? a >> b : 0;
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    default:
        return b == 0 ? fail(e, "division by zero") : *op == '/' ? a / b : a % b;
    }
}

static const char *take_operator(Expr *e, unsigned level)
{
    skip(e);
    for (size_t i = 0; i < G_N_ELEMENTS(operators); i++) {
        if (operators[i].level == level && g_str_has_prefix(e->at, operators[i].text)) {
            e->at += strlen(operators[i].text);
            return operators[i].text;
        }
    }
    return NULL;
}

static uint64_t parse(Expr *e, unsigned level)
{
    uint64_t value;
    const char *op;

    if (level == LEVELS) {
        return unary(e);
    }
    value = parse(e, level + 1);
    while (!e->why && (op = take_operator(e, level))) {
        value = apply(e, op, value, parse(e, level + 1));
    }
    return value;
}

bool monitor_evaluate(Monitor *m, unsigned hart, const char *text, uint64_t *value,
                      const char **why)
{
    Expr e = { .at = text, .monitor = m, .hart = hart };
    MonitorHold hold = monitor_hold(m);
    uint64_t result = parse(&e, 0);

    monitor_release(hold);
    skip(&e);
    if (!e.why && *e.at) {
        e.why = "the expression goes on after its end";
    }
    if (e.why) {
        *why = e.why;
        return false;
    }
    *value = result;
    return true;
}
