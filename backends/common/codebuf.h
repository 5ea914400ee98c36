/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/common/codebuf.h - executable memory: one region, mapped twice.
 *
 * Owns:       shared memory mapped once read+execute (what runs) and once read+write (what is
 *             written); never writable and executable at one address.  No other file maps
 *             executable memory.
 * Capacity:   fixed; codebuf_reserve() says no when it is full, codebuf_reset() empties it.
 * Threading:  reserve/commit/reset by one thread at a time; the code may run meanwhile (not
 *             across reset: the caller stops every vcpu first).
 */
#ifndef KETCH_BACKENDS_COMMON_CODEBUF_H
#define KETCH_BACKENDS_COMMON_CODEBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef struct CodeBuf CodeBuf;

/* `size` bytes, rounded up to 2 MiB, at most 1 GiB so that 32-bit relative jumps reach all of it;
 * NULL with errno when the host refuses. */
CodeBuf *codebuf_new(size_t size);
void codebuf_free(CodeBuf *buf);

/* Where up to `size` bytes may be written now, and `front` bytes before that; NULL when full.
 * 16-byte aligned. */
uint8_t *codebuf_reserve(CodeBuf *buf, size_t front, size_t size);
/* The front and the first `size` bytes of the last reservation are final; returns where the latter
 * execute. */
const void *codebuf_commit(CodeBuf *buf, size_t size);

/* Address to write to for an executable address, and back. */
uint8_t *codebuf_rw(const CodeBuf *buf, const void *rx);
const void *codebuf_rx(const CodeBuf *buf, const uint8_t *rw);
bool codebuf_contains(const CodeBuf *buf, const void *rx);

void codebuf_reset(CodeBuf *buf);
/* Where the code starts to execute. */
const void *codebuf_base(const CodeBuf *buf);
size_t codebuf_used(const CodeBuf *buf);
size_t codebuf_size(const CodeBuf *buf);

/* Around fork(2), since shared memory would stay shared with the child: prepare makes a copy of
 * the code, which the child takes over at the same addresses.  False in the child: there was no
 * room for a copy, or the child shares its parent's descriptors; the memory is empty. */
void codebuf_fork_prepare(CodeBuf *buf, bool shared_files);
void codebuf_fork_parent(CodeBuf *buf);
MUST_USE bool codebuf_fork_child(CodeBuf *buf);

#endif
