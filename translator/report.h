/* SPDX-License-Identifier: Apache-2.0 */
/* translator/report.h - what report.c (tables) and listing.c (units) share. */
#ifndef KETCH_TRANSLATOR_REPORT_H
#define KETCH_TRANSLATOR_REPORT_H

#include "translator/profile.h"

enum { NAME_SIZE = 256 };

/* A row of the tables: a unit, or what is left of those whose code is gone. */
typedef struct Row {
    uint64_t pc;
    uint64_t samples;
    const TrUnit *unit;          /* NULL: gone */
    const ProfileSample *sample; /* of the unit: the first, in the order of host pcs */
    bool region;
    char name[NAME_SIZE];
} Row;

typedef struct Report {
    int fd;
    Row *row;
    size_t n;
    uint64_t total; /* samples */
} Report;

double report_percent(uint64_t part, uint64_t whole);

/* How often the unit was left through an exit. */
uint64_t report_exits(const TrUnit *unit);

/* Why the unit was left, and its code: guest, IR and host side by side. */
void report_listing(const Report *r, const Row *row);

#endif
