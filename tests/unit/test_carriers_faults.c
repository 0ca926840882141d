/* Replies at and beyond every limit, broken ones, and what each is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "unit/carriers_rig.h"

static void expect_code(const void *way, const char *reply, size_t len, enum script_end end,
                        enum outcome_code code)
{
    struct rig rig;
    rig_init(&rig, way, 1);
    enum outcome_code got = play(&rig, reply, len, end);
    if (got != code)
        print_message("%s for: %.60s\n", outcome_text(got), reply ? reply : "(nothing)");
    assert_int_equal(got, code);
    rig_done(&rig);
}

static void faults_have_their_codes(void **state)
{
    static const struct {
        const char *reply;
        enum script_end end;
        enum outcome_code code;
    } cases[] = {
        {NULL, SCRIPT_CLOSE, OUTCOME_CONNECTION_TERMINATED},
        {NULL, SCRIPT_RESET, OUTCOME_CONNECTION_TERMINATED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", SCRIPT_CLOSE,
         OUTCOME_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", SCRIPT_RESET,
         OUTCOME_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", SCRIPT_CLOSE,
         OUTCOME_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 200 OK\r\nX-A: 1\r\n", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 100 Continue\r\n\r\n", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", SCRIPT_KEEP,
         OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         SCRIPT_KEEP, OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SCRIPT_KEEP,
         OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", SCRIPT_KEEP,
         OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nX-A: 1\r\n more\r\nContent-Length: 0\r\n\r\n", SCRIPT_KEEP,
         OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nX-A: 1\x01\r\nContent-Length: 0\r\n\r\n", SCRIPT_KEEP,
         OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", SCRIPT_KEEP, OUTCOME_PROTOCOL},
        {"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n", SCRIPT_KEEP, OUTCOME_PROTOCOL},
        {"HTTP/1.1 99 Low\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL},
        {"HTTP/2 200\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL},
        {"SSH-2.0-x\r\n", SCRIPT_KEEP, OUTCOME_PROTOCOL},
        {"hello", SCRIPT_CLOSE, OUTCOME_PROTOCOL},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", SCRIPT_CLOSE, OUTCOME_REPLY},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_REPLY},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK, SCRIPT_KEEP,
         OUTCOME_REPLY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_code(*state, cases[i].reply, 0, cases[i].end, cases[i].code);
    expect_code(*state, "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
                sizeof "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n" - 1, SCRIPT_KEEP,
                OUTCOME_PROTOCOL);
}

static void interim_replies_leave_no_trace(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, 1);
    play(&rig, "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK, 0, SCRIPT_KEEP);
    expect_body(&rig, "ok");
    assert_string_equal(rig.outcome.head, "Content-Length: 2\r\n");
    rig_done(&rig);
}

static void body_of_exactly_the_cap(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, 1);
    rig.spec.reply_body_max = 4;
    static const struct {
        const char *reply;
        bool fits;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabcde", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n",
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
         false},
        {"HTTP/1.1 200 OK\r\n\r\nabcd", true},
        {"HTTP/1.1 200 OK\r\n\r\nabcde", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum outcome_code code = play(&rig, cases[i].reply, 0, SCRIPT_CLOSE);
        assert_int_equal(code, cases[i].fits ? OUTCOME_REPLY : OUTCOME_RESPONSE_BODY_SIZE);
        if (cases[i].fits)
            expect_body(&rig, "abcd");
    }
    rig_done(&rig);
}

static void header_of_exactly_the_cap(void **state)
{
    static const char interim[] = "HTTP/1.1 103 Hints\r\n\r\n" OK;
    struct rig rig;
    rig_init(&rig, *state, 1);
    rig.spec.reply_header_max = sizeof interim - 1 - 2;
    assert_int_equal(play(&rig, interim, 0, SCRIPT_KEEP), OUTCOME_REPLY);
    rig.spec.reply_header_max--;
    assert_int_equal(play(&rig, interim, 0, SCRIPT_KEEP), OUTCOME_RESPONSE_HEADER_SIZE);
    rig_done(&rig);
}

static void a_huge_header_line(void **state)
{
    size_t len = 200 * 1024;
    char *reply = malloc(len);
    memset(reply, 'a', len);
    memcpy(reply, "HTTP/1.1 200 OK\r\nX: ", 20);
    expect_code(*state, reply, len, SCRIPT_KEEP, OUTCOME_RESPONSE_HEADER_SIZE);
    free(reply);
}

struct bits {
    unsigned char *out;
    size_t len;
    unsigned used; /* bits of out[len] */
};

/* `high_first`: a Huffman code; otherwise a number (RFC 1951 3.1.1). */
static void put_bits(struct bits *bits, unsigned value, unsigned count, bool high_first)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned bit = value >> (high_first ? count - 1 - i : i) & 1;
        bits->out[bits->len] = (unsigned char)(bits->out[bits->len] | bit << bits->used);
        bits->used = (bits->used + 1) % 8;
        bits->len += bits->used == 0;
    }
}

static unsigned crc_of_zeros(size_t size)
{
    unsigned crc = ~0U;
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

/* A gzip reply of `size` zero bytes: one block of fixed codes, most of it "258
 * bytes from one byte back". malloc'd. */
static char *gzip_reply(size_t size, size_t *ret_len)
{
    size_t room = 4096 + size / 100;
    unsigned char *coded = calloc(1, room);
    struct bits bits = {.out = coded};
    memcpy(coded, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    bits.len = 10;
    put_bits(&bits, 1, 1, false); /* the last block */
    put_bits(&bits, 1, 2, false); /* fixed codes */
    size_t left = size;
    for (put_bits(&bits, 0x30, 8, true), left--; left >= 258; left -= 258) {
        put_bits(&bits, 0xc5, 8, true);
        put_bits(&bits, 0, 5, true);
    }
    for (; left > 0; left--)
        put_bits(&bits, 0x30, 8, true);
    put_bits(&bits, 0, 7, true);
    bits.len += bits.used > 0;
    bits.used = 0;
    put_bits(&bits, crc_of_zeros(size), 32, false);
    put_bits(&bits, (unsigned)size, 32, false);
    char *reply = calloc(1, room + 256);
    int head = snprintf(reply, 256,
                        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n"
                        "X-A: 1\r\n\r\n",
                        bits.len);
    memcpy(reply + head, coded, bits.len);
    *ret_len = (size_t)head + bits.len;
    free(coded);
    return reply;
}

static void decoded_bytes_count(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, 1);
    rig.spec.decode = true;
    rig.spec.reply_body_max = 100000;
    size_t len;
    char *reply = gzip_reply(100000, &len);
    assert_int_equal(play(&rig, reply, len, SCRIPT_KEEP), OUTCOME_REPLY);
    assert_int_equal(rig.outcome.body_len, 100000);
    assert_string_equal(rig.outcome.head, "X-A: 1\r\n");
    free(reply);
    reply = gzip_reply(100001, &len);
    assert_int_equal(play(&rig, reply, len, SCRIPT_KEEP), OUTCOME_RESPONSE_BODY_SIZE);
    free(reply);
    reply = gzip_reply(20000000, &len);
    assert_int_equal(play(&rig, reply, len, SCRIPT_KEEP), OUTCOME_RESPONSE_BODY_SIZE);
    rig.spec.decode = false; /* the same bytes, passed on as they are */
    rig.spec.reply_body_max = 200000;
    assert_int_equal(play(&rig, reply, len, SCRIPT_KEEP), OUTCOME_REPLY);
    assert_non_null(strstr(rig.outcome.head, "Content-Encoding: gzip\r\n"));
    free(reply);
    rig_done(&rig);
}

static void broken_codings(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        "HTTP/1.1 200 OK\r\nContent-Encoding: magic\r\nContent-Length: 5\r\n\r\nplain",
    };
    struct rig rig;
    rig_init(&rig, *state, 1);
    rig.spec.decode = true;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(play(&rig, replies[i], 0, SCRIPT_KEEP), OUTCOME_RESPONSE_CODING);
    rig_done(&rig);
}

static void refused_and_unroutable(void **state)
{
    struct rig rig;
    unsigned short port;
    int fd = script_dead_port(&port);
    rig_init(&rig, *state, port);
    assert_int_equal(run(&rig), OUTCOME_CONNECTION_REFUSED);
    assert_int_equal(rig_open_sockets(&rig), 0);
    /* TCP has no broadcast. */
    begin_at(&rig, "255.255.255.255", USEC_NEVER);
    until_done(&rig, 2);
    assert_int_equal(rig.outcome.code, OUTCOME_DESTINATION_UNROUTABLE);
    close(fd);
    rig_done(&rig);
}

static void tls_to_a_plain_upstream(void **state)
{
    struct rig rig;
    rig_init(&rig, *state, 1);
    rig.origin.tls = true;
    assert_int_equal(play(&rig, OK, 0, SCRIPT_CLOSE), OUTCOME_TLS_PROTOCOL);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        for_both(faults_have_their_codes), for_both(interim_replies_leave_no_trace),
        for_both(body_of_exactly_the_cap), for_both(header_of_exactly_the_cap),
        for_both(a_huge_header_line),      for_both(decoded_bytes_count),
        for_both(broken_codings),          for_both(refused_and_unroutable),
        for_both(tls_to_a_plain_upstream),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
