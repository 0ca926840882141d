/*
 * "deflate" means the zlib format, but some servers send the bare stream; the
 * first two bytes tell which (RFC 1950 2.2), so the first is held until the
 * second came. When the buffer is full, one more byte is decoded beside it: only
 * if there is one the body is too large. Output grows in small steps, so memory
 * follows what really came out and a bomb stops at the cap.
 */
#include "back/inflate.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#include "base/mem.h"

enum { STEP = 16384, GZIP_BITS = 16 + MAX_WBITS, BARE_BITS = -MAX_WBITS };

struct inflater {
    z_stream stream;
    bool begun; /* the format is known */
    bool has_first;
    bool ended;
    unsigned char first;
};

static int begin(struct inflater *inflater, int bits)
{
    inflater->begun = inflateInit2(&inflater->stream, bits) == Z_OK;
    return inflater->begun ? 0 : -ENOMEM;
}

struct inflater *inflater_new(bool gzip)
{
    struct inflater *inflater = mem_new(sizeof *inflater);
    if (gzip && begin(inflater, GZIP_BITS) != 0)
        return inflater_free(inflater);
    return inflater;
}

struct inflater *inflater_free(struct inflater *inflater)
{
    if (inflater && inflater->begun)
        inflateEnd(&inflater->stream);
    free(inflater);
    return NULL;
}

/* One call of zlib with as much room as there is. *ret_more: it may have more to
 * say about the same input. */
static int step(struct inflater *inflater, struct buffer *out, bool *ret_more)
{
    z_stream *stream = &inflater->stream;
    unsigned char beyond;
    size_t left = out->max - out->len;
    if (left > 0 && buffer_reserve(out, left < STEP ? left : STEP) != 0)
        return -ENOMEM;
    size_t room = out->cap - out->len;
    unsigned avail = room < STEP ? (unsigned)room : STEP;
    stream->next_out = left > 0 ? (unsigned char *)out->data + out->len : &beyond;
    stream->avail_out = left > 0 ? avail : 1;
    unsigned before = stream->avail_out;
    int rc = inflate(stream, Z_NO_FLUSH);
    unsigned made = before - stream->avail_out;
    *ret_more = stream->avail_out == 0;
    if (left == 0 && made > 0)
        return INFLATE_FULL;
    out->len += made;
    switch (rc) {
    case Z_STREAM_END:
        inflater->ended = true;
        *ret_more = false;
        return 0;
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do without more input */
        return 0;
    case Z_MEM_ERROR:
        return -ENOMEM;
    default:
        return INFLATE_MALFORMED;
    }
}

static int run(struct inflater *inflater, const unsigned char *data, size_t len, struct buffer *out)
{
    z_stream *stream = &inflater->stream;
    stream->next_in = (unsigned char *)data; /* zlib only reads it */
    stream->avail_in = (unsigned)len;
    bool more = true;
    while (!inflater->ended && (stream->avail_in > 0 || more)) {
        int rc = step(inflater, out, &more);
        if (rc != 0)
            return rc;
    }
    return stream->avail_in > 0 ? INFLATE_MALFORMED : 0;
}

static int begin_deflate(struct inflater *inflater, unsigned char second, struct buffer *out)
{
    unsigned first = inflater->first;
    bool wrapped = (first & 0x0f) == Z_DEFLATED && (first << 8 | second) % 31 == 0;
    int rc = begin(inflater, wrapped ? MAX_WBITS : BARE_BITS);
    return rc != 0 ? rc : run(inflater, &inflater->first, 1, out);
}

int inflater_feed(struct inflater *inflater, const char *data, size_t len, struct buffer *out)
{
    assert(len <= UINT_MAX);
    if (len > 0 && inflater->ended)
        return INFLATE_MALFORMED;
    if (!inflater->begun && !inflater->has_first && len > 0) {
        inflater->first = (unsigned char)*data++;
        inflater->has_first = true;
        len--;
    }
    if (len == 0)
        return 0;
    if (!inflater->begun) {
        int rc = begin_deflate(inflater, (unsigned char)*data, out);
        if (rc != 0)
            return rc;
    }
    inflater->has_first = true;
    return run(inflater, (const unsigned char *)data, len, out);
}

bool inflater_is_complete(const struct inflater *inflater)
{
    return inflater->ended || !inflater->has_first;
}
