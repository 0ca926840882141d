/* What libmicrohttpd answers itself, as its log tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "front/library_log.h"

#define REFUSAL "Error processing request (HTTP response code is %u ('%s')). Closing connection.\n"

static void say(struct library_replies *replies, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct library_replies *replies, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    library_log(replies, format, args);
    va_end(args);
}

static void expect(struct library_replies *replies, unsigned status, size_t bytes)
{
    struct library_reply reply;
    assert_true(library_reply_take(replies, &reply));
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.bytes, bytes);
}

static void expect_none(struct library_replies *replies)
{
    struct library_reply reply;
    assert_false(library_reply_take(replies, &reply));
}

static void keeps_them_in_order(void **state)
{
    (void)state;
    struct library_replies replies = {.count = 0};
    expect_none(&replies);
    say(&replies, REFUSAL, 505U, "no");
    say(&replies, REFUSAL, 414U, "");
    expect(&replies, 505, 2);
    say(&replies, REFUSAL, 431U, "too large");
    expect(&replies, 414, 0);
    expect(&replies, 431, 9);
    expect_none(&replies);
}

static void forgets_the_oldest(void **state)
{
    (void)state;
    struct library_replies replies = {.count = 0};
    for (unsigned i = 0; i < LIBRARY_REPLIES_MAX + 2; i++)
        say(&replies, REFUSAL, 400 + i, "no");
    for (unsigned i = 2; i < LIBRARY_REPLIES_MAX + 2; i++)
        expect(&replies, 400 + i, 2);
    expect_none(&replies);
}

static void takes_nothing_else_for_one(void **state)
{
    (void)state;
    struct library_replies replies = {.count = 0};
    say(&replies, REFUSAL, 200U, "no");
    say(&replies, REFUSAL, 600U, "no");
    say(&replies, "Error: %s\n", "400");
    say(&replies, "Failed to set TCP_NODELAY: %s\n", "no");
    say(&replies, "Too late to send an error response, response is being sent already.\n");
    expect_none(&replies);
    say(&replies, REFUSAL, 400U, "no");
    say(&replies, REFUSAL, 413U, "no");
    say(&replies, "Too late to send an error response, response is being sent already.\n");
    expect(&replies, 400, 2);
    expect_none(&replies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_them_in_order),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(takes_nothing_else_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
