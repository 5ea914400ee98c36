/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/image/copy.h - copies the contents of one block to another with several threads: they read,
 * look for zeros and compress at the same time, and write one after the other, in order.
 * Threading:  copy_run() returns when all threads have ended.
 */
#ifndef KETCH_UI_VM_IMAGE_COPY_H
#define KETCH_UI_VM_IMAGE_COPY_H

#include "ui/vm/image/image.h"

typedef struct Copy {
    Block *from, *to;
    uint64_t bytes;
    uint64_t sparse;  /* runs of zeros of that size are not written; 0: everything is */
    bool to_is_zero;  /* nothing needs to be done for zeros */
    bool only_top;    /* only what the first layer has: the rest is in the backing file of `to` */
    bool compress;
    uint64_t cluster; /* of `to`, with compress */
    ImageCompression compression;
    unsigned threads;
    ImageProgress *progress;
} Copy;

/* 0 or -errno. */
MUST_USE int copy_run(const Copy *copy);

#endif
