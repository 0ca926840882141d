/* The cap at its edge, growth, and the sticky status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

static void grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 1000000);
    for (int i = 0; i < 100000; i++)
        buffer_byte(&buffer, (char)('a' + i % 26));
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.len, 100000);
    assert_true(buffer.cap <= buffer.max);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], 'a' + i % 26);
}

static void fills_to_the_cap_and_not_beyond(void **state)
{
    (void)state;
    for (size_t max = 0; max < 600; max += 7) {
        scope_buffer struct buffer buffer;
        buffer_init(&buffer, max);
        for (size_t i = 0; i < max; i++)
            buffer_byte(&buffer, 'x');
        assert_int_equal(buffer_status(&buffer), 0);
        assert_int_equal(buffer.len, max);
        assert_true(buffer.cap <= max);
        buffer_byte(&buffer, 'y');
        assert_int_equal(buffer_status(&buffer), BUFFER_FULL);
        assert_int_equal(buffer.len, max);
    }
}

static void one_append_may_fill_exactly(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_append(&buffer, "0123456789", 10);
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.len, 10);
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer_status(&buffer), 0);

    scope_buffer struct buffer smaller;
    buffer_init(&smaller, 9);
    buffer_append(&smaller, "0123456789", 10);
    assert_int_equal(buffer_status(&smaller), BUFFER_FULL);
    assert_int_equal(smaller.len, 0);
}

static void full_is_sticky(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 4);
    buffer_string(&buffer, "abc");
    buffer_string(&buffer, "de");
    buffer_string(&buffer, "f"); /* would fit */
    buffer_printf(&buffer, "g");
    assert_int_equal(buffer_reserve(&buffer, 0), BUFFER_FULL);
    assert_int_equal(buffer_status(&buffer), BUFFER_FULL);
    assert_int_equal(buffer.len, 3);
    assert_memory_equal(buffer.data, "abc", 3);
    buffer_done(&buffer);
    assert_int_equal(buffer_status(&buffer), 0);
    buffer_string(&buffer, "abcd");
    assert_int_equal(buffer_status(&buffer), 0);
}

static void nothing_may_be_appended(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append(&buffer, NULL, 0);
    buffer_append_slow(&buffer, NULL, 0);
    buffer_string(&buffer, "");
    buffer_printf(&buffer, "%s", "");
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.len, 0);
}

static void print_fits_exactly_or_not_at_all(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 300);
    buffer_printf(&buffer, "%0*d", 200, 1);
    buffer_printf(&buffer, "%0*d", 100, 2);
    assert_int_equal(buffer_status(&buffer), 0);
    assert_int_equal(buffer.len, 300);
    assert_int_equal(buffer.data[199], '1');
    assert_int_equal(buffer.data[299], '2');

    scope_buffer struct buffer smaller;
    buffer_init(&smaller, 299);
    buffer_printf(&smaller, "%0*d", 200, 1);
    buffer_printf(&smaller, "%0*d", 100, 2);
    assert_int_equal(buffer_status(&smaller), BUFFER_FULL);
    assert_int_equal(smaller.len, 200);
}

static void reserve_makes_room(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, 5000);
    buffer_string(&buffer, "ab");
    assert_int_equal(buffer_reserve(&buffer, 4998), 0);
    assert_true(buffer.cap - buffer.len >= 4998);
    memset(buffer.data + buffer.len, 'z', 4998);
    buffer.len += 4998;
    assert_int_equal(buffer_reserve(&buffer, 0), 0);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), BUFFER_FULL);
}

static void no_memory_marks_the_buffer(void **state)
{
    (void)state;
    scope_buffer struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    buffer_string(&buffer, "kept");
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX - 4), -ENOMEM);
    buffer_string(&buffer, "lost");
    assert_int_equal(buffer_status(&buffer), -ENOMEM);
    assert_int_equal(buffer.len, 4);
    assert_memory_equal(buffer.data, "kept", 4);
}

static void take_moves_the_bytes_out(void **state)
{
    (void)state;
    struct buffer buffer;
    size_t len = 77;
    buffer_init(&buffer, 4);
    assert_null(buffer_take(&buffer, &len));
    assert_int_equal(len, 0);
    buffer_string(&buffer, "abcd");
    char *bytes = buffer_take(&buffer, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "abcd", 4);
    free(bytes);
    assert_null(buffer.data);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(buffer.max, 4);
    assert_int_equal(buffer_reserve(&buffer, 2), 0);
    assert_null(buffer_take(&buffer, &len)); /* reserved, but nothing written */
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_its_bytes),
        cmocka_unit_test(fills_to_the_cap_and_not_beyond),
        cmocka_unit_test(one_append_may_fill_exactly),
        cmocka_unit_test(full_is_sticky),
        cmocka_unit_test(nothing_may_be_appended),
        cmocka_unit_test(print_fits_exactly_or_not_at_all),
        cmocka_unit_test(reserve_makes_room),
        cmocka_unit_test(no_memory_marks_the_buffer),
        cmocka_unit_test(take_moves_the_bytes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
