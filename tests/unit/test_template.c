/* Templates: every string example of RFC 6570 levels 1 to 3 that is supported, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/template.h"

/* The variables of RFC 6570 section 1.2 and 3.2, strings only. */
static struct template_value rfc_value(const void *ctx, const char *name)
{
    static const char *const values[][2] = {
        {"var", "value"},
        {"hello", "Hello World!"},
        {"empty", ""},
        {"path", "/foo/bar"},
        {"x", "1024"},
        {"y", "768"},
        {"half", "50%"},
        {"base", "http://example.com/home/"},
        {"who", "fred"},
        {"dub", "me/too"},
        {"v", "6"},
        {"a.b", "dotted"},
        {"%41", "encoded name"},
        {"$responses.a.body#/x,y", "1?a=1&../"},
    };
    (void)ctx;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (strcmp(values[i][0], name) == 0)
            return (struct template_value){values[i][1], strlen(values[i][1])};
    }
    return (struct template_value){NULL, 0};
}

static void expect(const char *text, const char *expanded)
{
    struct arena *arena scope_arena = arena_new();
    struct buffer out scope_buffer;
    struct template *compiled;
    size_t offset;
    buffer_init(&out, 4096);
    assert_null(template_compile(arena, text, &compiled, &offset));
    template_expand(compiled, rfc_value, NULL, &out);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, expanded);
}

static void test_level_1(void **state)
{
    (void)state;
    expect("{var}", "value");
    expect("{hello}", "Hello%20World%21");
    expect("{half}", "50%25");
    expect("O{empty}X", "OX");
    expect("O{undef}X", "OX");
    expect("/{$responses.a.body#/x,y}/", "/1%3Fa%3D1%26..%2F/");
}

static void test_level_3_simple(void **state)
{
    (void)state;
    expect("map?{x,y}", "map?1024,768");
    expect("{x,hello,y}", "1024,Hello%20World%21,768");
    expect("?{x,empty}", "?1024,");
    expect("?{x,undef}", "?1024");
    expect("?{undef,y}", "?768");
}

static void test_level_3_labels(void **state)
{
    (void)state;
    expect("{.who}", ".fred");
    expect("{.who,who}", ".fred.fred");
    expect("{.half,who}", ".50%25.fred");
    expect("X{.var}", "X.value");
    expect("X{.x,y}", "X.1024.768");
    expect("X{.empty}", "X.");
    expect("X{.undef}", "X");
}

static void test_level_3_paths(void **state)
{
    (void)state;
    expect("{/who}", "/fred");
    expect("{/who,who}", "/fred/fred");
    expect("{/half,who}", "/50%25/fred");
    expect("{/who,dub}", "/fred/me%2Ftoo");
    expect("{/var}", "/value");
    expect("{/var,empty}", "/value/");
    expect("{/var,undef}", "/value");
    expect("{/var,x}/here", "/value/1024/here");
}

static void test_level_3_parameters(void **state)
{
    (void)state;
    expect("{;who}", ";who=fred");
    expect("{;half}", ";half=50%25");
    expect("{;empty}", ";empty");
    expect("{;v,empty,who}", ";v=6;empty;who=fred");
    expect("{;v,bar,who}", ";v=6;who=fred");
    expect("{;x,y}", ";x=1024;y=768");
    expect("{;x,y,empty}", ";x=1024;y=768;empty");
    expect("{;x,y,undef}", ";x=1024;y=768");
}

static void test_level_3_queries(void **state)
{
    (void)state;
    expect("{?who}", "?who=fred");
    expect("{?half}", "?half=50%25");
    expect("{?x,y}", "?x=1024&y=768");
    expect("{?x,y,empty}", "?x=1024&y=768&empty=");
    expect("{?x,y,undef}", "?x=1024&y=768");
    expect("{&who}", "&who=fred");
    expect("{&half}", "&half=50%25");
    expect("?fixed=yes{&x}", "?fixed=yes&x=1024");
    expect("{&x,y,empty}", "&x=1024&y=768&empty=");
    expect("{&x,y,undef}", "&x=1024&y=768");
    expect("/a{?undef}", "/a");
}

static void test_values_stay_in_their_place(void **state)
{
    (void)state;
    expect("{path}", "%2Ffoo%2Fbar");
    expect("{base}", "http%3A%2F%2Fexample.com%2Fhome%2F");
    expect("{a.b}{?a.b}", "dotted?a.b=dotted");
    expect("{?%41}", "?%41=encoded%20name");
}

static void expect_wrong(const char *text, size_t offset, const char *part)
{
    struct arena *arena scope_arena = arena_new();
    struct template *compiled;
    size_t found = 999;
    const char *wrong = template_compile(arena, text, &compiled, &found);
    if (!wrong || !strstr(wrong, part) || found != offset)
        print_error("%s: %zu %s\n", text, found, wrong ? wrong : "taken");
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, part));
    assert_int_equal(found, offset);
}

static void test_refused(void **state)
{
    (void)state;
    expect_wrong("/a{+x}", 3, "reserved forms");
    expect_wrong("/a{#x}", 3, "reserved forms");
    expect_wrong("/{x*}", 3, "explode");
    expect_wrong("/{x:3}", 3, "prefixes");
    expect_wrong("/{?x,y*}", 6, "explode");
    expect_wrong("/{}", 2, "empty");
    expect_wrong("/{?}", 3, "name is made of");
    expect_wrong("/{x", 1, "closing");
    expect_wrong("/x}", 2, "no {");
    expect_wrong("/{x}}", 4, "no {");
    expect_wrong("/{{x}}", 2, "cannot begin");
    expect_wrong("/{x,}", 4, "name is made of");
    expect_wrong("/{x y}", 3, "name is made of");
    expect_wrong("/{a-b}", 3, "name is made of");
    expect_wrong("/{a..b}", 3, "name is made of");
    expect_wrong("/{a.}", 3, "name is made of");
    expect_wrong("/{%4}", 2, "name is made of");
    for (const char *sign = "=,!@|"; *sign; sign++) {
        char text[] = "/{_x}";
        text[2] = *sign;
        expect_wrong(text, 2, "cannot begin");
    }
}

static void test_what_it_uses(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct template *compiled;
    const char *const *names;
    size_t offset;
    assert_null(template_compile(arena, "/{b}/{a}{?b,c}", &compiled, &offset));
    assert_int_equal(template_variables(compiled, &names), 3);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "a");
    assert_string_equal(names[2], "c");
    assert_null(template_literal(compiled));
    assert_null(template_compile(arena, "/a?b=c", &compiled, &offset));
    assert_string_equal(template_literal(compiled), "/a?b=c");
    assert_int_equal(template_variables(compiled, &names), 0);
    assert_null(template_compile(arena, "", &compiled, &offset));
    assert_string_equal(template_literal(compiled), "");
}

static void test_encoding_every_byte(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    char all[256];
    struct buffer out scope_buffer;
    buffer_init(&out, 4096);
    for (unsigned i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    template_encode(all, sizeof all, &out);
    assert_int_equal(out.len, 66 + 190 * 3);
    for (size_t i = 0; i < out.len; i++)
        assert_non_null(strchr(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%", out.data[i]));
    const char *decoded;
    size_t len;
    assert_true(template_decode(arena, out.data, out.len, &decoded, &len));
    assert_int_equal(len, sizeof all);
    assert_memory_equal(decoded, all, sizeof all);
}

static void test_decoding(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    const char *decoded;
    size_t len;
    assert_true(template_decode(arena, "a+b", 3, &decoded, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(decoded, "a+b", 3);
    assert_true(template_decode(arena, "%c3%A4%00x", 10, &decoded, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(decoded, "\xc3\xa4\0x", 4);
    assert_true(template_decode(arena, "", 0, &decoded, &len));
    assert_int_equal(len, 0);
    const char *const bad[] = {"%", "a%", "%2", "%2g", "%g2", "%%41", "%41%4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(template_decode(arena, bad[i], strlen(bad[i]), &decoded, &len));
    assert_false(template_decode(arena, "%41", 2, &decoded, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_1),
        cmocka_unit_test(test_level_3_simple),
        cmocka_unit_test(test_level_3_labels),
        cmocka_unit_test(test_level_3_paths),
        cmocka_unit_test(test_level_3_parameters),
        cmocka_unit_test(test_level_3_queries),
        cmocka_unit_test(test_values_stay_in_their_place),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_it_uses),
        cmocka_unit_test(test_encoding_every_byte),
        cmocka_unit_test(test_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
