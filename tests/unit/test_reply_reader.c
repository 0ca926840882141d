/* Replies and what they are read as, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "unit/reply_feeding.h"

#define H       "HTTP/1.1 200 OK\r\n"
#define CHUNKED H "Transfer-Encoding: chunked\r\n\r\n"

static const struct reply_limits usual = {.header_max = 2000, .body_max = 1000};

/* Reads it in every way there is; all must agree. */
static struct feeding read_with(const struct reply_limits *limits, const char *reply, size_t len,
                                bool ends)
{
    struct feeding whole = feed_reply(limits, reply, len, 0, 0, false, ends);
    for (unsigned way = 0; way < 6; way++) {
        struct feeding cut = feed_reply(limits, reply, len,
                                        way < 2   ? 1
                                        : way < 4 ? 5
                                                  : 0,
                                        way, way % 2 == 0, ends);
        if (!same_feeding(&whole, &cut))
            print_message("way %u differs for: %.60s\n", way, reply);
        assert_true(same_feeding(&whole, &cut));
        outcome_done(&cut.outcome);
    }
    return whole;
}

static struct feeding read_reply(const char *reply)
{
    return read_with(&usual, reply, strlen(reply), true);
}

static void expect(const char *reply, const char *body, bool reuse)
{
    struct feeding feeding = read_reply(reply);
    if (feeding.outcome.code != OUTCOME_REPLY || feeding.may_reuse != reuse)
        print_message("%s, reuse %d for: %.60s\n", outcome_text(feeding.outcome.code),
                      feeding.may_reuse, reply);
    assert_int_equal(feeding.outcome.code, OUTCOME_REPLY);
    assert_int_equal(feeding.outcome.body_len, strlen(body));
    if (body[0])
        assert_memory_equal(feeding.outcome.body, body, strlen(body));
    assert_int_equal(feeding.may_reuse, reuse);
    outcome_done(&feeding.outcome);
}

static void expect_fault(const char *reply, enum outcome_code code)
{
    struct feeding feeding = read_reply(reply);
    if (feeding.outcome.code != code)
        print_message("%s for: %.60s\n", outcome_text(feeding.outcome.code), reply);
    assert_int_equal(feeding.outcome.code, code);
    assert_false(feeding.may_reuse);
    assert_int_equal(feeding.outcome.status, 0);
    outcome_done(&feeding.outcome);
}

static void bodies_by_length(void **state)
{
    (void)state;
    expect(H "Content-Length: 5\r\n\r\nhello", "hello", true);
    expect(H "Content-Length: 0\r\n\r\n", "", true);
    expect(H "content-length:5\r\n\r\nhello", "hello", true);
    expect(H "Content-Length: \t 005 \r\n\r\nhello", "hello", true);
    expect(H "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok", true);
    expect("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", true);
    expect("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", "ok", true);
}

static void the_header_is_kept_as_it_came(void **state)
{
    (void)state;
    struct feeding feeding =
        read_reply("HTTP/1.1 404 No\r\nX-A:  1 \r\nx-b:\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(feeding.outcome.status, 404);
    assert_string_equal(feeding.outcome.head, "X-A: 1\r\nx-b: \r\nX-A: 2\r\nContent-Length: 0\r\n");
    assert_null(feeding.outcome.body);
    outcome_done(&feeding.outcome);
    feeding = read_reply("HTTP/1.1 200 OK\r\n\r\n");
    assert_null(feeding.outcome.head);
    outcome_done(&feeding.outcome);
}

static void chunked_bodies(void **state)
{
    (void)state;
    expect(CHUNKED "0\r\n\r\n", "", true);
    expect(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "hello!", true);
    expect(CHUNKED "00000000000000000000A\r\n0123456789\r\n000\r\n\r\n", "0123456789", true);
    expect(CHUNKED "a;x\r\n0123456789\r\nA;y=\"a;b\"\r\n0123456789\r\n0;z\r\n\r\n",
           "01234567890123456789", true);
    expect(CHUNKED "2\r\nok\r\n0\r\nX-T: 1\r\nY: \r\n\r\n", "ok", true);
    static const char *const broken[] = {
        "\r\n",
        ";x\r\n",
        "+2\r\nok\r\n",
        "-2\r\nok\r\n",
        " 2\r\nok\r\n",
        "2 \r\nok\r\n",
        "2 ;x\r\nok\r\n",
        "0x2\r\nok\r\n",
        "2\nok\r\n",
        "2\rok\r\n",
        "2\r\nokay\r\n",
        "2\r\nok\n",
        "2\r\nok\r\r\n",
        "g\r\n",
        "2;\x01\r\nok\r\n",
        "2;a\rb\r\nok",
        "10000000000000000\r\nok\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nA : 1\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nA: 1\n\r\n",
        "0\r\n\n",
        "0\r\nA: \x7f\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char reply[256];
        snprintf(reply, sizeof reply, CHUNKED "%s", broken[i]);
        expect_fault(reply, OUTCOME_PROTOCOL);
    }
}

static void bodies_to_the_end(void **state)
{
    (void)state;
    expect(H "\r\nall of it", "all of it", false);
    expect(H "\r\n", "", false);
    expect("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nall", "all", false);
}

static void replies_without_a_body(void **state)
{
    (void)state;
    expect("HTTP/1.1 204 No\r\n\r\n", "", true);
    expect("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "", true);
    expect("HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", "", true);
    expect("HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n", "", true);
    struct reply_limits head = usual;
    head.bodiless = true;
    const char *reply = H "Content-Length: 5000\r\n\r\n";
    struct feeding feeding = read_with(&head, reply, strlen(reply), false);
    assert_int_equal(feeding.outcome.code, OUTCOME_REPLY);
    assert_string_equal(feeding.outcome.head, "Content-Length: 5000\r\n");
    outcome_done(&feeding.outcome);
}

static void interim_replies(void **state)
{
    (void)state;
    char reply[1024] = "";
    for (int i = 0; i < REPLY_INTERIM_MAX; i++)
        strcat(reply, "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n");
    strcat(reply, H "Content-Length: 2\r\n\r\nok");
    expect(reply, "ok", true);
    struct feeding feeding = read_reply(reply);
    assert_string_equal(feeding.outcome.head, "Content-Length: 2\r\n");
    outcome_done(&feeding.outcome);
    memmove(reply + 21, reply, strlen(reply) + 1);
    memcpy(reply, "HTTP/1.1 100 More\r\n\r\n", 21);
    expect_fault(reply, OUTCOME_PROTOCOL);
    expect_fault("HTTP/1.1 101 Switch\r\n\r\n", OUTCOME_PROTOCOL);
    /* What an interim reply says about framing is not the final one's. */
    expect("HTTP/1.1 100 More\r\nConnection: close\r\nContent-Length: 9\r\n\r\n" H
           "Content-Length: 2\r\n\r\nok",
           "ok", true);
}

static void who_may_be_reused(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        bool reuse;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n", false},
        {"HTTP/1.1 200 OK\r\nconnection: x, Close ,y\r\n", false},
        {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n", false},
        {"HTTP/1.1 200 OK\r\nConnection: closed\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection:\r\n", true},
        {"HTTP/1.0 200 OK\r\n", false},
        {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", true},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reply[256];
        snprintf(reply, sizeof reply, "%sContent-Length: 2\r\n\r\nok", cases[i].start);
        expect(reply, "ok", cases[i].reuse);
    }
}

static void what_follows_is_left(void **state)
{
    (void)state;
    static const char *const replies[] = {
        H "Content-Length: 2\r\n\r\nok",
        CHUNKED "2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        char reply[256];
        size_t len = strlen(replies[i]);
        snprintf(reply, sizeof reply, "%sevil", replies[i]);
        struct feeding feeding = read_reply(reply);
        assert_int_equal(feeding.outcome.code, OUTCOME_REPLY);
        assert_int_equal(feeding.used, len);
        outcome_done(&feeding.outcome);
        /* In one piece the reader sees it and says no to another call. */
        struct reply_reader reader;
        size_t used;
        reply_reader_init(&reader, &usual);
        assert_int_equal(reply_reader_feed(&reader, reply, len + 4, &used), REPLY_COMPLETE);
        assert_int_equal(used, len);
        assert_false(reply_reader_may_reuse(&reader));
        reply_reader_done(&reader);
    }
}

static void a_surplus_shows_in_the_place(void **state)
{
    (void)state;
    const char *head = H "Content-Length: 4\r\n\r\n";
    for (size_t surplus = 0; surplus < 2; surplus++) {
        struct reply_reader reader;
        char *place;
        size_t used;
        reply_reader_init(&reader, &usual);
        assert_int_equal(reply_reader_place(&reader, &place), 0);
        assert_int_equal(reply_reader_feed(&reader, head, strlen(head), &used), REPLY_MORE);
        assert_int_equal(reply_reader_place(&reader, &place), 5);
        memcpy(place, "abcde", 4 + surplus);
        assert_int_equal(reply_reader_placed(&reader, 4 + surplus), REPLY_COMPLETE);
        assert_int_equal(reply_reader_may_reuse(&reader), surplus == 0);
        assert_int_equal(reader.body.len, 4);
        assert_int_equal(reader.body.cap, 4);
        reply_reader_done(&reader);
    }
}

static void ambiguous_headers(void **state)
{
    (void)state;
    static const char *const broken[] = {
        H "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        H "Content-Length: 2, 2\r\n\r\nok",
        H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        H "Content-Length: +2\r\n\r\nok",
        H "Content-Length: -2\r\n\r\nok",
        H "Content-Length: 2 2\r\n\r\nok",
        H "Content-Length: 0x2\r\n\r\nok",
        H "Content-Length:\r\n\r\nok",
        H "Content-Length : 2\r\n\r\nok",
        H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H "Transfer-Encoding: identity\r\n\r\n",
        H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H "X-A: 1\r\n more\r\n\r\n",
        H "\tX-A: 1\r\n\r\n",
        H "X-A: 1\r\r\n\r\n",
        H "X-A: \x7f\r\n\r\n",
        H "X A: 1\r\n\r\n",
        H ": 1\r\n\r\n",
        H "no colon\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
        H "Content-Length: 2\n\r\nok",
        H "Content-Length: 2\r\n\nok",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "hello",
        "<",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        expect_fault(broken[i], OUTCOME_PROTOCOL);
    const char nul[] = H "X-A: a\0b\r\n\r\n";
    struct feeding feeding = read_with(&usual, nul, sizeof nul - 1, false);
    assert_int_equal(feeding.outcome.code, OUTCOME_PROTOCOL);
    outcome_done(&feeding.outcome);
}

static void early_ends(void **state)
{
    (void)state;
    expect_fault("", OUTCOME_CONNECTION_TERMINATED);
    expect_fault("HTT", OUTCOME_RESPONSE_INCOMPLETE);
    expect_fault(H, OUTCOME_RESPONSE_INCOMPLETE);
    expect_fault(H "Content-Length: 3\r\n\r\nok", OUTCOME_RESPONSE_INCOMPLETE);
    expect_fault("HTTP/1.1 100 More\r\n\r\n", OUTCOME_RESPONSE_INCOMPLETE);
    static const char chunked[] = CHUNKED "2\r\nok\r\n0\r\nX: 1\r\n\r\n";
    for (size_t len = 1; len < sizeof chunked - 1; len++) { /* at every byte */
        struct feeding feeding = read_with(&usual, chunked, len, true);
        assert_int_equal(feeding.outcome.code, OUTCOME_RESPONSE_INCOMPLETE);
    }
}

static enum outcome_code read_capped(const char *reply, uint64_t header_max, uint64_t body_max)
{
    struct reply_limits limits = {.header_max = header_max, .body_max = body_max};
    struct feeding feeding = read_with(&limits, reply, strlen(reply), true);
    enum outcome_code code = feeding.outcome.code;
    outcome_done(&feeding.outcome);
    return code;
}

static void header_limits(void **state)
{
    (void)state;
    /* Status lines, fields, interim replies and trailers count, line ends too. */
    static const char *const replies[] = {
        H "Content-Length: 0\r\n\r\n",
        "HTTP/1.1 100 More\r\n\r\n" H "Content-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        uint64_t len = strlen(replies[i]);
        assert_int_equal(read_capped(replies[i], len, 0), OUTCOME_REPLY);
        for (uint64_t max = 0; max < len; max++)
            assert_int_equal(read_capped(replies[i], max, 0), OUTCOME_RESPONSE_HEADER_SIZE);
    }
    const char *trailers = CHUNKED "2\r\nok\r\n0\r\nX: 1\r\n\r\n";
    uint64_t counted = strlen(CHUNKED "X: 1\r\n\r\n");
    assert_int_equal(read_capped(trailers, counted, 2), OUTCOME_REPLY);
    assert_int_equal(read_capped(trailers, counted - 1, 2), OUTCOME_RESPONSE_HEADER_SIZE);
}

static void body_limits(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool fits;
    } cases[] = {
        {H "Content-Length: 4\r\n\r\nabcd", true},
        {H "Content-Length: 5\r\n\r\nabcde", false},
        {H "Content-Length: 18446744073709551617\r\n\r\nabcd", false},
        {CHUNKED "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", true},
        {CHUNKED "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", false},
        {CHUNKED "ffffffffffffffff\r\nabcde", false},
        {H "\r\nabcd", true},
        {H "\r\nabcde", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(read_capped(cases[i].reply, 2000, 4),
                         cases[i].fits ? OUTCOME_REPLY : OUTCOME_RESPONSE_BODY_SIZE);
}

static void chunk_line_limits(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        char reply[REPLY_CHUNK_LINE + 256];
        size_t len = strlen(CHUNKED);
        memcpy(reply, CHUNKED, len);
        memset(reply + len, 'e', REPLY_CHUNK_LINE);
        memcpy(reply + len, "2;", 2);
        strcpy(reply + len + REPLY_CHUNK_LINE - 2 + more, "\r\nok\r\n0\r\n\r\n");
        assert_int_equal(read_capped(reply, 2000, 10), more ? OUTCOME_PROTOCOL : OUTCOME_REPLY);
    }
    /* All extensions together. */
    size_t lines = REPLY_EXTENSION_MAX / 1024;
    char *reply = calloc(1, lines * 1100 + 256);
    for (size_t more = 0; more < 2; more++) {
        size_t at = (size_t)sprintf(reply, CHUNKED);
        for (size_t i = 0; i < lines; i++)
            at += (size_t)sprintf(reply + at, "1;%01023d\r\nx\r\n", 0);
        sprintf(reply + at, "0%s\r\n\r\n", more ? ";" : "");
        struct feeding feeding = feed_reply(&usual, reply, strlen(reply), 0, 0, false, true);
        assert_int_equal(feeding.outcome.code, more ? OUTCOME_PROTOCOL : OUTCOME_REPLY);
        outcome_done(&feeding.outcome);
    }
    free(reply);
}

/* A length that is only claimed costs no more than a first piece. */
static void claimed_lengths(void **state)
{
    (void)state;
    const struct reply_limits limits = {.header_max = 2000, .body_max = UINT64_MAX};
    static const char *const claims[] = {H "Content-Length: 4000000000\r\n\r\n",
                                         CHUNKED "ffffffff\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct reply_reader reader;
        char *place;
        size_t used;
        reply_reader_init(&reader, &limits);
        assert_int_equal(reply_reader_feed(&reader, claims[i], strlen(claims[i]), &used),
                         REPLY_MORE);
        assert_true(reply_reader_place(&reader, &place) > 0);
        assert_true(reader.body.cap <= 1024 * 1024);
        reply_reader_done(&reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_by_length),
        cmocka_unit_test(the_header_is_kept_as_it_came),
        cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(bodies_to_the_end),
        cmocka_unit_test(replies_without_a_body),
        cmocka_unit_test(interim_replies),
        cmocka_unit_test(who_may_be_reused),
        cmocka_unit_test(what_follows_is_left),
        cmocka_unit_test(a_surplus_shows_in_the_place),
        cmocka_unit_test(ambiguous_headers),
        cmocka_unit_test(early_ends),
        cmocka_unit_test(header_limits),
        cmocka_unit_test(body_limits),
        cmocka_unit_test(chunk_line_limits),
        cmocka_unit_test(claimed_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
