/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/boards/image.h - files that a machine starts from: firmware, kernels, RAM disks.
 *
 * Nothing that a file holds makes these crash or take more than `limit` bytes; what is wrong with
 * it is a sentence.
 */
#ifndef KETCH_DEVICES_BOARDS_IMAGE_H
#define KETCH_DEVICES_BOARDS_IMAGE_H

#include <stdint.h>

#include "devices/boards/board.h"

/* The whole file; NULL and error. */
GBytes *image_read(const char *path, uint64_t limit, GError **error);

/* What is inside of gzip, zstd or a Linux EFI zboot image, and of those in one another; other bytes
 * as they are.  Takes `bytes`.  `path` is for messages. */
GBytes *image_unpack(GBytes *bytes, const char *path, uint64_t limit, GError **error);

/* Where a program lies: [start, end), memory that it clears included. */
typedef struct ImagePlace {
    uint64_t start, end, entry;
} ImagePlace;

/* Adds it to the board: an ELF file for RISC-V where its segments say, or at `addr`, unless that is 0,
 * when there is no memory (Linux's vmlinux); a Linux Image or anything else at `addr`, where it also
 * starts.  Takes `bytes`. */
MUST_USE bool image_place(Board *b, GBytes *bytes, const char *path, uint64_t addr,
                          ImagePlace *place, GError **error);

#endif
