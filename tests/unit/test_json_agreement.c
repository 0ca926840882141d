/* Cuts, mutations, alignments and generated texts: both validators agree on them all. */
#include <stdio.h>
#include <stdlib.h>

#include "unit/json_fence.h"

static const char sample[] =
    "{\"id\":9007199254740993,\"name\":\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\",\n"
    "  \"text\": \"line\\nbreak \\\"quoted\\\" \\u00e9\\ud83d\\ude00 back\\\\slash\\/\",\r\n"
    "\t\"numbers\":[0,-1.5e+10,1E5, 12345678 ,123456789.125],\"flags\":[true,false,null],"
    "\"empty\":[{},[],\"\"],\"a longer key, of forty-two bytes in total\":{\"k\":{\"k\":[[1]]}}}";

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    assert_int_equal(judge(sample, sizeof sample - 1).fault, JSON_VALID);
    assert_int_equal(judge(sample, 0).fault, JSON_EMPTY);
    for (size_t len = 1; len < sizeof sample - 1; len++) {
        struct json_verdict verdict = judge(sample, len);
        assert_int_equal(verdict.fault, JSON_TRUNCATED);
        assert_int_equal(verdict.offset, len);
    }
}

static void test_every_mutation_of_one_byte(void **state)
{
    (void)state;
    char text[sizeof sample];
    memcpy(text, sample, sizeof sample);
    size_t refused = 0;
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            text[i] = (char)byte;
            refused += judge(text, sizeof sample - 1).fault != JSON_VALID;
        }
        text[i] = sample[i];
    }
    assert_true(refused > 1000);
}

/* A fault at every place of a string, with every distance to the blocks around it. */
static void test_every_alignment(void **state)
{
    (void)state;
    for (size_t len = 3; len < 200; len++) {
        char text[200];
        memset(text, 'x', len);
        text[0] = '[';
        text[1] = '"';
        text[len - 1] = ']';
        for (size_t i = 2; i + 2 < len; i++) {
            text[len - 2] = '"';
            assert_int_equal(judge(text, len).fault, JSON_VALID);
            text[i] = '\x1F';
            assert_int_equal(judge(text, len).offset, i);
            text[i] = '\xC3';
            assert_int_equal(judge(text, len).offset, i);
            text[i] = 'x';
        }
    }
}

static void test_white_space_of_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        char text[128] = "{\"a\":";
        memset(text + 5, len % 2 ? ' ' : '\n', len);
        memcpy(text + 5 + len, "[1]}", 4);
        assert_int_equal(judge(text, len + 9).fault, JSON_VALID);
        text[5 + len] = 'x';
        assert_int_equal(judge(text, len + 9).offset, len + 5);
    }
}

/* A line break and blanks, at every distance to a vector and to the end; then a name
 * with a fault in it: the mark of the break must not be taken for that of the fault. */
static void test_indentation_of_every_length(void **state)
{
    (void)state;
    for (unsigned blanks = 0; blanks < 70; blanks++) {
        for (unsigned rest = 0; rest < 40; rest++) {
            char text[256];
            size_t len = (size_t)snprintf(text, sizeof text, "{\"a\":1,\n%*s\"bc\": 2\n%*s}",
                                          (int)blanks, "", (int)rest, "");
            assert_int_equal(judge(text, len).fault, JSON_VALID);
            size_t name = sizeof "{\"a\":1,\n" - 1 + blanks;
            static const char wrong[] = {'\n', '\x01', '\x80', '\\'};
            for (size_t i = 0; i < sizeof wrong; i++) {
                text[name + 1] = wrong[i];
                assert_int_equal(judge(text, len).offset, name + 1);
                text[name + 1] = 'b';
                text[name] = wrong[i];
                assert_true(judge(text, len).fault != JSON_VALID);
                text[name] = '"';
            }
        }
    }
}

static void test_ten_megabytes(void **state)
{
    (void)state;
    size_t len = 10 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 1; i < len; i += 2) {
        text[i - 1] = ',';
        text[i] = (char)('0' + i % 10);
    }
    text[0] = '[';
    text[len - 1] = ']';
    struct json_verdict verdict = json_validate(text, len, 1);
    assert_verdicts_equal(verdict, json_validate_scalar(text, len, 1), "10 MB", 5);
    assert_int_equal(verdict.fault, JSON_SYNTAX);
    text[len - 2] = '0';
    verdict = json_validate(text, len, 1);
    assert_verdicts_equal(verdict, json_validate_scalar(text, len, 1), "10 MB", 5);
    assert_int_equal(verdict.fault, JSON_VALID);
    assert_int_equal(verdict.end, len);
    free(text);
}

struct generator {
    uint64_t state;
    char text[4096];
    size_t len;
};

static uint32_t draw(struct generator *generator, uint32_t below)
{
    generator->state = generator->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(generator->state >> 33) % below;
}

static void emit(struct generator *generator, const char *text)
{
    size_t len = strlen(text);
    if (generator->len + len <= sizeof generator->text) {
        memcpy(generator->text + generator->len, text, len);
        generator->len += len;
    }
}

static void emit_space(struct generator *generator)
{
    static const char *const spaces[] = {"",       "",   "",     "",   " ",
                                         "\n    ", "\t", "\r\n", "  ", "\n                 "};
    emit(generator, spaces[draw(generator, 10)]);
}

static void emit_string(struct generator *generator)
{
    static const char *const parts[] = {"a",
                                        "key",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\u00e9",
                                        "\\ud800",
                                        "\xC3\xA9",
                                        "\xE2\x82\xAC",
                                        "\xF0\x9F\x98\x80",
                                        " {}[],: ",
                                        "thirty bytes of plain text    "};
    emit(generator, "\"");
    for (uint32_t i = draw(generator, 5); i > 0; i--)
        emit(generator, parts[draw(generator, 12)]);
    emit(generator, "\"");
}

static void emit_value(struct generator *generator, unsigned depth)
{
    static const char *const scalars[] = {"true", "false", "null",    "0",    "-0",
                                          "17",   "1e400", "-1.5E-3", "0.25", "123456789"};
    uint32_t kind = draw(generator, depth > 5 ? 6 : 10);
    emit_space(generator);
    if (kind < 3) {
        emit(generator, scalars[draw(generator, 10)]);
    } else if (kind < 6) {
        emit_string(generator);
    } else {
        emit(generator, kind < 8 ? "{" : "[");
        uint32_t count = draw(generator, 5);
        for (uint32_t i = 0; i < count; i++) {
            emit(generator, i > 0 ? "," : "");
            if (kind < 8) {
                emit_space(generator);
                emit_string(generator);
                emit_space(generator);
                emit(generator, ":");
            }
            emit_value(generator, depth + 1);
        }
        emit_space(generator);
        emit(generator, kind < 8 ? "}" : "]");
    }
    emit_space(generator);
}

static void test_random_texts(void **state)
{
    (void)state;
    static struct generator generator = {.state = 20240501};
    size_t valid = 0, refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        generator.len = 0;
        emit_value(&generator, 0);
        if (generator.len < sizeof generator.text - 64) {
            assert_int_equal(judge(generator.text, generator.len).fault, JSON_VALID);
            valid++;
        }
        for (uint32_t i = 1 + draw(&generator, 3); i > 0; i--) {
            static const char bytes[] = "\"\\{}[]:, 0-.etn\n\x01\x80\xC3\xED\xF4";
            generator.text[draw(&generator, (uint32_t)generator.len)] =
                bytes[draw(&generator, sizeof bytes)];
        }
        refused += judge(generator.text, generator.len).fault != JSON_VALID;
    }
    assert_true(valid > 15000);
    assert_true(refused > 10000);
}

#if defined(__SSE2__)
static void test_vectors_accept_generated_containers(void **state)
{
    (void)state;
    static struct generator generator = {.state = 99};
    size_t containers = 0;
    for (unsigned round = 0; round < 5000; round++) {
        generator.len = 0;
        emit_value(&generator, 0);
        struct json_verdict verdict = json_validate_scalar(generator.text, generator.len, DEPTH);
        if (verdict.type != JSON_OBJECT && verdict.type != JSON_ARRAY)
            continue;
        const char *value = generator.text + verdict.start;
        assert_true(json_vector_accepts(value, verdict.end - verdict.start, DEPTH));
        containers++;
    }
    assert_true(containers > 1000);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_every_mutation_of_one_byte),
        cmocka_unit_test(test_every_alignment),
        cmocka_unit_test(test_white_space_of_every_length),
        cmocka_unit_test(test_indentation_of_every_length),
        cmocka_unit_test(test_ten_megabytes),
        cmocka_unit_test(test_random_texts),
#if defined(__SSE2__)
        cmocka_unit_test(test_vectors_accept_generated_containers),
#endif
    };
    return cmocka_run_group_tests_name("json_agreement", tests, build_fence, NULL);
}
