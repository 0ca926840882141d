/* The table of codes, ownership, and the reader of field lines. */
#include "unit/job_fixture.h"

#include "core/outcome.h"

static void codes_have_text_sentence_and_status(void **state)
{
    (void)state;
    for (int i = OUTCOME_REPLY + 1; i < OUTCOME_CODE_COUNT; i++) {
        enum outcome_code code = (enum outcome_code)i;
        assert_true(strlen(outcome_text(code)) > 0);
        assert_true(outcome_status(code) >= 400 && outcome_status(code) <= 599);
        /* Proxy-Status quotes sentences without escaping them. */
        for (const char *at = outcome_sentence(code); *at; at++)
            assert_true(*at >= 0x20 && *at < 0x7F && *at != '"' && *at != '\\');
    }
    assert_string_equal(outcome_text(OUTCOME_DNS_ERROR), "dns_error");
    assert_string_equal(outcome_text(OUTCOME_CANCELLED), "cancelled");
    assert_int_equal(outcome_status(OUTCOME_RESPONSE_TIMEOUT), 504);
    assert_int_equal(outcome_status(OUTCOME_REQUEST_DENIED), 403);
    assert_true(outcome_registered(OUTCOME_RESPONSE_TIMEOUT));
    assert_false(outcome_registered(OUTCOME_INVALID_JSON));
    assert_int_equal(outcome_status(OUTCOME_NONE), 0);
    assert_int_equal(outcome_status(OUTCOME_REPLY), 0);
}

static void taking_moves(void **state)
{
    (void)state;
    struct outcome from = reply(200, JSON_HEAD, "[]");
    char *body = from.body;
    struct outcome to = outcome_take(&from);
    assert_int_equal(from.code, OUTCOME_NONE);
    assert_null(from.body);
    assert_null(from.head);
    assert_ptr_equal(to.body, body);
    outcome_done(&to);
    assert_int_equal(to.code, OUTCOME_NONE);
    assert_null(to.body);
    outcome_done(&to); /* nothing left to free */
}

struct field {
    const char *name, *value;
};

static void fields_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        struct field fields[4];
    } cases[] = {
        {"", {{NULL, NULL}}},
        {"A: 1\r\nB:2\r\n", {{"A", "1"}, {"B", "2"}}},
        {"A: 1", {{"A", "1"}}},
        {"A:\r\n", {{"A", ""}}},
        {"A:   \t \r\nB: x y \r\n", {{"A", ""}, {"B", "x y"}}},
        {"A: 1\nB: 2\n", {{"A", "1"}, {"B", "2"}}},
        {"no colon\r\n: no name\r\n folded: yes\r\n\r\nB: a:b\r\n", {{"B", "a:b"}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome outcome = reply(200, cases[i].head, "");
        size_t position = 0;
        size_t count = 0;
        const char *name;
        const char *value;
        size_t name_len;
        size_t value_len;
        while (outcome_next_header(&outcome, &position, &name, &name_len, &value, &value_len)) {
            const struct field *field = &cases[i].fields[count++];
            assert_non_null(field->name);
            assert_int_equal(name_len, strlen(field->name));
            assert_memory_equal(name, field->name, name_len);
            assert_int_equal(value_len, strlen(field->value));
            if (value_len > 0)
                assert_memory_equal(value, field->value, value_len);
        }
        assert_null(cases[i].fields[count].name);
        outcome_done(&outcome);
    }
}

static void first_field_of_a_name_is_found(void **state)
{
    (void)state;
    struct outcome outcome = reply(200, "X-AB: 0\r\nX-A: 1\r\nx-a: 2\r\n", "");
    const char *value;
    size_t len;
    assert_true(outcome_header(&outcome, "x-A", &value, &len));
    assert_int_equal(len, 1);
    assert_int_equal(*value, '1');
    assert_false(outcome_header(&outcome, "X", &value, &len));
    outcome_done(&outcome);
    assert_false(outcome_header(&outcome, "X-A", &value, &len));
}

static void media_follow_content_type(void **state)
{
    (void)state;
    char long_type[400];
    memset(long_type, 'x', sizeof long_type);
    memcpy(long_type, "Content-Type: text/", strlen("Content-Type: text/"));
    long_type[sizeof long_type - 1] = '\0';
    const struct {
        const char *head;
        enum media_kind media;
    } cases[] = {
        {"", MEDIA_NONE},
        {"content-type: application/json\r\n", MEDIA_JSON},
        {"Content-Type: application/problem+json; charset=utf-8\r\n", MEDIA_JSON},
        {"Content-Type: text/plain;x\r\n", MEDIA_TEXT},
        {"Content-Type: image/png\r\n", MEDIA_OTHER},
        {long_type, MEDIA_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome outcome = reply(200, cases[i].head, "");
        assert_int_equal(outcome_media(&outcome), cases[i].media);
        outcome_done(&outcome);
    }
    /* The parameters do not count, however long they are; the type at its limit does. */
    char head[800] = "Content-Type: application/json;";
    memset(head + strlen(head), 'p', 600);
    struct outcome outcome = reply(200, head, "");
    assert_int_equal(outcome_media(&outcome), MEDIA_JSON);
    outcome_done(&outcome);
    for (size_t len = 255; len <= 256; len++) {
        struct outcome edge = reply(200, "", "");
        free(edge.head);
        edge.head_len = strlen("Content-Type:text/") + len - strlen("text/");
        edge.head = mem_new(edge.head_len + 1);
        memset(edge.head, 'y', edge.head_len);
        memcpy(edge.head, "Content-Type:text/", strlen("Content-Type:text/"));
        assert_int_equal(outcome_media(&edge), len == 255 ? MEDIA_TEXT : MEDIA_OTHER);
        outcome_done(&edge);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_text_sentence_and_status),
        cmocka_unit_test(taking_moves),
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(first_field_of_a_name_is_found),
        cmocka_unit_test(media_follow_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
