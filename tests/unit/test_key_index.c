/* Keys are found by what they stand for, whatever the table's size. */
#include "unit/job_fixture.h"

#include <stdio.h>

#include "core/key_index.h"

struct record {
    struct json_span key;
    uint32_t number;
};

struct index_fixture {
    struct buffer records;
    struct key_index index;
};

static void begin(struct index_fixture *fixture)
{
    buffer_init(&fixture->records, SIZE_MAX / 2);
    key_index_init(&fixture->index, &fixture->records, sizeof(struct record));
}

static void end(struct index_fixture *fixture)
{
    key_index_done(&fixture->index);
    buffer_done(&fixture->records);
}

static uint32_t find_or_add(struct index_fixture *fixture, const char *key)
{
    struct record record = {{key, strlen(key)}, 0};
    uint32_t found = 12345;
    record.number = (uint32_t)(fixture->records.len / sizeof record);
    assert_int_equal(key_index_find_or_add(&fixture->index, record.key, record.number, &found), 0);
    buffer_append(&fixture->records, &record, sizeof record);
    return found;
}

static void keys_compare_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t found;
    } cases[] = {
        {"\"\"", KEY_INDEX_NONE},
        {"\"a\"", KEY_INDEX_NONE},
        {"\"\\u0061\"", 1},
        {"\"A\"", KEY_INDEX_NONE},
        {"\"\\u0000\"", KEY_INDEX_NONE},
        {"\"\"", 0},
        {"\"\\ud800\"", KEY_INDEX_NONE},
        {"\"\\ud800\"", KEY_INDEX_NONE},
        {"\"\\ufffd\"", KEY_INDEX_NONE},
        {"\"\xEF\xBF\xBD\"", 8},
        {"\"12345678\"", KEY_INDEX_NONE},
        {"\"1234567\"", KEY_INDEX_NONE},
        {"\"123456789\"", KEY_INDEX_NONE},
        {"\"12345678\"", 10},
        {"\"\\/\"", KEY_INDEX_NONE},
        {"\"/\"", 14},
    };
    struct index_fixture fixture;
    begin(&fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(find_or_add(&fixture, cases[i].key), cases[i].found);
    end(&fixture);
}

static void the_table_grows(void **state)
{
    (void)state;
    enum { KEYS = 5000 };
    static char keys[KEYS][16];
    struct index_fixture fixture;
    begin(&fixture);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "\"%d\"", i);
        assert_int_equal(find_or_add(&fixture, keys[i]), KEY_INDEX_NONE);
        assert_true(fixture.index.used * 2 <= fixture.index.slot_count);
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(find_or_add(&fixture, keys[i]), i);
    assert_int_equal(fixture.index.used, KEYS);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_compare_decoded),
        cmocka_unit_test(the_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
