/*
 * The header of a reply, line by line: checks what a lenient parser lets
 * through, keeps the final block's field lines, drops interim (1xx) blocks,
 * ignores trailers. HTTP/2's comes in the lines that libcurl makes of it.
 * Values in, values out; knows no libcurl.
 */
#ifndef BACK_REPLY_HEAD_H
#define BACK_REPLY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "core/outcome.h"

enum reply_versions { REPLY_HTTP_1, REPLY_HTTP_2, REPLY_ANY_HTTP };

enum reply_coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE, CODING_UNKNOWN };

struct reply_head {
    /* What came so far. */
    unsigned status; /* of the block that began last; 0: nothing came */
    bool complete;   /* the final block ended; what follows are trailers */
    bool has_length, chunked;
    uint64_t length;          /* of Content-Length */
    bool version_2;           /* HTTP/2 */
    bool minor_zero;          /* HTTP/1.0 */
    bool closes, keeps_alive; /* what Connection says */
    enum reply_coding coding; /* more than one: CODING_UNKNOWN */
    struct buffer lines;      /* "Name: value\r\n"... of the final block */
    enum outcome_code fault;  /* OUTCOME_NONE: fine so far */
    const char *detail;       /* about the fault; static */
    /* The module's. */
    uint64_t max, seen;
    bool decoded;
    enum reply_versions versions;
};

/* `max` counts all lines with their line ends: status lines, interim blocks and
 * trailers too. `decoded`: the body is handed on without its content coding, so
 * Content-Encoding and Content-Length are not kept. */
void reply_head_init(struct reply_head *head, uint64_t max, bool decoded,
                     enum reply_versions versions);
void reply_head_done(struct reply_head *head);

/* Takes the next line, line end included (CRLF or LF). False: `fault` is set, and
 * the connection must not be used any further. */
bool must_check reply_head_line(struct reply_head *head, const char *line, size_t len);

#endif
