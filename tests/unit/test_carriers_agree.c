/*
 * The same bytes for both carriers. Where they differ the table says how and why;
 * for replies that nobody has listed (a fuzzer's corpus, and changed ones) the rule
 * is: the exchange accepts nothing that the transfer refuses, and what both accept
 * is the same reply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <libgen.h>
#include <signal.h>

#include "unit/carriers_rig.h"

#define H       "HTTP/1.1 200 OK\r\n"
#define CHUNKED H "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *reply;
    enum script_end end;
    enum outcome_code by_transfer, by_exchange;
    const char *why; /* they differ; NULL: they agree */
} cases[] = {
    {OK, SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {OK, SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {OK, SCRIPT_RESET, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {OK "extra", SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {NULL, SCRIPT_CLOSE, OUTCOME_CONNECTION_TERMINATED, OUTCOME_CONNECTION_TERMINATED, NULL},
    {NULL, SCRIPT_RESET, OUTCOME_CONNECTION_TERMINATED, OUTCOME_CONNECTION_TERMINATED, NULL},
    {H "Content-Length: 9\r\n\r\nshort", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE,
     OUTCOME_RESPONSE_INCOMPLETE, NULL},
    {H "Content-Length: 9\r\n\r\nshort", SCRIPT_RESET, OUTCOME_RESPONSE_INCOMPLETE,
     OUTCOME_RESPONSE_INCOMPLETE, NULL},
    {H "\r\nto the end", SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {H "\r\nto the end", SCRIPT_RESET, OUTCOME_RESPONSE_INCOMPLETE, OUTCOME_RESPONSE_INCOMPLETE,
     NULL},
    {H "Content-Le", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE, OUTCOME_RESPONSE_INCOMPLETE, NULL},
    {CHUNKED "2\r\nok\r\n0\r\n\r\n", SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {CHUNKED "2;a=b\r\nok\r\n0\r\nX-T: 1\r\n\r\n", SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {CHUNKED "2\r\nok\r\n", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE, OUTCOME_RESPONSE_INCOMPLETE,
     NULL},
    {CHUNKED "zz\r\nok\r\n", SCRIPT_KEEP, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {CHUNKED "2\r\nokay\r\n0\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {CHUNKED "2 \r\nok\r\n0\r\n\r\n", SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_PROTOCOL,
     "libcurl passes over whatever follows a chunk's size"},
    {CHUNKED "2\nok\r\n0\r\n\r\n", SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_PROTOCOL,
     "libcurl takes a bare LF in chunked bodies"},
    {H "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", SCRIPT_CLOSE, OUTCOME_PROTOCOL,
     OUTCOME_PROTOCOL, NULL},
    {H "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_REPLY,
     OUTCOME_REPLY, NULL},
    {H "Content-Length: 2, 2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {H "Content-Length: +2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {H "Content-Length : 2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", SCRIPT_CLOSE,
     OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL,
     OUTCOME_PROTOCOL, NULL},
    {H "X-A: 1\r\n more\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {H "X-A: \x01\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_PROTOCOL,
     "a bare LF may end a line (RFC 9112 2.2); we never guess"},
    {"\r\n" OK, SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {"HTTP/1.0 200 OK\r\n\r\nold", SCRIPT_CLOSE, OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {"HTTP/0.9 is this", SCRIPT_CLOSE, OUTCOME_CONNECTION_TERMINATED, OUTCOME_PROTOCOL,
     "libcurl waits for the line's end before it looks, and nothing has come"},
    {"<html>", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {"HTTP/2 200\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, NULL},
    {"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n", SCRIPT_CLOSE, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL,
     NULL},
    {"HTTP/1.1 100 More\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK, SCRIPT_KEEP,
     OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {"HTTP/1.1 100 More\r\n\r\n", SCRIPT_CLOSE, OUTCOME_RESPONSE_INCOMPLETE,
     OUTCOME_RESPONSE_INCOMPLETE, NULL},
    {"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nbody", SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY,
     NULL},
    {"HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n", SCRIPT_KEEP, OUTCOME_REPLY, OUTCOME_REPLY,
     NULL},
    {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", SCRIPT_KEEP,
     OUTCOME_REPLY, OUTCOME_REPLY, NULL},
    {"HTTP/1.1 421 Misdirected\r\nContent-Length: 0\r\n\r\n", SCRIPT_KEEP, OUTCOME_REPLY,
     OUTCOME_REPLY, NULL},
    {H "Connection: close\r\nContent-Length: 2\r\n\r\nok", SCRIPT_CLOSE, OUTCOME_REPLY,
     OUTCOME_REPLY, NULL},
};

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool same_reply(const struct outcome *a, const struct outcome *b)
{
    return a->status == b->status && same_text(a->head, a->head_len, b->head, b->head_len) &&
           same_text(a->body, a->body_len, b->body, b->body_len);
}

struct both {
    struct rig rigs[2];
};

static void both_init(struct both *both)
{
    rig_init(&both->rigs[BY_TRANSFER], &by_transfer, 1);
    rig_init(&both->rigs[BY_EXCHANGE], &by_exchange, 1);
}

static void both_done(struct both *both)
{
    rig_done(&both->rigs[0]);
    rig_done(&both->rigs[1]);
}

static void both_play(struct both *both, const char *reply, size_t len, enum script_end end)
{
    play(&both->rigs[BY_TRANSFER], reply, len, end);
    play(&both->rigs[BY_EXCHANGE], reply, len, end);
}

static void listed_replies(void **state)
{
    (void)state;
    struct both both;
    both_init(&both);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        both_play(&both, cases[i].reply, 0, cases[i].end);
        const struct outcome *transfer = &both.rigs[BY_TRANSFER].outcome;
        const struct outcome *exchange = &both.rigs[BY_EXCHANGE].outcome;
        if (transfer->code != cases[i].by_transfer || exchange->code != cases[i].by_exchange)
            print_message("%s and %s for: %.70s\n", outcome_text(transfer->code),
                          outcome_text(exchange->code), cases[i].reply ? cases[i].reply : "");
        assert_int_equal(transfer->code, cases[i].by_transfer);
        assert_int_equal(exchange->code, cases[i].by_exchange);
        assert_int_equal(cases[i].why == NULL, transfer->code == exchange->code);
        assert_true(transfer->code != exchange->code || same_reply(transfer, exchange));
    }
    both_done(&both);
}

/* Nobody knows what these are. */
static void check_rule(struct both *both, const char *reply, size_t len)
{
    both_play(both, reply, len, SCRIPT_CLOSE);
    const struct outcome *transfer = &both->rigs[BY_TRANSFER].outcome;
    const struct outcome *exchange = &both->rigs[BY_EXCHANGE].outcome;
    bool holds = exchange->code != OUTCOME_REPLY ||
                 (transfer->code == OUTCOME_REPLY && same_reply(transfer, exchange));
    if (!holds)
        print_message("%s and %s for: %.*s\n", outcome_text(transfer->code),
                      outcome_text(exchange->code), (int)len, reply);
    assert_true(holds);
}

/* The fuzzer's corpus; its first four bytes are not the reply's. */
static void a_corpus(void **state)
{
    (void)state;
    char source[] = __FILE__, path[512], text[4096];
    struct both both;
    size_t count = 0;
    snprintf(path, sizeof path, "%s/../fuzz/corpus/reply", dirname(source));
    DIR *folder = opendir(path);
    assert_non_null(folder);
    both_init(&both);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[1024];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (!file)
            continue;
        size_t len = fread(text, 1, sizeof text, file);
        fclose(file);
        bool decode = len > 4 && text[0] & 2;
        both.rigs[0].spec.decode = both.rigs[1].spec.decode = decode;
        if (len > 4)
            check_rule(&both, text + 4, len - 4);
        count++;
    }
    closedir(folder);
    assert_true(count >= 25);
    both_done(&both);
}

/* Listed replies with a byte or two changed, always the same ones. */
static void changed_replies(void **state)
{
    (void)state;
    static const char bytes[] = " \t\r\n\0:;,0129aAfx-+\x7f\x80";
    struct both both;
    unsigned random = 7;
    both_init(&both);
    for (size_t i = 0; i < 600; i++) {
        const char *from = cases[i % (sizeof cases / sizeof *cases)].reply;
        char reply[512];
        size_t len = from ? strlen(from) : 0;
        if (len == 0)
            continue;
        memcpy(reply, from, len);
        for (int change = 0; change < 2; change++) {
            random = random * 1103515245U + 12345U;
            reply[(random >> 8) % len] = bytes[(random >> 20) % (sizeof bytes - 1)];
        }
        check_rule(&both, reply, len);
    }
    both_done(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_replies),
        cmocka_unit_test(a_corpus),
        cmocka_unit_test(changed_replies),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
