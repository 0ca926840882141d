/* Elements of list-valued fields, and seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"
#include "core/field_list.h"

static struct field_text text_of(const char *string)
{
    return (struct field_text){string, strlen(string)};
}

static void elements(void **state)
{
    (void)state;
    static const struct {
        const char *list, *elements; /* each followed by '|' */
    } cases[] = {
        {"", ""},
        {" ,\t,, ", ""},
        {"a", "a|"},
        {" a , b,c ", "a|b|c|"},
        {"a;x=\"1,2\", b", "a;x=\"1,2\"|b|"},
        {"\"a\\\",b\",c", "\"a\\\",b\"|c|"},
        {"\"open, b", "\"open, b|"},
        {"\"\\", "\"\\|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct field_text rest = text_of(cases[i].list);
        struct field_text element;
        scope_buffer struct buffer all;
        buffer_init(&all, 1000);
        while (field_list_next(&rest, &element)) {
            buffer_append(&all, element.data, element.len);
            buffer_byte(&all, '|');
        }
        buffer_byte(&all, '\0');
        assert_string_equal(all.data, cases[i].elements);
    }
}

static void words(void **state)
{
    (void)state;
    assert_true(field_list_has(text_of("Accept, ORIGIN"), "origin"));
    assert_false(field_list_has(text_of("Accept-Encoding"), "Accept"));
    assert_false(field_list_has(text_of("\"a, origin\""), "origin"));
    assert_true(field_list_has(text_of("a,*"), "*"));
}

static void seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool sound;
        uint32_t seconds;
    } cases[] = {
        {"0", true, 0},
        {"0060", true, 60},
        {"2147483647", true, 2147483647},
        {"2147483648", true, 2147483648U},
        {"4294967296", true, 2147483648U},
        {"99999999999999999999999999", true, 2147483648U},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"1.5", false, 0},
        {"1 ", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t found = 0;
        assert_int_equal(field_seconds(text_of(cases[i].text), &found), cases[i].sound);
        if (cases[i].sound)
            assert_int_equal(found, cases[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),
        cmocka_unit_test(words),
        cmocka_unit_test(seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
