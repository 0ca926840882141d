/* W3C Trace Context: reading and writing `traceparent`, judging `tracestate`. */
#ifndef CORE_TRACE_CONTEXT_H
#define CORE_TRACE_CONTEXT_H

#include <stdint.h>

#include "core/header.h"

#define TRACE_ID_TEXT    32
#define SPAN_ID_TEXT     16
#define TRACEPARENT_TEXT 55 /* 00-trace-parent-flags */

enum { TRACE_SAMPLED = 1, TRACE_RANDOM = 2 };

struct trace_context {
    unsigned char trace_id[16];
    uint64_t parent;   /* the span that asks: its id as a number in network order */
    unsigned flags;    /* TRACE_SAMPLED and TRACE_RANDOM; others are not passed on */
    const char *state; /* tracestate as it came, several fields joined; NULL: none */
};

/* True for a valid value; of versions above 00 what version 00 knows of it. */
bool trace_parent_parse(const char *text, size_t len, struct trace_context *ret_context);
/* True for a list of at most 32 members of the form key=value, at most 512 characters. */
bool trace_state_valid(const char *text, size_t len);

/* What a client's fields say: NULL without exactly one valid traceparent; an invalid
 * tracestate is left out. From the arena. */
const struct trace_context *trace_read(const struct header_list *headers, struct arena *arena);

/* Terminated texts. */
void trace_id_write(const unsigned char trace_id[16], char out[TRACE_ID_TEXT + 1]);
void span_id_write(uint64_t id, char out[SPAN_ID_TEXT + 1]);
/* The value with `span` as the new parent, in version 00. */
void trace_parent_write(const struct trace_context *context, uint64_t span,
                        char out[TRACEPARENT_TEXT + 1]);

#endif
