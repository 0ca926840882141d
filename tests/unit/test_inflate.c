/* Decoding in pieces, to the cap and not beyond it. zlib makes what is decoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "back/inflate.h"

enum { GZIP = 16 + MAX_WBITS, WRAPPED = MAX_WBITS, BARE = -MAX_WBITS, ROOM = 100000 };

static size_t compress_as(int bits, const char *data, size_t len, char *out)
{
    z_stream stream = {.next_in = (unsigned char *)data, .avail_in = (unsigned)len};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = (unsigned char *)out;
    stream.avail_out = ROOM;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = stream.total_out;
    deflateEnd(&stream);
    return size;
}

/* Feeds pieces of `piece` bytes; the first status that is not 0, or 0. */
static int decode(bool gzip, const char *data, size_t len, size_t piece, struct buffer *out,
                  bool *ret_complete)
{
    struct inflater *inflater = inflater_new(gzip);
    assert_non_null(inflater);
    int rc = 0;
    for (size_t at = 0; at < len && rc == 0; at += piece) {
        size_t now = len - at < piece ? len - at : piece;
        char *copy = malloc(now); /* of its own size, for the sanitizer */
        memcpy(copy, data + at, now);
        rc = inflater_feed(inflater, copy, now, out);
        free(copy);
    }
    *ret_complete = inflater_is_complete(inflater);
    inflater_free(inflater);
    return rc;
}

static const size_t pieces[] = {1, 2, 3, 1000, ROOM};

static void every_format_in_every_cut(void **state)
{
    (void)state;
    static const int formats[] = {GZIP, WRAPPED, BARE};
    char text[5000];
    char *coded = malloc(ROOM);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23);
    for (size_t i = 0; i < 3; i++) {
        size_t len = compress_as(formats[i], text, sizeof text, coded);
        for (size_t p = 0; p < 5; p++) {
            struct buffer out;
            bool complete;
            buffer_init(&out, sizeof text);
            assert_int_equal(decode(formats[i] == GZIP, coded, len, pieces[p], &out, &complete), 0);
            assert_true(complete);
            assert_int_equal(out.len, sizeof text);
            assert_memory_equal(out.data, text, sizeof text);
            buffer_done(&out);
            assert_int_equal(decode(formats[i] == GZIP, coded, len - 1, pieces[p], &out, &complete),
                             0);
            assert_false(complete);
            buffer_done(&out);
            coded[len] = 'x'; /* bytes after the end */
            assert_int_equal(decode(formats[i] == GZIP, coded, len + 1, pieces[p], &out, &complete),
                             INFLATE_MALFORMED);
            buffer_done(&out);
        }
    }
    free(coded);
}

static void a_bomb_stops_at_the_cap(void **state)
{
    (void)state;
    size_t size = 10000000;
    char *zeros = calloc(1, size);
    char *coded = malloc(ROOM);
    size_t len = compress_as(GZIP, zeros, size, coded);
    static const size_t caps[] = {0, 1, 16384, 1000000};
    for (size_t i = 0; i < 4; i++) {
        for (size_t p = 0; p < 5; p++) {
            struct buffer out;
            bool complete;
            buffer_init(&out, caps[i]);
            assert_int_equal(decode(true, coded, len, pieces[p], &out, &complete), INFLATE_FULL);
            assert_int_equal(out.len, caps[i]);
            buffer_done(&out);
        }
    }
    struct buffer out;
    bool complete;
    buffer_init(&out, size - 1);
    assert_int_equal(decode(true, coded, len, ROOM, &out, &complete), INFLATE_FULL);
    buffer_done(&out);
    buffer_init(&out, size);
    assert_int_equal(decode(true, coded, len, ROOM, &out, &complete), 0);
    assert_true(complete);
    buffer_done(&out);
    free(zeros);
    free(coded);
}

static void nothing_and_nonsense(void **state)
{
    (void)state;
    struct buffer out;
    bool complete;
    buffer_init(&out, 100);
    assert_int_equal(decode(true, "", 0, 1, &out, &complete), 0);
    assert_true(complete);
    assert_int_equal(decode(false, "x", 1, 1, &out, &complete), 0);
    assert_false(complete);
    assert_int_equal(decode(true, "plain text", 10, 1, &out, &complete), INFLATE_MALFORMED);
    assert_int_equal(decode(false, "plain text", 10, 1, &out, &complete), INFLATE_MALFORMED);
    char *coded = malloc(ROOM);
    size_t len = compress_as(GZIP, "text", 4, coded);
    coded[len - 8] ^= 1; /* the checksum */
    assert_int_equal(decode(true, coded, len, 1, &out, &complete), INFLATE_MALFORMED);
    buffer_done(&out);
    free(coded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_in_every_cut),
        cmocka_unit_test(a_bomb_stops_at_the_cap),
        cmocka_unit_test(nothing_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
