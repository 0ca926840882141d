/* Which form of reply an Accept asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/accept.h"

struct choice {
    const char *accept, *second; /* a second field, or NULL */
    enum reply_form form;
};

static const struct choice choices[] = {
    {"*/*", NULL, FORM_WHOLE},
    {"", NULL, FORM_WHOLE},
    {"application/x-ndjson", NULL, FORM_X_NDJSON},
    {"application/ndjson", NULL, FORM_NDJSON},
    {"text/event-stream", NULL, FORM_SERVER_EVENTS},
    {"Text/Event-Stream", NULL, FORM_SERVER_EVENTS},
    {" text/event-stream ; charset=utf-8 ", NULL, FORM_SERVER_EVENTS},
    {"application/json, application/x-ndjson", NULL, FORM_WHOLE},
    {"application/x-ndjson, application/json", NULL, FORM_WHOLE},
    {"application/x-ndjson, */*", NULL, FORM_WHOLE},
    {"application/x-ndjson, application/*", NULL, FORM_WHOLE},
    {"application/x-ndjson, text/*", NULL, FORM_X_NDJSON},
    {"application/x-ndjson, application/json;q=0.999", NULL, FORM_X_NDJSON},
    {"application/x-ndjson;q=0.999, application/json", NULL, FORM_WHOLE},
    {"application/x-ndjson;q=0.5, application/json;Q=0.25", NULL, FORM_X_NDJSON},
    /* The more specific range decides, wherever it stands. */
    {"*/*, application/json;q=0.1, text/event-stream;q=0.2", NULL, FORM_SERVER_EVENTS},
    {"application/*;q=0.1, */*, text/event-stream;q=0.2", NULL, FORM_SERVER_EVENTS},
    {"application/json;q=0, */*, text/event-stream;q=0.001", NULL, FORM_SERVER_EVENTS},
    /* Wildcards never choose a stream. */
    {"text/*, application/json;q=0.1", NULL, FORM_WHOLE},
    {"text/event-stream;q=0", NULL, FORM_WHOLE},
    {"text/event-stream;q=0.0, application/ndjson", NULL, FORM_NDJSON},
    /* Of several streams the highest weight, then the first. */
    {"text/event-stream, application/x-ndjson", NULL, FORM_SERVER_EVENTS},
    {"application/ndjson, text/event-stream, application/x-ndjson", NULL, FORM_NDJSON},
    {"text/event-stream;q=0.5, application/ndjson;q=0.7", NULL, FORM_NDJSON},
    {"application/ndjson, application/ndjson;q=0.1", NULL, FORM_NDJSON},
    /* Several fields are one list. */
    {"application/x-ndjson", "application/json", FORM_WHOLE},
    {"*/*;q=0.1", "text/event-stream", FORM_SERVER_EVENTS},
    /* A comma or semicolon inside quotes separates nothing. */
    {"text/plain;x=\",text/event-stream\"", NULL, FORM_WHOLE},
    {"text/event-stream;x=\"a;q=0,\\\",b\"", NULL, FORM_SERVER_EVENTS},
    {"text/event-stream;x=\"never closed, application/json", NULL, FORM_SERVER_EVENTS},
    /* A weight that is none makes its range count as absent. */
    {"text/event-stream;q=2", NULL, FORM_WHOLE},
    {"text/event-stream;q=1.001", NULL, FORM_WHOLE},
    {"text/event-stream;q=0.1234", NULL, FORM_WHOLE},
    {"text/event-stream;q=", NULL, FORM_WHOLE},
    {"text/event-stream;q=0,5", NULL, FORM_WHOLE},
    {"text/event-stream;q=x", NULL, FORM_WHOLE},
    {"text/event-stream;q=1.", NULL, FORM_SERVER_EVENTS},
    {"text/event-streams", NULL, FORM_WHOLE},
    {",,, ,text/event-stream,;,", NULL, FORM_SERVER_EVENTS},
};

static void chooses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const struct choice *row = &choices[i];
        struct header fields[] = {
            {"Host", "a"}, {"accept", row->accept}, {"Accept-Language", "de"}, {"ACCEPT", ""}};
        struct header_list list = {fields, 3, 4};
        if (row->second) {
            fields[3].value = row->second;
            list.count = 4;
        }
        enum reply_form form = accept_form(&list);
        if (form != row->form)
            fail_msg("\"%s\" gives %s", row->accept, accept_media(form));
    }
}

static void absent(void **state)
{
    (void)state;
    struct header_list list = {NULL, 0, 0};
    assert_int_equal(accept_form(&list), FORM_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chooses), cmocka_unit_test(absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
