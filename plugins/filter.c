/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of ketch-plugin.h: which guest addresses a plugin wants, decided when code is translated. */
#include <string.h>

#include "plugins/ketch-plugin.h"
#include "plugins/plugin.h"

typedef enum FilterKind { FILTER_range, FILTER_symbol, FILTER_module } FilterKind;

typedef struct FilterTerm {
    FilterKind kind;
    bool excludes;
    GPatternSpec *pattern; /* symbol, module */
    uint64_t from, to;     /* range; `to` is outside */
} FilterTerm;

struct KetchFilter {
    GArray *terms;
    bool includes; /* a term that includes is there: what none matches is out */
};

static bool parse_range(const char *text, FilterTerm *term)
{
    char *end;

    term->from = g_ascii_strtoull(text, &end, 0);
    if (end == text || *end != '-') {
        return false;
    }
    text = end + 1;
    term->to = g_ascii_strtoull(text, &end, 0);
    return end != text && !*end && term->from < term->to;
}

static bool parse_term(const char *text, FilterTerm *term)
{
    static const char *const names[] = {
        [FILTER_range] = "range=", [FILTER_symbol] = "symbol=", [FILTER_module] = "module=",
    };

    *term = (FilterTerm){ .excludes = *text == '!' };
    text += term->excludes;
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        const char *value = text + strlen(names[k]);

        if (!g_str_has_prefix(text, names[k]) || !*value) {
            continue;
        }
        term->kind = (FilterKind)k;
        if (term->kind == FILTER_range) {
            return parse_range(value, term);
        }
        term->pattern = g_pattern_spec_new(value);
        return true;
    }
    return false;
}

KetchFilter *ketch_plugin_filter_new(const char *text, char **error)
{
    KetchFilter *f = g_new0(KetchFilter, 1);
    char **parts = g_strsplit(text, ":", -1);

    f->terms = g_array_new(FALSE, FALSE, sizeof(FilterTerm));
    for (char **p = parts; *p; p++) {
        FilterTerm term;

        if (!parse_term(*p, &term)) {
            *error = g_strdup_printf("'%s' is no filter: it takes range=FROM-TO, symbol=PATTERN and "
                                     "module=PATTERN, '!' before one to exclude, ':' between two",
                                     *p);
            g_strfreev(parts);
            ketch_plugin_filter_free(f);
            return NULL;
        }
        f->includes |= !term.excludes;
        g_array_append_val(f->terms, term);
    }
    g_strfreev(parts);
    return f;
}

void ketch_plugin_filter_free(KetchFilter *f)
{
    for (guint i = 0; i < f->terms->len; i++) {
        GPatternSpec *pattern = g_array_index(f->terms, FilterTerm, i).pattern;

        if (pattern) {
            g_pattern_spec_free(pattern);
        }
    }
    g_array_free(f->terms, TRUE);
    g_free(f);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool term_matches(const FilterTerm *t, uint64_t vaddr, const PluginPlace *place)
{
    switch (t->kind) {
    case FILTER_range:
        return vaddr >= t->from && vaddr < t->to;
    case FILTER_symbol:
        return place && place->symbol && g_pattern_spec_match_string(t->pattern, place->symbol);
    case FILTER_module:
        return place && g_pattern_spec_match_string(t->pattern, base_name(place->file));
    }
    return false;
}

bool ketch_plugin_filter_match(const KetchFilter *f, uint64_t vaddr)
{
    PluginPlace place;
    bool found = plugin_target->place(vaddr, &place), in = !f->includes;

    for (guint i = 0; i < f->terms->len; i++) {
        const FilterTerm *t = &g_array_index(f->terms, FilterTerm, i);

        if (!term_matches(t, vaddr, found ? &place : NULL)) {
            continue;
        }
        if (t->excludes) {
            return false;
        }
        in = true;
    }
    return in;
}
