/* A request in a sentence: who is named as slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/access_sentence.h"

static struct access_record sample(usec_t read, usec_t work, usec_t rest)
{
    struct access_record record = {.status = 200, .slow = true, .slowest = 9000};
    record.read = read;
    record.work = work;
    record.duration = read + work + rest;
    access_put(&record, ACCESS_METHOD, "GET", 3, 32);
    access_put(&record, ACCESS_TARGET, "/x", 2, ACCESS_TARGET_MAX);
    return record;
}

static void expect(const struct access_record *record, const char *sentence)
{
    char out[ACCESS_SENTENCE_MAX];
    access_sentence_write(record, out);
    assert_string_equal(out, sentence);
}

static void names_who_took_the_larger_part(void **state)
{
    (void)state;
    struct access_record record = sample(1000, 10000, 9000);
    expect(&record, "slow request: GET /x: 200 in 20.0 ms");
    access_put(&record, ACCESS_PART, "outer/call", 10, 128);
    access_put(&record, ACCESS_UPSTREAM, "shop", 4, 128);
    expect(&record, "slow request: GET /x: 200 in 20.0 ms, the slowest call \"outer/call\" to shop "
                    "in 9.0 ms");
    record.work = 9999;
    record.read = 1001;
    expect(&record, "slow request: GET /x: 200 in 20.0 ms, of which the client took 10.0 ms to "
                    "take the reply");
    record = sample(11000, 500, 10000);
    expect(&record, "slow request: GET /x: 200 in 21.5 ms, of which the client took 21.0 ms to "
                    "send the request");
    record.slow = false;
    expect(&record, "GET /x: 200 in 21.5 ms");
}

static void finds_room_for_the_longest(void **state)
{
    (void)state;
    char text[ACCESS_TARGET_MAX], out[ACCESS_SENTENCE_MAX];
    struct access_record record = {.slow = true, .status = 200, .duration = 1, .work = 1};
    memset(text, 'x', sizeof text);
    access_put(&record, ACCESS_METHOD, text, 32, 32);
    access_put(&record, ACCESS_TARGET, text, sizeof text, sizeof text);
    access_put(&record, ACCESS_PART, text, 2 * ACCESS_NAME_MAX, 2 * ACCESS_NAME_MAX);
    access_put(&record, ACCESS_UPSTREAM, text, ACCESS_NAME_MAX, ACCESS_NAME_MAX);
    access_sentence_write(&record, out);
    assert_string_equal(out + strlen(out) - strlen("x in 0.0 ms"), "x in 0.0 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_who_took_the_larger_part),
        cmocka_unit_test(finds_room_for_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
