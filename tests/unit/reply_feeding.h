/* Ways to give bytes to a reply_reader, and what came of it; for tests and fuzzing. */
#ifndef TESTS_REPLY_FEEDING_H
#define TESTS_REPLY_FEEDING_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "back/reply_reader.h"

struct feeding {
    struct outcome outcome;
    enum reply_state state;
    size_t used; /* bytes that belong to the reply */
    bool may_reuse;
};

/* Pieces of 1 to `most` bytes (0: all at once), by a generator that begins with `seed`. `places`:
 * receive into the reader's place where it offers one. `ends`: then the connection
 * ends. Each piece lies in memory of its own, so that a sanitizer sees its edges. */
static inline struct feeding feed_reply(const struct reply_limits *limits, const char *data,
                                        size_t len, size_t most, unsigned seed, bool places,
                                        bool ends)
{
    struct feeding feeding = {.state = REPLY_MORE};
    struct reply_reader reader;
    reply_reader_init(&reader, limits);
    while (feeding.used < len && feeding.state == REPLY_MORE) {
        seed = seed * 1103515245U + 12345U;
        size_t left = len - feeding.used;
        size_t piece = most > 0 ? 1 + (seed >> 8) % most : left;
        piece = piece < left ? piece : left;
        char *place;
        size_t room = places ? reply_reader_place(&reader, &place) : 0;
        if (room > 0) {
            piece = piece < room ? piece : room;
            memcpy(place, data + feeding.used, piece);
            feeding.state = reply_reader_placed(&reader, piece);
            feeding.used += piece - (reader.surplus ? 1 : 0);
            continue;
        }
        char *copy = malloc(piece);
        assert(copy);
        memcpy(copy, data + feeding.used, piece);
        size_t used;
        feeding.state = reply_reader_feed(&reader, copy, piece, &used);
        assert(used <= piece && (used == piece || feeding.state != REPLY_MORE));
        feeding.used += used;
        free(copy);
    }
    if (feeding.state == REPLY_MORE && ends)
        feeding.state = reply_reader_end(&reader);
    reader.surplus = false; /* `used` tells, whatever the pieces */
    feeding.may_reuse = reply_reader_may_reuse(&reader);
    assert(reader.body.len <= limits->body_max && reader.body.cap <= limits->body_max);
    assert(reader.head.lines.len <= 2 * limits->header_max);
    if (feeding.state != REPLY_MORE)
        reply_reader_take(&reader, &feeding.outcome);
    reply_reader_done(&reader);
    return feeding;
}

static inline bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static inline bool same_feeding(const struct feeding *a, const struct feeding *b)
{
    const struct outcome *x = &a->outcome;
    const struct outcome *y = &b->outcome;
    return a->state == b->state && x->code == y->code && x->status == y->status &&
           x->detail == y->detail && same_text(x->head, x->head_len, y->head, y->head_len) &&
           same_text(x->body, x->body_len, y->body, y->body_len) &&
           (a->state != REPLY_COMPLETE || (a->used == b->used && a->may_reuse == b->may_reuse));
}

#endif
