/* Which fields go on. */
#include "unit/job_fixture.h"

#include "core/reply_fields.h"

struct fields_case {
    const char *head;
    const char *names; /* what goes on, each followed by a space */
};

static const struct fields_case fields_cases[] = {
    {"", ""},
    {"ETag: 1\r\nX-A: 1\r\nx-a: 2\r\n", "ETag X-A x-a "},
    {"connection: close\r\nKEEP-ALIVE: 1\r\nProxy-Authenticate: x\r\nTE: x\r\nTrailer: x\r\n"
     "Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nA: 1\r\n",
     "A "},
    {"Content-Length: 5\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Type: x\r\n", "Content-Type "},
    {"A: 1\r\nB: 2\r\nConnection: ,, b\t, keep-alive ,\r\nConnection: C\r\nC: 3\r\n", "A "},
    {"X-1: a\r\nX-16: a\r\nX-17: a\r\nConnection: X-1,X-2,X-3,X-4,X-5,X-6,X-7,X-8,X-9,X-10,X-11,"
     "X-12,X-13,X-14,X-15,X-16,X-17\r\n",
     "X-17 "}, /* REPLY_FIELDS_NAMED is 16 */
};

static void hop_by_hop_fields_end_here(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields_cases / sizeof *fields_cases; i++) {
        struct arena *arena = arena_new();
        struct outcome outcome = reply(200, fields_cases[i].head, "");
        struct reply_fields fields = reply_fields_read(&outcome, arena);
        struct buffer names;
        buffer_init(&names, 1000);
        for (size_t k = 0; k < fields.count; k++) {
            buffer_append(&names, fields.items[k].name, fields.items[k].name_len);
            buffer_byte(&names, ' ');
        }
        buffer_byte(&names, '\0');
        assert_string_equal(names.data, fields_cases[i].names);
        buffer_done(&names);
        outcome_done(&outcome);
        arena_free(arena);
    }
}

static void some_fields_speak_for_their_origin(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool origins;
    } cases[] = {
        {"aggregate-status", true},
        {"Aggregate-Status-X", false},
        {"Server-Timing", false},
        {"date", true},
        {"Server", true},
        {"VIA", true},
        {"ETag", false},
        {"Alt-Svc", true},
        {"access-control-allow-origin", true},
        {"Age", false},
        {"Access-Control", false},
        {"Strict-Transport-Security", true},
        {"Vary", false},
        {"Clear-Site-Data", true},
        {"Location", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply_field field = {cases[i].name, strlen(cases[i].name), "", 0};
        assert_int_equal(reply_field_is_the_origins(&field), cases[i].origins);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hop_by_hop_fields_end_here),
        cmocka_unit_test(some_fields_speak_for_their_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
