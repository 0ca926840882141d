/* traceparent and tracestate: what is taken, what is dropped, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "core/trace_context.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static bool parses(const char *text)
{
    struct trace_context context;
    return trace_parent_parse(text, strlen(text), &context);
}

static void reads_what_is_valid(void **state)
{
    (void)state;
    struct trace_context context;
    const char *text = "00-" TRACE "-" PARENT "-01";
    char out[TRACEPARENT_TEXT + 1];
    assert_true(trace_parent_parse(text, strlen(text), &context));
    assert_int_equal(context.parent, 0x00f067aa0ba902b7);
    assert_int_equal(context.flags, TRACE_SAMPLED);
    trace_parent_write(&context, 0xfedcba9876543210, out);
    assert_string_equal(out, "00-" TRACE "-fedcba9876543210-01");
    /* A version of the future, with more behind what we know. */
    text = "cc-" TRACE "-" PARENT "-ff-what-comes-then";
    assert_true(trace_parent_parse(text, strlen(text), &context));
    assert_int_equal(context.flags, TRACE_SAMPLED | TRACE_RANDOM);
    trace_parent_write(&context, 1, out);
    assert_string_equal(out, "00-" TRACE "-0000000000000001-03");
    assert_true(parses("cc-" TRACE "-" PARENT "-00"));
}

static void drops_what_is_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-01-",
        "00-" TRACE "-" PARENT "-01-x",
        "cc-" TRACE "-" PARENT "-01x",
        "ff-" TRACE "-" PARENT "-01",
        "0g-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "-" PARENT "-0A",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "_" PARENT "-01",
        "00-" TRACE "-" PARENT "_01",
        "00-" TRACE " -" PARENT "-01",
        " 00-" TRACE "-" PARENT "-01",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parses(wrong[i]))
            print_error("%s\n", wrong[i]);
        assert_false(parses(wrong[i]));
    }
}

static bool state_is_valid(const char *text)
{
    return trace_state_valid(text, strlen(text));
}

static void judges_states(void **state)
{
    (void)state;
    char long_state[700];
    static const char *const right[] = {
        "a=1", "rojo=00f067,congo=t61", " a=1 ,\tb=2 ", "a=1,,b=2", "1tenant@sys=x", "a_-*/z=! ~",
    };
    static const char *const wrong[] = {
        "",
        ",",
        "a",
        "a=",
        "=1",
        "A=1",
        "1a=1",
        "a=1=",
        "a b=1",
        "a=1;b=2,c",
        "a=\x01",
        "a=\x80",
        "t@=1",
        "@s=1",
        "t@1s=1",
        "a@b@c=1",
        "t@system-of-15-xx=1",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        if (!state_is_valid(right[i]))
            print_error("%s\n", right[i]);
        assert_true(state_is_valid(right[i]));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (state_is_valid(wrong[i]))
            print_error("%s\n", wrong[i]);
        assert_false(state_is_valid(wrong[i]));
    }
    long_state[0] = '\0';
    for (int i = 0; i < 32; i++)
        strcat(long_state, i == 0 ? "a=1" : ",a=1");
    assert_true(state_is_valid(long_state));
    strcat(long_state, ",a=1");
    assert_false(state_is_valid(long_state));
    memset(long_state, 'v', sizeof long_state);
    memcpy(long_state, "a=", 2);
    assert_true(trace_state_valid(long_state, 258));
    assert_false(trace_state_valid(long_state, 259));
    memcpy(long_state + 256, ",b=", 3);
    assert_true(trace_state_valid(long_state, 512));
    assert_false(trace_state_valid(long_state, 513));
}

static const struct trace_context *read_fields(struct arena *arena, const char *const *fields)
{
    struct header_list list = {0};
    for (; fields[0]; fields += 2)
        header_add(arena, &list, fields[0], fields[1]);
    return trace_read(&list, arena);
}

static void takes_fields_together(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    const char *parent = "00-" TRACE "-" PARENT "-00";
    const char *const both[] = {"TraceParent", parent, "tracestate", "a=1",
                                "Tracestate",  "b=2",  NULL};
    const struct trace_context *context = read_fields(arena, both);
    assert_string_equal(context->state, "a=1,b=2");
    assert_int_equal(context->flags, 0);
    const char *const twice[] = {"traceparent", parent, "traceparent", parent, NULL};
    assert_null(read_fields(arena, twice));
    const char *const alone[] = {"tracestate", "a=1", NULL};
    assert_null(read_fields(arena, alone));
    const char *const broken[] = {"traceparent", parent, "tracestate", "A=1", NULL};
    assert_null(read_fields(arena, broken)->state);
}

static void derived_ids_differ(void **state)
{
    (void)state;
    struct random random;
    assert_int_equal(random_seed(&random), 0);
    uint64_t seed = random_next(&random);
    assert_int_not_equal(random_derive(seed, 0), random_derive(seed, 1));
    assert_int_equal(random_derive(seed, 1), random_derive(seed, 1));
    assert_int_not_equal(random_derive(-0x9e3779b97f4a7c15ULL, 0), 0);
    assert_true(random_hits(&random, (uint64_t)1 << 32));
    assert_false(random_hits(&random, 0));
    unsigned hits = 0;
    for (int i = 0; i < 10000; i++)
        hits += random_hits(&random, (uint64_t)1 << 30) ? 1 : 0;
    assert_in_range(hits, 2000, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_valid), cmocka_unit_test(drops_what_is_not),
        cmocka_unit_test(judges_states),       cmocka_unit_test(takes_fields_together),
        cmocka_unit_test(derived_ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
