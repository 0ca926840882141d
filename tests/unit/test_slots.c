/* Names keep their numbers, and there is an end to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/slots.h"

static void keeps_numbers(void **state)
{
    (void)state;
    struct slots *slots = slots_new("first");
    assert_int_equal(slots_take(slots, "first"), SLOT_FIRST);
    size_t one = slots_take(slots, "one"), other = slots_take(slots, "other");
    assert_int_equal(one, SLOT_OTHER + 1);
    assert_int_equal(other, SLOT_OTHER + 2);
    assert_int_equal(slots_take(slots, "one"), one);
    assert_int_equal(slots_count(slots), 4);
    assert_string_equal(slots_name(slots, other), "other");
    assert_ptr_equal(slots_ref(slots), slots);
    assert_null(slots_unref(slots));
    assert_string_equal(slots_name(slots, one), "one");
    assert_null(slots_unref(slots));
    assert_null(slots_unref(NULL));
}

static void has_an_end(void **state)
{
    (void)state;
    char name[32];
    struct slots *slots = slots_new("first");
    for (size_t i = slots_count(slots); i < SLOTS_MAX; i++) {
        assert_false(slots_used(slots, SLOT_OTHER));
        snprintf(name, sizeof name, "name%zu", i);
        assert_int_equal(slots_take(slots, name), i);
    }
    assert_true(slots_used(slots, SLOT_OTHER));
    assert_int_equal(slots_take(slots, "one too many"), SLOT_OTHER);
    assert_int_equal(slots_take(slots, name), SLOTS_MAX - 1);
    assert_int_equal(slots_count(slots), SLOTS_MAX);
    slots_unref(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_numbers),
        cmocka_unit_test(has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
