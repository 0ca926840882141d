/*
 * A machine over stages. Header, chunk sizes and trailers are lines: a line that
 * came in one piece is judged where it lies, a broken one is put together in
 * `line` first. Every limit counts bytes of the reply, never calls, so a reply cut
 * anywhere ends the same way; for that a line's size is judged before its content,
 * and a first line that cannot become a status line before its size.
 *
 * A line ends with CRLF here, although reply_head would take a bare LF: it is
 * shared with libcurl, which unifies nothing.
 *
 * Invariant: in LENGTH, rest > 0 and body.max is the announced length unless the
 * body is decoded; so the buffer's last allocation fits exactly.
 */
#include "back/reply_reader.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define PRESIZE_MAX ((uint64_t)1024 * 1024)
#define PLACE_MIN   ((uint64_t)4096) /* a chunk's rest that is worth a recv() of its own */
#define PLACE_MAX   ((uint64_t)256 * 1024)

enum stage {
    STAGE_HEAD,
    STAGE_LENGTH,
    STAGE_TO_THE_END,
    STAGE_CHUNK_SIZE,
    STAGE_CHUNK_DATA,
    STAGE_CHUNK_CR,
    STAGE_CHUNK_LF,
    STAGE_TRAILERS,
    STAGE_COMPLETE,
    STAGE_FAULTY,
};

struct input {
    const char *at;
    size_t left;
};

static size_t as_size(uint64_t limit)
{
    return limit < SIZE_MAX / 2 ? (size_t)limit : SIZE_MAX / 2;
}

void reply_reader_init(struct reply_reader *reader, const struct reply_limits *limits)
{
    *reader = (struct reply_reader){.limits = *limits, .stage = STAGE_HEAD};
    reply_head_init(&reader->head, limits->header_max, limits->decode, REPLY_HTTP_1);
    buffer_init(&reader->body, as_size(limits->body_max));
    buffer_init(&reader->line, SIZE_MAX / 2); /* each kind of line has its limit */
}

void reply_reader_done(struct reply_reader *reader)
{
    reply_head_done(&reader->head);
    buffer_done(&reader->body);
    buffer_done(&reader->line);
    reader->inflater = inflater_free(reader->inflater);
}

/* ---- ends ---- */

static void fail(struct reply_reader *reader, enum outcome_code code, const char *detail)
{
    reader->head.fault = code;
    reader->head.detail = detail;
    reader->stage = STAGE_FAULTY;
}

static void malformed(struct reply_reader *reader, const char *detail)
{
    fail(reader, OUTCOME_PROTOCOL, detail);
}

static void complete(struct reply_reader *reader)
{
    if (reader->inflater && !inflater_is_complete(reader->inflater))
        fail(reader, OUTCOME_RESPONSE_CODING, "the compressed body is cut short");
    else
        reader->stage = STAGE_COMPLETE;
}

static enum reply_state state_of(const struct reply_reader *reader)
{
    if (reader->stage == STAGE_COMPLETE)
        return REPLY_COMPLETE;
    return reader->stage == STAGE_FAULTY ? REPLY_FAULTY : REPLY_MORE;
}

/* ---- body bytes ---- */

static void inflate_piece(struct reply_reader *reader, const char *data, size_t len)
{
    if (!reader->inflater)
        reader->inflater = inflater_new(reader->head.coding == CODING_GZIP);
    int rc = reader->inflater ? inflater_feed(reader->inflater, data, len, &reader->body) : -ENOMEM;
    if (rc == INFLATE_FULL)
        fail(reader, OUTCOME_RESPONSE_BODY_SIZE, NULL);
    else if (rc == INFLATE_MALFORMED)
        fail(reader, OUTCOME_RESPONSE_CODING, NULL);
    else if (rc != 0)
        fail(reader, OUTCOME_INTERNAL, "out of memory");
}

static bool is_decoding(const struct reply_reader *reader)
{
    return reader->limits.decode && reader->head.coding != CODING_NONE;
}

static void body_refused(struct reply_reader *reader)
{
    if (buffer_status(&reader->body) == BUFFER_FULL)
        fail(reader, OUTCOME_RESPONSE_BODY_SIZE, NULL);
    else
        fail(reader, OUTCOME_INTERNAL, "out of memory");
}

static void deliver(struct reply_reader *reader, const char *data, size_t len)
{
    if (!is_decoding(reader)) {
        buffer_append(&reader->body, data, len);
        if (buffer_status(&reader->body) != 0)
            body_refused(reader);
    } else if (reader->head.coding == CODING_UNKNOWN) {
        fail(reader, OUTCOME_RESPONSE_CODING, "the content coding is not one that was asked for");
    } else {
        inflate_piece(reader, data, len);
    }
}

/* The body or the chunk goes on; `len` bytes of it are stored. */
static void advance(struct reply_reader *reader, uint64_t len)
{
    if (reader->stage == STAGE_FAULTY)
        return;
    reader->rest -= len;
    if (reader->rest > 0)
        return;
    if (reader->stage == STAGE_LENGTH)
        complete(reader);
    else
        reader->stage = STAGE_CHUNK_CR;
}

static void take_counted(struct reply_reader *reader, struct input *input)
{
    size_t len = reader->rest < input->left ? (size_t)reader->rest : input->left;
    deliver(reader, input->at, len);
    input->at += len;
    input->left -= len;
    advance(reader, len);
}

/* ---- lines ---- */

/* False: the first line cannot become a status line any more. */
static bool may_be_status_line(const struct reply_reader *reader, struct input piece)
{
    static const char start[] = "HTTP/1.";
    uint64_t end = reader->head.max - reader->head.seen;
    if (end > sizeof start - 1)
        end = sizeof start - 1;
    for (size_t i = reader->line.len, at = 0; i < end && at < piece.left; i++, at++) {
        if (piece.at[at] != start[i])
            return false;
    }
    return true;
}

/* A piece of a line; its end when `newline`. */
static bool join_line(struct reply_reader *reader, struct input piece, bool newline,
                      struct input *ret_line)
{
    buffer_append(&reader->line, piece.at, piece.left);
    if (buffer_status(&reader->line) != 0)
        mem_exhausted();
    *ret_line = (struct input){reader->line.data, reader->line.len};
    if (newline)
        reader->line.len = 0; /* its bytes stay until the next append */
    return newline;
}

/* Finds the next whole line, CRLF included, of at most `max` bytes; what is not
 * whole yet is kept. False: more has to come, or *ret_too_long. */
static inline bool next_line(struct reply_reader *reader, struct input *input, uint64_t max,
                             struct input *ret_line, bool *ret_too_long)
{
    const char *newline = memchr(input->at, '\n', input->left);
    size_t len = newline ? (size_t)(newline - input->at) + 1 : input->left;
    struct input piece = {input->at, len};
    *ret_too_long = reader->line.len + len > max;
    input->at += len;
    input->left -= len;
    if (*ret_too_long)
        return false;
    if (!newline || reader->line.len > 0)
        return join_line(reader, piece, newline != NULL, ret_line);
    *ret_line = piece;
    return true;
}

static inline bool ends_with_crlf(struct input line)
{
    return line.left >= 2 && line.at[line.left - 2] == '\r';
}

/* ---- header and trailers ---- */

static void begin_counted(struct reply_reader *reader)
{
    const struct reply_head *head = &reader->head;
    bool decoding = is_decoding(reader);
    if (!decoding && head->length > reader->limits.body_max) {
        fail(reader, OUTCOME_RESPONSE_BODY_SIZE, NULL);
        return;
    }
    reader->rest = head->length;
    reader->stage = STAGE_LENGTH;
    if (reader->rest == 0) {
        complete(reader);
        return;
    }
    if (decoding)
        return;
    buffer_init(&reader->body, as_size(head->length));
    uint64_t first = reader->rest < PRESIZE_MAX ? reader->rest : PRESIZE_MAX;
    if (buffer_reserve(&reader->body, (size_t)first) != 0)
        body_refused(reader);
}

static void begin_body(struct reply_reader *reader)
{
    const struct reply_head *head = &reader->head;
    reader->delimited = true;
    if (reader->limits.bodiless || head->status == 204 || head->status == 304) {
        complete(reader);
    } else if (head->chunked) {
        reader->stage = STAGE_CHUNK_SIZE;
    } else if (head->has_length) {
        begin_counted(reader);
    } else {
        reader->delimited = false;
        reader->stage = STAGE_TO_THE_END;
    }
}

/* A line of the header or of the trailers; false: none was whole. */
static inline bool take_head_line(struct reply_reader *reader, struct input *input,
                                  struct input *ret_line)
{
    struct reply_head *head = &reader->head;
    bool too_long;
    if (reader->stage == STAGE_HEAD && head->status == 0 && !may_be_status_line(reader, *input)) {
        malformed(reader, "the status line is malformed");
        return false;
    }
    if (!next_line(reader, input, head->max - head->seen, ret_line, &too_long)) {
        if (too_long)
            fail(reader, OUTCOME_RESPONSE_HEADER_SIZE, NULL);
        return false;
    }
    if (!ends_with_crlf(*ret_line)) {
        malformed(reader, "a line ends without CR");
        return false;
    }
    if (!reply_head_line(head, ret_line->at, ret_line->left)) {
        reader->stage = STAGE_FAULTY;
        return false;
    }
    return true;
}

static void read_head(struct reply_reader *reader, struct input *input)
{
    struct reply_head *head = &reader->head;
    struct input line;
    do {
        if (!take_head_line(reader, input, &line))
            return;
    } while (head->status != 0 && !head->complete && input->left > 0);
    if (head->complete)
        begin_body(reader);
    else if (head->status == 0 && ++reader->interims > REPLY_INTERIM_MAX)
        malformed(reader, "too many interim replies");
}

static void read_trailer(struct reply_reader *reader, struct input *input)
{
    struct input line;
    if (take_head_line(reader, input, &line) && line.left == 2)
        complete(reader);
}

/* ---- chunks ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* chunk-size [ chunk-ext ] CRLF, the extension starting right behind the size. */
static const char *parse_chunk_line(struct reply_reader *reader, struct input line)
{
    const char *end = line.at + line.left - 2;
    const char *at = line.at;
    uint64_t size = 0;
    int digit;
    if (!ends_with_crlf(line))
        return "a chunk's size ends without CR";
    for (; at < end && (digit = hex_digit(*at)) >= 0; at++) {
        if (size > UINT64_MAX >> 4)
            return "a chunk's size is too large";
        size = size << 4 | (unsigned)digit;
    }
    if (at == line.at || (at < end && *at != ';'))
        return "a chunk's size is not a number";
    reader->extensions += (uint64_t)(end - at);
    if (reader->extensions > REPLY_EXTENSION_MAX)
        return "the chunk extensions are too long";
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "a control character in a chunk extension";
    }
    reader->rest = size;
    return NULL;
}

static void read_chunk_size(struct reply_reader *reader, struct input *input)
{
    struct input line;
    bool too_long;
    if (!next_line(reader, input, REPLY_CHUNK_LINE, &line, &too_long)) {
        if (too_long)
            malformed(reader, "a chunk's size line is too long");
        return;
    }
    const char *wrong = parse_chunk_line(reader, line);
    if (wrong)
        malformed(reader, wrong);
    else
        reader->stage = reader->rest > 0 ? STAGE_CHUNK_DATA : STAGE_TRAILERS;
}

static void read_chunk_end(struct reply_reader *reader, struct input *input)
{
    char wanted = reader->stage == STAGE_CHUNK_CR ? '\r' : '\n';
    if (*input->at != wanted) {
        malformed(reader, "a chunk does not end where its size says");
        return;
    }
    input->at++;
    input->left--;
    reader->stage = wanted == '\r' ? STAGE_CHUNK_LF : STAGE_CHUNK_SIZE;
}

/* ---- the machine ---- */

static void proceed(struct reply_reader *reader, struct input *input)
{
    switch (reader->stage) {
    case STAGE_HEAD:
        read_head(reader, input);
        break;
    case STAGE_LENGTH:
    case STAGE_CHUNK_DATA:
        take_counted(reader, input);
        break;
    case STAGE_TO_THE_END:
        deliver(reader, input->at, input->left);
        input->left = 0;
        break;
    case STAGE_CHUNK_SIZE:
        read_chunk_size(reader, input);
        break;
    case STAGE_CHUNK_CR:
    case STAGE_CHUNK_LF:
        read_chunk_end(reader, input);
        break;
    case STAGE_TRAILERS:
        read_trailer(reader, input);
        break;
    default:
        assert(false);
    }
}

enum reply_state reply_reader_feed(struct reply_reader *reader, const char *data, size_t len,
                                   size_t *ret_used)
{
    struct input input = {data, len};
    reader->came |= len > 0;
    while (input.left > 0 && reader->stage < STAGE_COMPLETE)
        proceed(reader, &input);
    reader->surplus |= reader->stage == STAGE_COMPLETE && input.left > 0;
    *ret_used = len - input.left;
    return state_of(reader);
}

size_t reply_reader_place(struct reply_reader *reader, char **ret_place)
{
    struct buffer *body = &reader->body;
    bool counted = reader->stage == STAGE_LENGTH;
    if ((!counted && reader->stage != STAGE_CHUNK_DATA) || is_decoding(reader) ||
        (!counted && reader->rest < PLACE_MIN))
        return 0;
    uint64_t left = body->max - body->len;
    uint64_t want = reader->rest < left ? reader->rest : left;
    if (want > PLACE_MAX)
        want = PLACE_MAX;
    /* A full body is fed: there the overflow is noticed. */
    if (want == 0 || (body->cap == body->len && buffer_reserve(body, (size_t)want) != 0))
        return 0;
    size_t room = body->cap - body->len;
    *ret_place = body->data + body->len;
    if (room < reader->rest)
        return room;
    /* A byte more than `cap` is allocated; see buffer.h on its NUL. */
    return (size_t)reader->rest + (counted ? 1 : 0);
}

enum reply_state reply_reader_placed(struct reply_reader *reader, size_t len)
{
    assert(reader->stage == STAGE_LENGTH || reader->stage == STAGE_CHUNK_DATA);
    if (len > reader->rest) {
        assert(len == reader->rest + 1 && reader->stage == STAGE_LENGTH);
        reader->surplus = true;
        len--;
    }
    reader->body.len += len;
    assert(reader->body.len <= reader->body.cap);
    advance(reader, len);
    return state_of(reader);
}

enum reply_state reply_reader_end(struct reply_reader *reader)
{
    if (reader->stage == STAGE_TO_THE_END)
        complete(reader);
    else if (!reader->came)
        fail(reader, OUTCOME_CONNECTION_TERMINATED, NULL);
    else if (reader->stage < STAGE_COMPLETE)
        fail(reader, OUTCOME_RESPONSE_INCOMPLETE, NULL);
    return state_of(reader);
}

bool reply_reader_may_reuse(const struct reply_reader *reader)
{
    const struct reply_head *head = &reader->head;
    return reader->stage == STAGE_COMPLETE && reader->delimited && !reader->surplus &&
           !head->closes && (!head->minor_zero || head->keeps_alive);
}

void reply_reader_take(struct reply_reader *reader, struct outcome *outcome)
{
    *outcome = (struct outcome){.code = reader->head.fault, .detail = reader->head.detail};
    if (reader->stage != STAGE_COMPLETE) {
        assert(outcome->code != OUTCOME_NONE);
        return;
    }
    outcome->code = OUTCOME_REPLY;
    outcome->status = reader->head.status;
    outcome->head = buffer_take(&reader->head.lines, &outcome->head_len);
    if (reader->body.len > 0)
        outcome->body = buffer_take(&reader->body, &outcome->body_len);
}
