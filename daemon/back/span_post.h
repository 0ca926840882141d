/*
 * One batch of spans to a collector (OTLP, JSON over HTTP), and what became of it. For one
 * thread, which waits.
 */
#ifndef BACK_SPAN_POST_H
#define BACK_SPAN_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/sections.h"

struct span_post;

enum post_end {
    POST_TAKEN,   /* the collector has it, or may have it */
    POST_AGAIN,   /* not now */
    POST_REFUSED, /* and never */
};

enum { POST_REASON = 192 };

struct post_result {
    enum post_end end;
    uint64_t rejected; /* spans of a batch that was taken, but without them */
    usec_t wait;       /* POST_AGAIN: as the collector asked, a minute at most; 0: it did not */
    char reason[POST_REASON]; /* why, when it was not taken or not all of it */
};

/* `options` are borrowed. `interrupt` is asked about every second while a post lasts; true
 * ends it. NULL: no memory. */
struct span_post *span_post_new(const struct tracing_options *options, bool (*interrupt)(void *ctx),
                                void *ctx);
struct span_post *span_post_free(struct span_post *post); /* NULL is fine */

void span_post_send(struct span_post *post, const char *body, size_t len,
                    struct post_result *ret_result);

#endif
