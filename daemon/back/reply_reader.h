/*
 * One HTTP/1.1 reply, read strictly from bytes as they come: where they are cut
 * never changes the result. Bytes in, outcome out; no descriptors, no clock.
 *
 * Bytes are given in one of two ways: fed from anywhere, or, where the body's
 * length is known, received straight into the place they will stay in.
 */
#ifndef BACK_REPLY_READER_H
#define BACK_REPLY_READER_H

#include "back/inflate.h"
#include "back/reply_head.h"

#define REPLY_INTERIM_MAX   16    /* 1xx replies before the final one */
#define REPLY_CHUNK_LINE    4096  /* a chunk's size with its extensions and CRLF */
#define REPLY_EXTENSION_MAX 65536 /* all chunk extensions of a reply */

struct reply_limits {
    bool bodiless; /* the reply to HEAD */
    bool decode;   /* undo gzip and deflate; body_max counts decoded bytes */
    uint64_t header_max, body_max;
};

enum reply_state { REPLY_MORE, REPLY_COMPLETE, REPLY_FAULTY };

struct reply_reader {
    struct reply_head head; /* status, field lines; fault and detail once REPLY_FAULTY */
    struct buffer body;
    /* The module's. */
    struct reply_limits limits;
    int stage;
    unsigned interims;
    uint64_t rest; /* bytes of the body or the chunk still to come */
    uint64_t extensions;
    struct buffer line; /* the part of a line that came */
    struct inflater *inflater;
    bool came, surplus, delimited;
};

void reply_reader_init(struct reply_reader *reader, const struct reply_limits *limits);
void reply_reader_done(struct reply_reader *reader);

/* Takes bytes. *ret_used: how many belong to the reply; fewer than `len` when it is
 * complete and something follows. */
enum reply_state reply_reader_feed(struct reply_reader *reader, const char *data, size_t len,
                                   size_t *ret_used);

/* Where the next bytes may be received instead: room, or 0 to feed. The room may be
 * one byte more than what is to come, so that a surplus shows. */
size_t reply_reader_place(struct reply_reader *reader, char **ret_place);
/* `len` > 0 bytes came there. */
enum reply_state reply_reader_placed(struct reply_reader *reader, size_t len);

/* The connection ended in order. REPLY_COMPLETE or REPLY_FAULTY. */
enum reply_state reply_reader_end(struct reply_reader *reader);

/* Of a complete reply: may the connection carry another? */
bool reply_reader_may_reuse(const struct reply_reader *reader);

/* Moves what came into an outcome: a reply, or the fault. The reader is to be done with. */
void reply_reader_take(struct reply_reader *reader, struct outcome *outcome);

#endif
