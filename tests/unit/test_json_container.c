/* Where containers end: masks and single bytes must agree, wherever a block begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "json/container.h"
#include "json/validate.h"

enum { TEXT_MAX = 1024, TEXTS = 4000 };

static unsigned next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33);
}

/* An array of pieces that are full of quotes, escapes and brackets. */
static size_t make_text(uint64_t *seed, char *text)
{
    static const char *const pieces[] = {
        "\"\"",     "\"]\"",        "\"\\\"\"",
        "\"\\\\\"", "[]",           "{}",
        "[[]]",     "{\"}\":[{}]}", "\"\\\\\\\"]\"",
        "1",        "null",         "\"a long string with } and ] in it\"",
        "  true  ", "[1,[2,[3]]]"};
    size_t len = 0;
    text[len++] = '[';
    for (unsigned i = next_random(seed) % 20; i > 0; i--) {
        const char *piece = pieces[next_random(seed) % (sizeof pieces / sizeof *pieces)];
        len += strlen(strcpy(text + len, piece));
        text[len++] = ',';
    }
    text[len++] = '0';
    text[len++] = ']';
    return len;
}

static void ends_are_found(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < TEXTS; i++) {
        char text[TEXT_MAX];
        size_t len = make_text(&seed, text);
        assert_int_equal(json_validate(text, len, 64).fault, JSON_VALID);
        size_t more = next_random(&seed) % 200;
        memset(text + len, "]}\"[,"[i % 5], more);
        char *copy = malloc(len + more); /* so that a sanitizer sees what is read beyond */
        assert_non_null(copy);
        memcpy(copy, text, len + more);
        assert_int_equal(json_container_end(copy, copy + len + more) - copy, len);
        free(copy);
    }
}

static void nothing_is_read_beyond(void **state)
{
    (void)state;
    static const char *const broken[] = {"[", "[\"", "[\"\\", "{\"a\":[", "[[]", "[\"]"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        size_t len = strlen(broken[i]);
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, broken[i], len);
        assert_ptr_equal(json_container_end(copy, copy + len), copy + len);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_found),
        cmocka_unit_test(nothing_is_read_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
