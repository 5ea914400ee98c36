/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "backends/interp/compile.h"

#include "ir/cfg.h"

/* The program and its arrays are one block of memory. */
static InterpProgram *program_new(uint32_t n_steps, uint32_t n_edges, uint32_t n_copies,
                                  size_t *size)
{
    size_t steps = sizeof(InterpProgram);
    size_t edges = steps + n_steps * sizeof(InterpStep);
    size_t copies = edges + n_edges * sizeof(InterpEdge);
    char *p;

    *size = copies + n_copies * sizeof(InterpCopy);
    p = malloc(*size);
    if (p) {
        *(InterpProgram *)p = (InterpProgram){ .steps = (InterpStep *)(p + steps),
                                               .edges = (InterpEdge *)(p + edges),
                                               .copies = (InterpCopy *)(p + copies) };
    }
    return (InterpProgram *)p;
}

/* Numbers the values of `f` from 1 in index[], the steps of each block in start[]; returns the
 * number of steps. */
static uint32_t number(const IrFunc *f, uint32_t *index, uint32_t *start, uint32_t *n_values)
{
    uint32_t n_steps = 0;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        start[b] = n_steps;
        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = ir_insn(f, ref);

            n_steps += i->op != IR_OP_param;
            if (i->type != IR_VOID && ir_op_info[i->op].result != IR_VOID) {
                index[ref] = ++*n_values;
            }
        }
    }
    return n_steps;
}

static InterpStep step_of(const IrFunc *f, const IrInsn *i, uint32_t dst, const uint32_t *index)
{
    InterpStep s = { .op = i->op, .type = i->type, .aux = i->aux, .dst = dst, .imm = i->imm };

    s.bits = i->arg[0] ? (uint8_t)ir_bits(f->insn[i->arg[0]].type) : 64;
    for (unsigned k = 0; k < 3; k++) {
        s.arg[k] = i->arg[k] ? index[i->arg[k]] : 0;
    }
    if (i->op == IR_OP_call) {
        s.imm = (int64_t)(uintptr_t)f->guest->helpers[i->imm].fn;
    }
    return s;
}

static void copy_edges(const IrFunc *f, const uint32_t *index, const uint32_t *start,
                       InterpEdge *edges, InterpCopy *copies)
{
    uint32_t n = 0;

    for (uint32_t e = 0; e < f->n_edges; e++) {
        const IrEdge *edge = &f->edge[e];
        IrRef param = f->block[edge->block].first;

        edges[e] = (InterpEdge){ start[edge->block], n, edge->n_args };
        for (uint32_t k = 0; k < edge->n_args; k++, param = f->insn[param].next) {
            copies[n++] = (InterpCopy){ index[f->edge_args[edge->first_arg + k]], index[param] };
        }
    }
}

BeStatus interp_compile(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out)
{
    uint32_t *index = ARENA_NEW(f->arena, uint32_t, f->n_insns);
    uint32_t *start = ARENA_NEW(f->arena, uint32_t, f->n_blocks);
    uint32_t n_values = 0, n_copies = 0, n_steps = number(f, index, start, &n_values);
    InterpProgram *program;
    InterpStep *step;
    size_t size;

    (void)code;
    for (uint32_t e = 0; e < f->n_edges; e++) {
        n_copies += f->edge[e].n_args;
        if (f->edge[e].n_args > INTERP_EDGE_ARGS) {
            return BE_BIG;
        }
    }
    program = n_values < INTERP_VALUES ? program_new(n_steps, f->n_edges, n_copies, &size) : NULL;
    if (!program) {
        return n_values < INTERP_VALUES ? BE_FULL : BE_BIG;
    }
    program->pc = f->pc;
    program->counter = options->counter;
    step = (InterpStep *)program->steps;
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            if (f->insn[ref].op != IR_OP_param) {
                *step++ = step_of(f, &f->insn[ref], index[ref], index);
            }
        }
    }
    copy_edges(f, index, start, (InterpEdge *)program->edges, (InterpCopy *)program->copies);
    *out = (BeCode){ .entry = program, .size = size, .side = program, .side_size = size };
    return BE_OK;
}

void interp_release(BeCode *code)
{
    free(code->side);
    code->side = NULL;
}
