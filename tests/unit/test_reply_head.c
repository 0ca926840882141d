/* The header of a reply: which versions of HTTP are taken, and what HTTP/2 forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "back/curl_result.h"
#include "back/reply_head.h"

/* Lines are separated by '|'. */
static enum outcome_code read_head(struct reply_head *head, enum reply_versions versions,
                                   const char *lines)
{
    reply_head_init(head, 1000, false, versions);
    while (*lines) {
        size_t len = strcspn(lines, "|");
        char line[128];
        memcpy(line, lines, len);
        memcpy(line + len, "\r\n", 2);
        lines += len + (lines[len] ? 1 : 0);
        if (!reply_head_line(head, line, len + 2))
            break;
    }
    reply_head_done(head);
    return head->fault;
}

static const struct {
    const char *lines;
    enum outcome_code code[3]; /* HTTP/1, HTTP/2, any */
    unsigned status;
} versions[] = {
    {"HTTP/1.1 200 OK||", {OUTCOME_NONE, OUTCOME_PROTOCOL, OUTCOME_NONE}, 200},
    {"HTTP/1.0 404||", {OUTCOME_NONE, OUTCOME_PROTOCOL, OUTCOME_NONE}, 404},
    {"HTTP/2 200 ||", {OUTCOME_PROTOCOL, OUTCOME_NONE, OUTCOME_NONE}, 200},
    {"HTTP/2 404||", {OUTCOME_PROTOCOL, OUTCOME_NONE, OUTCOME_NONE}, 404},
    {"HTTP/2 103 ||HTTP/2 204 ||", {OUTCOME_PROTOCOL, OUTCOME_NONE, OUTCOME_NONE}, 204},
    {"HTTP/2 20 ||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/2 2000||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/2 600 ||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/2 101 ||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/2.0 200 ||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/2", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
    {"HTTP/3 200 ||", {OUTCOME_PROTOCOL, OUTCOME_PROTOCOL, OUTCOME_PROTOCOL}, 0},
};

static void versions_are_taken_as_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        for (size_t asked = 0; asked < 3; asked++) {
            struct reply_head head;
            enum outcome_code code =
                read_head(&head, (enum reply_versions)asked, versions[i].lines);
            assert_int_equal(code, versions[i].code[asked]);
            if (code == OUTCOME_NONE)
                assert_int_equal(head.status, versions[i].status);
            assert_int_equal(head.complete, code == OUTCOME_NONE);
        }
    }
}

static void http_2_frames_by_itself(void **state)
{
    static const char *const bad[] = {
        "HTTP/2 200 |transfer-encoding: chunked|",
        "HTTP/2 200 |connection: close|",
        "HTTP/2 200 |:path: /|",
        "HTTP/2 200 |content-length: 1|content-length: 2|",
        "HTTP/2 200 ||:status: 200|",
    };
    struct reply_head head;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(read_head(&head, REPLY_HTTP_2, bad[i]), OUTCOME_PROTOCOL);
    assert_int_equal(read_head(&head, REPLY_ANY_HTTP, "HTTP/2 200 |content-length: 12|a: b||t: u|"),
                     OUTCOME_NONE);
    assert_true(head.version_2 && head.complete && head.has_length);
    assert_int_equal(head.length, 12);
}

static void ends_of_connections_and_streams(void **state)
{
    static const struct {
        struct curl_failure failure;
        enum outcome_code code;
    } cases[] = {
        {{.code = CURLE_HTTP2_STREAM, .sent = true}, OUTCOME_PROTOCOL},
        {{.code = CURLE_HTTP2_STREAM, .sent = true, .began = true, .has_head = true},
         OUTCOME_RESPONSE_INCOMPLETE},
        {{.code = CURLE_HTTP2, .sent = true}, OUTCOME_CONNECTION_TERMINATED},
        {{.code = CURLE_HTTP2, .sent = true, .began = true}, OUTCOME_PROTOCOL},
        {{.code = CURLE_PARTIAL_FILE, .sent = true}, OUTCOME_CONNECTION_TERMINATED},
        {{.code = CURLE_PARTIAL_FILE, .sent = true, .began = true}, OUTCOME_RESPONSE_INCOMPLETE},
        {{.code = CURLE_RECV_ERROR, .frames = true}, OUTCOME_PROTOCOL},
        {{.code = CURLE_RECV_ERROR, .frames = true, .os_error = 104},
         OUTCOME_CONNECTION_TERMINATED},
        {{.code = CURLE_RECV_ERROR}, OUTCOME_CONNECTION_TERMINATED},
        {{.code = CURLE_RECV_ERROR, .frames = true, .began = true}, OUTCOME_PROTOCOL},
        {{.code = CURLE_RECV_ERROR, .began = true}, OUTCOME_RESPONSE_INCOMPLETE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(curl_result_code(&cases[i].failure), cases[i].code);
    assert_true(curl_result_is_end(CURLE_HTTP2));
    assert_false(curl_result_is_end(CURLE_HTTP2_STREAM));
    assert_false(curl_result_is_end(CURLE_WRITE_ERROR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_taken_as_asked),
        cmocka_unit_test(http_2_frames_by_itself),
        cmocka_unit_test(ends_of_connections_and_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
