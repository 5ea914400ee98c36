/* SPDX-License-Identifier: Apache-2.0 */
#include "frontends/riscv/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontends/riscv/insns.h"

typedef enum Kind { SWITCH, SEVERAL, ALWAYS_ON, ALWAYS_OFF } Kind;

typedef struct Option {
    const char *name, *letters, *needs, *help;
    Kind kind;
    size_t at;           /* SWITCH: offset in RvOptions */
    const char *members; /* SEVERAL: names with commas */
} Option;

static const Option table[] = {
#define OPTION(name, default_value, letters, needs, help) \
    { #name, letters, needs, help, SWITCH, offsetof(RvOptions, name), NULL },
#define GROUP(name, members, help) { #name, NULL, NULL, help, SEVERAL, 0, members },
#define ALWAYS(name, letters) { #name, letters, NULL, NULL, ALWAYS_ON, 0, NULL },
#define NEVER(name) { #name, NULL, NULL, NULL, ALWAYS_OFF, 0, NULL },
#include "frontends/riscv/options.def"
};

enum { OPTIONS = sizeof(table) / sizeof(table[0]) };

static const struct {
    const char *name, *properties, *help;
} models[] = {
#define MODEL(name, properties, help) { name, properties, help },
#include "frontends/riscv/options.def"
};

const char *const rv_options_models[] = {
#define MODEL(name, properties, help) name,
#include "frontends/riscv/options.def"
    NULL,
};

enum { MODELS = sizeof(models) / sizeof(models[0]) };

static const RvOptions defaults = {
#define OPTION(name, default_value, letters, needs, help) .name = default_value,
#include "frontends/riscv/options.def"
};

/* ---- What was chosen ---- */

static RvOptions chosen = {
#define OPTION(name, default_value, letters, needs, help) .name = default_value,
#include "frontends/riscv/options.def"
};

static bool forbidden[RV_COUNT];
bool rv_options_restrict;

static bool *value_of(RvOptions *options, const Option *row)
{
    return (bool *)((char *)options + row->at);
}

static bool is_on(const RvOptions *options, const Option *row)
{
    return row->kind == ALWAYS_ON ||
           (row->kind == SWITCH && *(const bool *)((const char *)options + row->at));
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

bool rv_options_has(const char *name)
{
    const Option *row = find(name, strlen(name));

    return row && is_on(&chosen, row);
}

/* The name of an instruction's file is that of its extension, but for a few. */
static bool has_group(const RvOptions *options, const char *group)
{
    const Option *row = find(group, strlen(group));

    if (strcmp(group, "zkned") == 0) {
        return options->zkne || options->zknd;
    }
    if (strcmp(group, "rvcd") == 0) {
        return options->c;
    }
    return !row || is_on(options, row);
}

static bool is_there(const RvOptions *options, const RvInsn *insn, bool group)
{
    if (strcmp(insn->group, "zicbo") == 0) {
        return strcmp(insn->name, "cbo.zero") == 0 ? options->zicboz : options->zicbom;
    }
    return group;
}

/* Instructions of a file follow each other: every run asks, and few files are looked for. */
void rv_options_choose(const RvOptions *options)
{
    const char *group = "";
    bool has = true;

    chosen = *options;
    rv_options_restrict = false;
    for (unsigned i = 0; i < RV_COUNT; i++) {
        const RvInsn *insn = &rv_insns[i];

        if (insn->name && strcmp(insn->group, group) != 0) {
            group = insn->group;
            has = has_group(options, group);
        }
        forbidden[i] = insn->name && !is_there(options, insn, has);
        rv_options_restrict |= forbidden[i];
    }
}

bool rv_options_forbid(unsigned insn)
{
    return forbidden[insn];
}

uint64_t rv_options_pc(void)
{
    return chosen.c ? ~UINT64_C(1) : ~UINT64_C(3);
}

/* ---- Reading ---- */

/* Appends, as far as there is room. */
__attribute__((format(printf, 4, 5))) static void add(char *text, size_t size, size_t *at,
                                                      const char *format, ...)
{
    va_list args;

    if (*at < size) {
        va_start(args, format);
        *at += (size_t)vsnprintf(text + *at, size - *at, format, args);
        va_end(args);
    }
}

static bool unknown_property(const char *word, size_t length, char *text, size_t size)
{
    const char *between = "";
    size_t at = 0;

    add(text, size, &at, "Unknown CPU property '%.*s'; there are", (int)length, word);
    for (size_t i = 0; i < OPTIONS; i++) {
        if (table[i].help) {
            add(text, size, &at, "%s %s", between, table[i].name);
            between = ",";
        }
    }
    add(text, size, &at, ".");
    return false;
}

static bool unknown_model(const char *word, size_t length, char *text, size_t size)
{
    size_t at = 0;

    add(text, size, &at, "Unknown CPU model '%.*s'; there are", (int)length, word);
    for (size_t i = 0; i < MODELS; i++) {
        add(text, size, &at, "%s %s", i ? "," : "", models[i].name);
    }
    add(text, size, &at, ".");
    return false;
}

static bool read_switch(const char *word, size_t length, bool *value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = { { "on", true },   { "true", true },   { "yes", true },
                  { "off", false }, { "false", false }, { "no", false } };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, word, length) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

static void set_members(const Option *group, bool value, RvOptions *options, RvOptions *asked)
{
    for (const char *at = group->members; *at;) {
        size_t length = strcspn(at, ",");
        const Option *row = find(at, length);

        *value_of(options, row) = value;
        *value_of(asked, row) = true;
        at += length + (at[length] == ',');
    }
}

/* One "name=value" of `length` characters; notes in `asked` that it was there. */
static bool parse_word(const char *word, size_t length, RvOptions *options, RvOptions *asked,
                       char *text, size_t size)
{
    const char *equals = memchr(word, '=', length);
    size_t n = equals ? (size_t)(equals - word) : length;
    const Option *row = find(word, n);
    bool value;

    if (!row) {
        return unknown_property(word, n, text, size);
    }
    if (!equals || !read_switch(equals + 1, length - n - 1, &value)) {
        snprintf(text, size, "CPU property '%.*s': write %s=on or %s=off.", (int)length, word,
                 row->name, row->name);
        return false;
    }
    if (row->kind == SWITCH) {
        *value_of(options, row) = value;
        *value_of(asked, row) = true;
    } else if (row->kind == SEVERAL) {
        set_members(row, value, options, asked);
    } else if (value != (row->kind == ALWAYS_ON)) {
        snprintf(text, size, "CPU property '%.*s': Ketch has no processor %s %s.", (int)length, word,
                 value ? "with" : "without", row->name);
        return false;
    }
    return true;
}

static bool parse_words(const char *words, RvOptions *options, RvOptions *asked, char *text, size_t size)
{
    while (*words) {
        size_t length = strcspn(words, ",");

        if (!parse_word(words, length, options, asked, text, size)) {
            return false;
        }
        words += words[length] ? length + 1 : length;
    }
    return true;
}

/* A model in front, if there is one: *words is then what follows. */
static bool parse_model(const char **words, RvOptions *options, char *text, size_t size)
{
    RvOptions ignored = { 0 };
    size_t length = strcspn(*words, ",");

    if (length == 0 || memchr(*words, '=', length)) {
        return true;
    }
    for (size_t i = 0; i < MODELS; i++) {
        if (strlen(models[i].name) == length && memcmp(models[i].name, *words, length) == 0) {
            *words += (*words)[length] ? length + 1 : length;
            return parse_words(models[i].properties, options, &ignored, text, size);
        }
    }
    return unknown_model(*words, length, text, size);
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

static bool settle_extensions(RvOptions *o, const RvOptions *asked, char *text, size_t size)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const Option *row = &table[i];

        if (row->needs && is_on(o, row) && !is_on(o, find(row->needs, strlen(row->needs)))) {
            if (is_on(asked, row)) {
                snprintf(text, size, "A CPU with %s has %s too.", row->name, row->needs);
                return false;
            }
            *value_of(o, row) = false;
        }
    }
    return true;
}

bool rv_options_parse(const char *words, RvOptions *options, char *text, size_t size)
{
    RvOptions o = defaults, asked = { 0 };
    const char *at = words ? words : "";

    if (!parse_model(&at, &o, text, size) || !parse_words(at, &o, &asked, text, size) ||
        !settle_paging(&o, &asked, text, size) || !settle_extensions(&o, &asked, text, size)) {
        return false;
    }
    *options = o;
    return true;
}

/* ---- Text ---- */

static bool isa(const RvOptions *options, bool supervisor, char *text, size_t size)
{
    size_t at = 0;

    add(text, size, &at, "rv64i%s%sfd%s", options->m ? "m" : "", options->a ? "a" : "",
        options->c ? "c" : "");
    for (size_t i = 0; i < OPTIONS; i++) {
        if (table[i].letters && is_on(options, &table[i]) && (supervisor || table[i].letters[0] == 'z')) {
            add(text, size, &at, "_%s", table[i].letters);
        }
    }
    return at < size;
}

bool rv_options_isa(const RvOptions *options, char *text, size_t size)
{
    return isa(options, true, text, size);
}

bool rv_options_user_isa(char *text, size_t size)
{
    return isa(&chosen, false, text, size);
}

const char *rv_options_mmu(const RvOptions *options)
{
    return options->sv57   ? "riscv,sv57"
           : options->sv48 ? "riscv,sv48"
           : options->sv39 ? "riscv,sv39"
                           : "riscv,none";
}

void rv_options_help(void)
{
    for (size_t i = 0; i < MODELS; i++) {
        printf("%-11s %s\n", models[i].name, models[i].help);
    }
    printf("\nBehind the model, with a comma: NAME=on or NAME=off.\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        if (table[i].help) {
            printf("%-11s %s%s\n", table[i].name, table[i].help,
                   table[i].kind == SWITCH && !is_on(&defaults, &table[i]) ? " (off)" : "");
        }
    }
}
