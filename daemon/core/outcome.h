/*
 * How one upstream call ended. Whatever carries calls turns them into this;
 * everything after it (policy, merge, errors) looks at nothing else.
 */
#ifndef CORE_OUTCOME_H
#define CORE_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "core/header.h"

enum outcome_code {
    OUTCOME_NONE,  /* not ended yet */
    OUTCOME_REPLY, /* a complete HTTP reply, whatever its status */
#define OUTCOME(name, text, status, registered, sentence) OUTCOME_##name,
#include "core/outcome.def"
#undef OUTCOME
    OUTCOME_CODE_COUNT,
};

struct outcome {
    enum outcome_code code;
    unsigned status; /* of the reply; 0 without one */
    char *head;      /* the reply's field lines "Name: value\r\n"..., without Content-Encoding
                      * when the body was decoded; malloc'd or NULL */
    size_t head_len;
    char *body; /* malloc'd or NULL; decoded when a coding was asked for */
    size_t body_len;
    const char *detail; /* more about a failure; lives as long as the job; or NULL */
    usec_t elapsed;     /* from dispatch to the last byte */
    unsigned attempts;  /* connections tried; 0: never sent */
    usec_t resent;      /* when it went out again, its connection having died; or 0 */
};

/* Frees what it holds and makes it OUTCOME_NONE. */
void outcome_done(struct outcome *outcome);
/* Makes what has ended OUTCOME_CANCELLED; what it cost stays. */
void outcome_cancel(struct outcome *outcome);
/* A copy with head and body of its own; OUTCOME_INTERNAL when there is no memory for it. */
struct outcome outcome_copy(const struct outcome *outcome);
/* Moves: the source is OUTCOME_NONE afterwards. */
struct outcome outcome_take(struct outcome *outcome);

const char *outcome_text(enum outcome_code code); /* "dns_error" */
const char *outcome_sentence(enum outcome_code code);
unsigned outcome_status(enum outcome_code code); /* the status a code stands for; 0: none */
bool outcome_registered(enum outcome_code code); /* an RFC 9209 proxy error type */

/* The first value of a reply field (borrowed, not terminated); false when absent. */
bool outcome_header(const struct outcome *outcome, const char *name, const char **ret_value,
                    size_t *ret_len);
/* Iterates the field lines; start with *position = 0. */
bool outcome_next_header(const struct outcome *outcome, size_t *position, const char **ret_name,
                         size_t *ret_name_len, const char **ret_value, size_t *ret_value_len);
/* Of Content-Type; MEDIA_NONE when absent. */
enum media_kind outcome_media(const struct outcome *outcome);

#endif
