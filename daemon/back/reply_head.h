/*
 * The header of an HTTP/1 reply, line by line: checks what a lenient parser
 * lets through, keeps the final block's field lines, drops interim (1xx)
 * blocks, ignores trailers. Values in, values out; knows no libcurl.
 */
#ifndef BACK_REPLY_HEAD_H
#define BACK_REPLY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/outcome.h"

struct reply_head {
    /* What came so far. */
    unsigned status; /* of the block that began last; 0: nothing came */
    bool complete;   /* the final block ended; what follows are trailers */
    bool has_length, chunked;
    uint64_t length;         /* of Content-Length */
    struct buffer lines;     /* "Name: value\r\n"... of the final block */
    enum outcome_code fault; /* OUTCOME_NONE: fine so far */
    const char *detail;      /* about the fault; static */
    /* The module's. */
    uint64_t max, seen;
    bool decoded, minor_zero;
};

/* `max` counts all lines with their line ends: status lines, interim blocks and
 * trailers too. `decoded`: the body is handed on without its content coding, so
 * Content-Encoding and Content-Length are not kept. */
void reply_head_init(struct reply_head *head, uint64_t max, bool decoded);
void reply_head_done(struct reply_head *head);

/* Takes the next line, line end included (CRLF or LF). False: `fault` is set, and
 * the connection must not be used any further. */
bool must_check reply_head_line(struct reply_head *head, const char *line, size_t len);

#endif
