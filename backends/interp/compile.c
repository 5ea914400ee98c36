/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "backends/interp/compile.h"

#include "base/bits.h"
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

/* Pure ops do not use imm, so that of their step can be their second operand. */
static bool folds_b(const IrFunc *f, const IrInsn *i)
{
    return (ir_op_info[i->op].effects & IR_PURE) && i->arg[1] &&
           f->insn[i->arg[1]].op == IR_OP_const;
}

/* Marks the constants that have to be values. */
static void mark_constants(const IrFunc *f, bool *needed)
{
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = ir_insn(f, ref);

            for (unsigned k = 0; k < 3; k++) {
                needed[i->arg[k]] |= k != 1 || !folds_b(f, i);
            }
        }
    }
    for (uint32_t e = 0; e < f->n_edges; e++) {
        for (uint32_t k = 0; k < f->edge[e].n_args; k++) {
            needed[f->edge_args[f->edge[e].first_arg + k]] = true;
        }
    }
}

/* `ref` stores what the insn before it has computed. */
static bool stores_last(const IrFunc *f, IrRef ref)
{
    const IrInsn *i = &f->insn[ref], *last = &f->insn[i->prev];

    return i->op == IR_OP_setreg && i->prev && i->arg[0] == i->prev && last->op != IR_OP_param;
}

static bool is_step(const IrFunc *f, IrRef ref, const bool *needed)
{
    switch (f->insn[ref].op) {
    case IR_OP_param:
    case IR_OP_insn:
        return false;
    case IR_OP_const:
        return needed[ref];
    case IR_OP_setreg:
        return !stores_last(f, ref);
    default:
        return true;
    }
}

/* Numbers the values of `f` from 1 in index[], the steps of each block in start[]; returns the
 * number of steps. */
static uint32_t number(const IrFunc *f, const bool *needed, uint32_t *index, uint32_t *start,
                       uint32_t *n_values)
{
    uint32_t n_steps = 0;

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        start[b] = n_steps;
        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = ir_insn(f, ref);

            n_steps += is_step(f, ref, needed);
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

    s.unused = i->type == IR_VOID ? 0 : (uint8_t)(64 - ir_bits(i->type));
    s.b_imm = folds_b(f, i);
    if (s.b_imm) {
        const IrInsn *b = &f->insn[i->arg[1]];

        s.imm = (int64_t)bits_zext((uint64_t)b->imm, ir_bits(b->type));
    }
    s.bits = i->arg[0] ? (uint8_t)ir_bits(f->insn[i->arg[0]].type) : 64;
    for (unsigned k = 0; k < 3; k++) {
        s.arg[k] = i->arg[k] && !(k == 1 && s.b_imm) ? index[i->arg[k]] : 0;
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

static void write_steps(const IrFunc *f, const bool *needed, const uint32_t *index,
                        InterpStep *step)
{
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        uint64_t pc = f->block[b].pc; /* its first op may be of an instruction that a branch split */

        IR_FOR_EACH (f, b, ref) {
            const IrInsn *i = &f->insn[ref];

            if (i->op == IR_OP_insn) {
                pc = (uint64_t)i->imm;
            } else if (is_step(f, ref, needed)) {
                *step = step_of(f, i, index[ref], index);
                step++->pc = pc;
            } else if (i->op == IR_OP_setreg) {
                step[-1].slot = (uint8_t)(i->imm + 1);
            }
        }
    }
}

BeStatus interp_compile(CodeBuf *code, const IrFunc *f, const BeOptions *options, BeCode *out)
{
    uint32_t *index = ARENA_NEW(f->arena, uint32_t, f->n_insns);
    uint32_t *start = ARENA_NEW(f->arena, uint32_t, f->n_blocks);
    bool *needed = ARENA_NEW(f->arena, bool, f->n_insns);
    uint32_t n_values = 0, n_copies = 0, n_steps;
    InterpProgram *program;
    size_t size;

    (void)code;
    mark_constants(f, needed);
    n_steps = number(f, needed, index, start, &n_values);
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
    program->by_call = options->memory != BE_MEM_host;
    program->chains = !options->no_link;
    write_steps(f, needed, index, (InterpStep *)program->steps);
    copy_edges(f, index, start, (InterpEdge *)program->edges, (InterpCopy *)program->copies);
    *out = (BeCode){ .entry = program, .size = size, .side = program, .side_size = size };
    return BE_OK;
}

void interp_release(BeCode *code)
{
    free(code->side);
    code->side = NULL;
}
