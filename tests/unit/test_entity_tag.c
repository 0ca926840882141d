/* Tags of bodies, and If-None-Match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/entity_tag.h"

static bool matches(const char *line, const char *tag)
{
    return entity_tag_matches((struct field_text){line, strlen(line)}, tag);
}

static void tags_follow_bytes(void **state)
{
    (void)state;
    char one[ENTITY_TAG_MAX], other[ENTITY_TAG_MAX];
    entity_tag_make("{\"a\":1}", 7, one);
    entity_tag_make("{\"a\":1}", 7, other);
    assert_string_equal(one, other);
    assert_int_equal(strlen(one), 34);
    entity_tag_make("{\"a\":2}", 7, other);
    assert_string_not_equal(one, other);
    /* The published value for no bytes: what is made here holds for other builds too. */
    entity_tag_make(NULL, 0, one);
    assert_string_equal(one, "\"99aa06d3014798d86001c324468d497f\"");
}

static void suffixes(void **state)
{
    (void)state;
    char out[ENTITY_TAG_MAX];
    assert_true(entity_tag_append("\"a\"", "-gzip", out));
    assert_string_equal(out, "\"a-gzip\"");
    assert_true(entity_tag_append("\"\"", "-x", out));
    assert_string_equal(out, "\"-x\"");
    assert_false(entity_tag_append("W/\"a\"", "-gzip", out));
    assert_false(entity_tag_append("a", "-gzip", out));
    assert_false(entity_tag_append("\"", "-gzip", out));
    assert_false(entity_tag_append("", "-gzip", out));
    char longest[ENTITY_TAG_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[0] = longest[ENTITY_TAG_MAX - 7] = '"';
    longest[ENTITY_TAG_MAX - 6] = '\0';
    assert_true(entity_tag_append(longest, "-gzip", out));
    assert_int_equal(strlen(out), ENTITY_TAG_MAX - 1);
    longest[ENTITY_TAG_MAX - 7] = 'x';
    longest[ENTITY_TAG_MAX - 6] = '"';
    longest[ENTITY_TAG_MAX - 5] = '\0';
    assert_false(entity_tag_append(longest, "-gzip", out));
}

static void lists_of_tags(void **state)
{
    (void)state;
    static const struct {
        const char *line, *tag;
        bool match;
    } cases[] = {
        {"\"a\"", "\"a\"", true},
        {"W/\"a\"", "\"a\"", true},
        {"\"a\"", "W/\"a\"", true},
        {"W/\"a\"", "W/\"a\"", true},
        {" \"b\" , W/\"c\",\t\"a\"", "\"a\"", true},
        {",,\"a\"", "\"a\"", true},
        {"*", "\"a\"", true},
        {" * ", "\"a\"", true},
        {"\"*\"", "\"a\"", false},
        {"*, \"b\"", "\"a\"", false},
        {"\"A\"", "\"a\"", false},
        {"a", "\"a\"", false},
        {"\"a", "\"a\"", false},
        {"w/\"a\"", "\"a\"", false},
        {"\"b\"\"a\"", "\"a\"", false},
        {"\"b\"x, \"a\"", "\"a\"", false},
        {"\"a\"x", "\"a\"", false},
        {"\"x, \"a\"", "\"a\"", false},
        {"\"a\\\"", "\"a\\\"", true},
        {"\"a,b\"", "\"a,b\"", true},
        {"\"\"", "\"\"", true},
        {"", "\"a\"", false},
        {"W/", "\"a\"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].line, cases[i].tag) != cases[i].match)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_follow_bytes),
        cmocka_unit_test(suffixes),
        cmocka_unit_test(lists_of_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
