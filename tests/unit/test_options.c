/* The option table: every range at its edges, types, hints, defaults. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/config.h"
#include "core/config_chapters.h"
#include "core/config_print.h"
#include "core/option_value.h"
#include "core/options_read.h"
#include "core/yaml.h"

struct fixture {
    struct arena *arena;
    struct faults faults;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.arena = arena_new();
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->arena = arena_free(fixture->arena);
    return 0;
}

/* Reads a section from YAML text into its struct. */
static void *read_as(struct fixture *fixture, enum option_section section, const char *text,
                     bool document)
{
    void *target = arena_alloc(fixture->arena, option_section_size(section));
    faults_init(&fixture->faults, fixture->arena, 50);
    struct node *map = yaml_parse(fixture->arena, "f", text, strlen(text), &fixture->faults);
    assert_non_null(map);
    options_read(section, map, document, target, fixture->arena, &fixture->faults);
    return target;
}

static bool has_fault(const struct fixture *fixture, const char *words)
{
    for (const struct fault *fault = fixture->faults.first; fault; fault = fault->next)
        if (strstr(fault->text, words))
            return true;
    return false;
}

static void expect(struct fixture *fixture, enum option_section section, const char *text,
                   const char *place, const char *words)
{
    read_as(fixture, section, text, false);
    assert_non_null(fixture->faults.first);
    assert_string_equal(fixture->faults.first->place, place);
    assert_string_equal(fixture->faults.first->text, words);
}

static bool is_number(const struct option *row)
{
    return row->type == OPTION_COUNT || row->type == OPTION_SIZE || row->type == OPTION_DURATION;
}

/* Writes the value out and expects it to be taken, or refused with the field unchanged. */
static void try_value(struct fixture *fixture, const struct option *row, uint64_t value, bool good)
{
    char text[128], number[64];
    if (row->type == OPTION_DURATION)
        snprintf(number, sizeof(number), "%" PRIu64 ".%03" PRIu64 "ms", value / 1000, value % 1000);
    else
        snprintf(number, sizeof(number), "%" PRIu64, value);
    snprintf(text, sizeof(text), "%s: %s", row->name, number);
    const char *target = read_as(fixture, row->section, text, false);
    if (has_fault(fixture, "must be") == good)
        fail_msg("%s in %s", text, option_section_name(row->section));
    uint64_t field = *(const uint64_t *)(const void *)(target + row->offset);
    assert_true((field == value) == good);
}

static void holds_every_range_at_its_edges(void **state)
{
    size_t seen = 0;
    for (int section = 0; section < SECTION_COUNT; section++) {
        size_t count;
        const struct option *rows = options_of((enum option_section)section, &count);
        for (size_t i = 0; i < count; i++) {
            if (!is_number(&rows[i]))
                continue;
            seen++;
            assert_true(rows[i].max > rows[i].min);
            try_value(*state, &rows[i], rows[i].min, true);
            try_value(*state, &rows[i], rows[i].max, true);
            try_value(*state, &rows[i], rows[i].max + 1, false);
            if (rows[i].min > 0)
                try_value(*state, &rows[i], rows[i].min - 1, false);
        }
    }
    assert_int_equal(seen, 44);
}

static void describes_every_option(void **state)
{
    (void)state;
    for (int section = 0; section < SECTION_COUNT; section++) {
        size_t count;
        const struct option *rows = options_of((enum option_section)section, &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(rows[i].section, section);
            assert_non_null(rows[i].text);
            assert_int_equal(rows[i].text[strlen(rows[i].text) - 1], '.');
            for (size_t other = 0; other < i; other++)
                assert_string_not_equal(rows[i].name, rows[other].name);
        }
    }
}

/* Where no text can be read as a value, a sentence says what holds. */
static void knows_what_holds_without_an_option(const struct option *row)
{
    bool needs_words =
        !row->fallback && row->type != OPTION_SECTION && (row->flags & OPTION_REQUIRED) == 0;
    if (needs_words != (row->otherwise != NULL))
        fail_msg("%s in %s: otherwise", row->name, option_section_name(row->section));
    assert_false(row->fallback && row->flags & OPTION_REQUIRED);
    struct buffer cell scope_buffer;
    buffer_init(&cell, 256);
    config_put_default(&cell, row);
    buffer_byte(&cell, '\0');
    assert_int_equal(buffer_status(&cell), 0);
    assert_true(cell.len > 1);
    assert_null(strstr(cell.data, "``"));
}

static void has_a_default_and_a_range_for_every_option(void **state)
{
    (void)state;
    for (int section = 0; section < SECTION_COUNT; section++) {
        size_t count;
        const struct option *rows = options_of((enum option_section)section, &count);
        for (size_t i = 0; i < count; i++) {
            knows_what_holds_without_an_option(&rows[i]);
            /* The length of a number's text is nobody's range. */
            bool number = rows[i].type == OPTION_STRING && rows[i].flags & OPTION_NUMBER_TOO;
            assert_int_equal(number, rows[i].range != NULL);
            if (is_number(&rows[i]))
                assert_true(rows[i].max > 0);
        }
    }
}

static size_t times(const char *text, const char *words)
{
    size_t count = 0;
    for (; (text = strstr(text, words)); text += strlen(words))
        count++;
    return count;
}

static void prints_a_default_for_every_option(void **state)
{
    (void)state;
    size_t rows = 0, count;
    for (int section = 0; section < SECTION_COUNT; section++) {
        options_of((enum option_section)section, &count);
        rows += count;
    }
    struct buffer page scope_buffer;
    buffer_init(&page, 1 << 20);
    config_print_man(&page);
    buffer_byte(&page, '\0');
    assert_int_equal(buffer_status(&page), 0);
    assert_int_equal(times(page.data, "\nDefault: ") + times(page.data, "\nRequired.\n"), rows);
    assert_null(strstr(page.data, "Default: .\n"));
    assert_null(strstr(page.data, "\\fB\\fR"));
    assert_null(strstr(page.data, "]("));
    assert_non_null(strstr(page.data, "\nDefault: \\fB\\(dq\\(dq\\fR.\n"));
    assert_non_null(strstr(page.data, "(\\fIcomposition.md\\fR)"));
    assert_non_null(
        strstr(page.data, "\\fBworkers\\fR (number, string; 1 to 256, or \\fBauto\\fR)"));
    for (const char *line = page.data; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80 || strncmp(line, "\\fB", 3) == 0);
}

static void has_the_documented_defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct limits *limits = read_as(fixture, SECTION_LIMITS, "", false);
    assert_int_equal(limits->requests, 32);
    assert_int_equal(limits->request_body, 1 << 20);
    assert_int_equal(limits->request_header, 16 << 10);
    assert_int_equal(limits->merged, 32 << 20);
    assert_int_equal(limits->client_buffer, 256 << 10);
    assert_int_equal(limits->idle_time, 60 * USEC_PER_SEC);
    const struct upstream *upstream = read_as(fixture, SECTION_UPSTREAM, "url: x", false);
    assert_false(faults_any(&fixture->faults));
    assert_int_equal(upstream->timeout, 2 * USEC_PER_SEC);
    assert_int_equal(upstream->first_byte_timeout, 0);
    assert_null(upstream->ca_file);
    const struct upstream_batch *batch = read_as(fixture, SECTION_UPSTREAM_BATCH, "", false);
    assert_int_equal(batch->methods.count, 2);
    assert_string_equal(batch->methods.items[1], "HEAD");
    assert_string_equal(batch->paths.items[0], "/**");
    const struct request *request = read_as(fixture, SECTION_REQUEST, "{id: a, url: /}", true);
    assert_string_equal(request->method, "GET");
    assert_int_equal(request->timeout, 0);
    assert_non_null(request->node);
}

static void hints_at_the_nearest_name(void **state)
{
    expect(*state, SECTION_UPSTREAM, "{url: x, timout: 1s}", "f:1:10",
           "unknown member \"timout\"; did you mean \"timeout\"?");
    expect(*state, SECTION_TOP, "zebra: 1", "f:1:1", "unknown member \"zebra\"");
    /* An endpoint's hints include the batch's members. */
    expect(*state, SECTION_ENDPOINT, "{path: /a, requests: [{id: a, url: /b}], merg: keyed}",
           "f:1:42", "unknown member \"merg\"; did you mean \"merge\"?");
}

static void names_what_comes_later(void **state)
{
    static const char *const later[] = {"retry", "hedge", "cache"};
    char text[64];
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        snprintf(text, sizeof(text), "{id: a, url: /b, %s: 1}", later[i]);
        read_as(*state, SECTION_REQUEST, text, true);
        assert_true(has_fault(*state, "this version does not have it"));
    }
    read_as(*state, SECTION_BATCH, "{requests: [{id: a, url: /b}], merge: race}", true);
    assert_true(has_fault(*state, "not \"race\""));
    read_as(*state, SECTION_UPSTREAM, "{url: x, urls: []}", false);
    assert_true(has_fault(*state, "this version does not have it"));
    read_as(*state, SECTION_REQUEST, "{id: a, url: /b, if: x}", true);
    assert_true(has_fault(*state, "not supported"));
    read_as(*state, SECTION_REQUEST, "{id: a, url: /b, atomicityGroup: x}", true);
    assert_true(has_fault(*state, "not supported"));
}

static void says_which_type_is_right(void **state)
{
    expect(*state, SECTION_TOP, "drain: [1s]", "f:1:8",
           "must be a duration: a number with ms, s or m, such as \"300ms\", not a list");
    expect(*state, SECTION_TOP, "drain: 300", "f:1:8",
           "must be a duration: a number with ms, s or m, such as \"300ms\", not \"300\"");
    expect(*state, SECTION_TOP, "drain: 99999999999999999999s", "f:1:8",
           "must be a duration: a number with ms, s or m, such as \"300ms\", "
           "not \"99999999999999999999s\"");
    expect(*state, SECTION_TOP, "drain: 11m", "f:1:8", "must be 0 to 10m, not 11m");
    expect(*state, SECTION_LIMITS, "depth: \"3\"", "f:1:8",
           "must be a whole number from 1 to 512, not a string");
    expect(*state, SECTION_LIMITS, "depth: 1.5", "f:1:8",
           "must be a whole number from 1 to 512, not 1.5");
    static const char *const counts[] = {"0", "-3", "513", "1e2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char text[64], words[80];
        snprintf(text, sizeof(text), "depth: %s", counts[i]);
        snprintf(words, sizeof(words), "must be a whole number from 1 to 512, not %s", counts[i]);
        expect(*state, SECTION_LIMITS, text, "f:1:8", words);
    }
    expect(*state, SECTION_LIMITS, "merged: {}", "f:1:9",
           "must be a size: a number, or one with KiB, MiB or GiB, not a map");
    expect(*state, SECTION_LIMITS, "merged: 8MB", "f:1:9",
           "must be a size: a number, or one with KiB, MiB or GiB, not \"8MB\"");
    expect(*state, SECTION_PROPAGATE, "via: yes", "f:1:6", "must be true or false, not a string");
    expect(*state, SECTION_UPSTREAM, "url: 5", "f:1:6",
           "must be a string, not a number (quote it)");
    expect(*state, SECTION_TOP, "listen: [a, 1]", "f:1:13",
           "must be a string, not a number (quote it)");
    expect(*state, SECTION_TOP, "listen: {}", "f:1:9",
           "must be a string or a list of strings, not a map");
    expect(*state, SECTION_TOP, "hosts: ['']", "f:1:9", "must not be empty");
    expect(*state, SECTION_TOP, "limits: 5", "f:1:9", "must be a map, not a number");
    expect(*state, SECTION_TOP, "endpoints: {}", "f:1:12", "must be a list, not a map");
    expect(*state, SECTION_TOP, "logLevel: loud", "f:1:11",
           "must be \"error\", \"warning\", \"info\" or \"debug\", not \"loud\"");
    expect(*state, SECTION_BATCH, "requests: []", "f:1:11", "must not be empty");
    expect(*state, SECTION_BATCH, "requests:", "f:1:10", "must be a list, not null");
    expect(*state, SECTION_BATCH, "merge: keyed", "f:1:1", "\"requests\" is missing");
}

static void bounds_strings(void **state)
{
    struct fixture *fixture = *state;
    char text[128];
    read_as(fixture, SECTION_REQUEST, "{url: /, id: ''}", false);
    assert_true(has_fault(fixture, "must not be empty"));
    memset(text, 'a', sizeof(text));
    memcpy(text, "{url: /, id: ", 13);
    strcpy(text + 13 + 64, "}");
    read_as(fixture, SECTION_REQUEST, text, false);
    assert_false(faults_any(&fixture->faults));
    strcpy(text + 13 + 64, "b}");
    read_as(fixture, SECTION_REQUEST, text, false);
    assert_true(has_fault(fixture, "at most 64 characters"));
}

static void keeps_clients_out_of_the_configuration(void **state)
{
    struct fixture *fixture = *state;
    read_as(fixture, SECTION_REQUEST, "{id: a, url: /b, forward: x}", true);
    assert_true(has_fault(fixture, "\"forward\" is possible only in the configuration"));
    read_as(fixture, SECTION_BATCH, "{requests: [{id: a, url: /b}], forward: {}}", true);
    assert_true(has_fault(fixture, "\"forward\" is possible only in the configuration"));
    read_as(fixture, SECTION_REQUEST, "{id: a, url: /b, forward: x}", false);
    assert_false(faults_any(&fixture->faults));
    read_as(fixture, SECTION_BATCH, "requests: [null]", true);
    assert_true(has_fault(fixture, "must be an object, not null"));
}

static void treats_an_empty_section_as_absent(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config =
        read_as(fixture, SECTION_TOP, "limits:\nupstreams:\nendpoints:\nworkers: 4\n", false);
    assert_false(faults_any(&fixture->faults));
    assert_int_equal(config->limits.requests, 32);
    assert_string_equal(config->workers_text, "4");
}

static void quotes_so_that_yaml_reads_the_same(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "a\"\\\n\t\x01\x7F\xC2\x85\xC3\xA9\xE2\x80\xA8\xEF\xBB\xBF"
                               "\xEF\xBF\xBF\xF0\x9F\x98\x80/:#{}";
    struct buffer out scope_buffer;
    buffer_init(&out, 1024);
    option_quote(&out, text, strlen(text));
    faults_init(&fixture->faults, fixture->arena, 5);
    const struct node *node = yaml_parse(fixture->arena, "f", out.data, out.len, &fixture->faults);
    assert_non_null(node);
    assert_string_equal(node->text, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(holds_every_range_at_its_edges),
        TEST(describes_every_option),
        TEST(has_a_default_and_a_range_for_every_option),
        TEST(prints_a_default_for_every_option),
        TEST(has_the_documented_defaults),
        TEST(hints_at_the_nearest_name),
        TEST(names_what_comes_later),
        TEST(says_which_type_is_right),
        TEST(bounds_strings),
        TEST(keeps_clients_out_of_the_configuration),
        TEST(treats_an_empty_section_as_absent),
        TEST(quotes_so_that_yaml_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
