/*
 * The option table: every member that a configuration file, an endpoint, a
 * batch or a request may have, with type, default, range and a sentence, in
 * options.def. Reading, checking, defaults, --print-config, --print-schema, the
 * reference page and nearest-name hints all come from this one table.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_section {
    SECTION_TOP,
    SECTION_LIMITS,
    SECTION_STREAM,
    SECTION_RESOLVER,
    SECTION_EGRESS,
    SECTION_PROPAGATE,
    SECTION_COMPRESSION,
    SECTION_ACCESS_LOG,
    SECTION_TRACING,
    SECTION_UPSTREAM,
    SECTION_UPSTREAM_BATCH,
    SECTION_ENDPOINT, /* has the members of SECTION_BATCH too */
    SECTION_FORWARD,
    SECTION_BATCH,
    SECTION_JOIN,
    SECTION_REQUEST,
    SECTION_FOREACH,
    SECTION_COUNT,
};

/* Each with the field it fills. */
enum option_type {
    OPTION_BOOL,     /* bool */
    OPTION_COUNT,    /* uint64_t */
    OPTION_SIZE,     /* uint64_t, bytes */
    OPTION_DURATION, /* usec_t */
    OPTION_STRING,   /* const char *, NULL when absent without a default */
    OPTION_STRINGS,  /* struct strings; one string is a list of one */
    OPTION_ENUM,     /* int: index into the names "a|b|c" */
    OPTION_NODE,     /* const struct node *: read by its module; NULL when absent. With
                      * `inner`: `off`, or a map of that section */
    OPTION_SECTION,  /* an embedded struct of another section */
    OPTION_LIST,     /* struct option_list of another section's structs */
    OPTION_MAP,      /* the same; each struct begins with const char *name */
};

/* Who may write an option, and when a change of it takes effect. */
enum {
    OPTION_CONFIG_ONLY = 1, /* unknown in client documents */
    OPTION_REQUIRED = 2,
    OPTION_RESTART = 4,     /* a reload reports a change instead of applying it */
    OPTION_NUMBER_TOO = 8,  /* OPTION_STRING, OPTION_ENUM: a number, as it is written, does too */
    OPTION_SECRET = 16,     /* OPTION_STRING (a URL), OPTION_NODE: printed masked (core/mask.h) */
    OPTION_SECRET_ALL = 32, /* with it, OPTION_NODE, a map: every value is, whatever its name */
};

struct option {
    enum option_section section;
    const char *name;
    enum option_type type;
    size_t offset;
    const char *fallback;  /* as one would write it; NULL: none */
    const char *otherwise; /* without `fallback` and not required: what holds then, or "none" */
    uint64_t min, max;  /* counts, sizes, durations (us), lengths of strings and lists; 0 0: free */
    const char *range;  /* a string that is more than its length: what it may be; or NULL */
    const char *names;  /* OPTION_ENUM: "a|b|c" */
    const char *shape;  /* OPTION_NODE without `inner`: what it is, for the reference */
    const char *schema; /* OPTION_NODE without `inner`: keywords of its JSON schema; or NULL */
    enum option_section inner; /* OPTION_SECTION, OPTION_LIST, OPTION_MAP */
    unsigned flags;
    const char *text; /* one sentence for the reference */
};

/* Where `section` has the members of another one too (an endpoint those of a batch). */
bool option_base(enum option_section section, enum option_section *ret_inner, size_t *ret_offset);

size_t option_section_size(enum option_section section); /* of its struct */
/* Where its struct remembers the node it was read from; false for most sections. */
bool option_section_node(enum option_section section, size_t *ret_offset);
/* What a section is called in the schema and the reference: "limits", "request". */
const char *option_section_name(enum option_section section);

/* The rows of a section (for SECTION_ENDPOINT without those of SECTION_BATCH). */
const struct option *options_of(enum option_section section, size_t *ret_count);

#endif
