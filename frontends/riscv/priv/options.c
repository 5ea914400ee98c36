/* SPDX-License-Identifier: Apache-2.0 */
#include "frontends/riscv/priv/options.h"

#include <stdio.h>
#include <string.h>

typedef struct Option {
    const char *name, *letters;
    size_t at; /* offset in RvOptions */
} Option;

static const Option table[] = {
#define OPTION(name, default_value, letters, help) { #name, letters, offsetof(RvOptions, name) },
#include "frontends/riscv/priv/options.def"
};

enum { OPTIONS = sizeof(table) / sizeof(table[0]) };

static const RvOptions defaults = {
#define OPTION(name, default_value, letters, help) .name = default_value,
#include "frontends/riscv/priv/options.def"
};

static bool *value_of(RvOptions *options, const Option *row)
{
    return (bool *)((char *)options + row->at);
}

static const Option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static bool unknown(const char *word, size_t length, char *text, size_t size)
{
    int at = snprintf(text, size, "Unknown CPU property '%.*s'; there are", (int)length, word);

    for (size_t i = 0; i < OPTIONS && at > 0 && (size_t)at < size; i++) {
        at += snprintf(text + at, size - (size_t)at, "%s %s", i ? "," : "", table[i].name);
    }
    if (at > 0 && (size_t)at < size) {
        snprintf(text + at, size - (size_t)at, ".");
    }
    return false;
}

static bool read_switch(const char *word, size_t length, bool *value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = { { "on", true }, { "true", true }, { "off", false }, { "false", false } };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, word, length) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

/* One "name=value" of `length` characters; notes in `asked` that it was there. */
static bool parse_word(const char *word, size_t length, RvOptions *options, RvOptions *asked,
                       char *text, size_t size)
{
    const char *equals = memchr(word, '=', length);
    size_t n = equals ? (size_t)(equals - word) : length;
    const Option *row = find(word, n);

    if (!row) {
        return unknown(word, n, text, size);
    }
    if (!equals || !read_switch(equals + 1, length - n - 1, value_of(options, row))) {
        snprintf(text, size, "CPU property '%.*s': write %s=on or %s=off.", (int)length, word,
                 row->name, row->name);
        return false;
    }
    *value_of(asked, row) = true;
    return true;
}

/* A paging mode needs the smaller one. */
static bool needs(bool *larger, bool larger_asked, bool *smaller, bool smaller_asked)
{
    if (*larger && !*smaller) {
        if (larger_asked && smaller_asked) {
            return false;
        }
        *smaller = larger_asked;
        *larger = larger_asked;
    }
    return true;
}

static bool settle_paging(RvOptions *o, const RvOptions *asked, char *text, size_t size)
{
    if (!needs(&o->sv57, asked->sv57, &o->sv48, asked->sv48) ||
        !needs(&o->sv48, asked->sv48 || o->sv57, &o->sv39, asked->sv39)) {
        snprintf(text, size, "A CPU with sv48 or sv57 has the smaller paging modes too.");
        return false;
    }
    return true;
}

bool rv_options_parse(const char *words, RvOptions *options, char *text, size_t size)
{
    RvOptions o = defaults, asked = { 0 };
    const char *at = words ? words : "";

    if (strncmp(at, "rv64", 4) == 0 && (at[4] == ',' || at[4] == 0)) {
        at += at[4] ? 5 : 4;
    }
    while (*at) {
        size_t length = strcspn(at, ",");

        if (!parse_word(at, length, &o, &asked, text, size)) {
            return false;
        }
        at += at[length] ? length + 1 : length;
    }
    if (!settle_paging(&o, &asked, text, size)) {
        return false;
    }
    *options = o;
    return true;
}

/* Appends what is on of the extensions that start with `letter`. */
static size_t add_letters(const RvOptions *options, char letter, char *text, size_t size, size_t at)
{
    for (size_t i = 0; i < OPTIONS && at < size; i++) {
        bool on = *(const bool *)((const char *)options + table[i].at);

        if (on && table[i].letters && table[i].letters[0] == letter) {
            at += (size_t)snprintf(text + at, size - at, "_%s", table[i].letters);
        }
    }
    return at;
}

bool rv_options_isa(const RvOptions *options, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "rv64imafdc");

    at = add_letters(options, 'z', text, size, at);
    if (at < size) {
        at += (size_t)snprintf(text + at, size - at,
                               "_zicntr_zicond_zicsr_zifencei_zihintpause_zacas_zawrs_zfa_zfhmin"
                               "_zba_zbb_zbc_zbkb_zbs");
    }
    return add_letters(options, 's', text, size, at) < size;
}

const char *rv_options_mmu(const RvOptions *options)
{
    return options->sv57   ? "riscv,sv57"
           : options->sv48 ? "riscv,sv48"
           : options->sv39 ? "riscv,sv39"
                           : "riscv,none";
}
