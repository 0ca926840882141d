/* Levels, one clean line per call, and the stderr that stands in for a sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static struct {
    int count;
    enum log_level level;
    char line[8192], fields[256];
} caught;

static void take_line(void *ctx, enum log_level level, const char *line,
                      const struct log_fields *fields)
{
    assert_ptr_equal(ctx, &caught);
    log_fields_write(fields, caught.fields, sizeof caught.fields);
    caught.count++;
    caught.level = level;
    snprintf(caught.line, sizeof caught.line, "%s", line);
    errno = EIO; /* what a sink does to errno must not show */
}

static int install(void **state)
{
    (void)state;
    memset(&caught, 0, sizeof caught);
    log_install(take_line, &caught);
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static void levels_filter(void **state)
{
    (void)state;
    log_debug("hidden");
    assert_int_equal(caught.count, 0);
    log_info("shown %d", 1);
    assert_int_equal(caught.count, 1);
    assert_int_equal(caught.level, LOG_LEVEL_INFO);
    assert_string_equal(caught.line, "shown 1");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("now");
    assert_int_equal(caught.level, LOG_LEVEL_DEBUG);
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    assert_int_equal(caught.count, 2);
    log_error("bad");
    assert_int_equal(caught.level, LOG_LEVEL_ERROR);
}

static void control_characters_become_spaces(void **state)
{
    (void)state;
    log_info("a\nb\r\t\x1b[0m\x7f\xc3\xa9");
    assert_string_equal(caught.line, "a b   [0m \xc3\xa9");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    log_info("%04095d", 1); /* the longest that fits */
    assert_int_equal(strlen(caught.line), 4095);
    assert_int_equal(caught.line[4094], '1');
    log_info("%04096d", 1);
    assert_int_equal(strlen(caught.line), 4095);
    assert_string_equal(caught.line + 4091, "0...");
}

static void errno_survives(void **state)
{
    (void)state;
    errno = ENOENT;
    log_info("%m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(caught.line, "No such file or directory");
}

static void events_carry_fields(void **state)
{
    (void)state;
    struct log_fields fields = {.count = 0};
    log_add_text(&fields, LOG_MESSAGE_ID, "7a0e");
    log_add_number(&fields, "STATUS", 502);
    log_add_text(&fields, "UPSTREAM", NULL); /* not known */
    log_add_text(&fields, "ENDPOINT", "/a b");
    log_event(LOG_LEVEL_DEBUG, &fields, "hidden");
    assert_int_equal(caught.count, 0);
    log_event(LOG_LEVEL_INFO, &fields, "failed %d\n", 1);
    assert_string_equal(caught.line, "failed 1 ");
    assert_string_equal(caught.fields, " status=502 endpoint=\"/a b\"");
    log_info("plain");
    assert_string_equal(caught.fields, "");
}

static void field_values_are_quoted_where_needed(void **state)
{
    (void)state;
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"", " x=\"\""},
        {"/plain?a=b", " x=/plain?a=b"},
        {"a\"b\\", " x=\"a\\\"b\\\\\""},
        {"two\nlines", " x=\"two lines\""},
        {"\x7f", " x=\" \""},
        {"\xc3\xa9", " x=\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log_fields fields = {.count = 0};
        char text[64];
        log_add_text(&fields, "X", cases[i].value);
        assert_int_equal(log_fields_write(&fields, text, sizeof text), strlen(cases[i].shown));
        assert_string_equal(text, cases[i].shown);
    }
}

static void fields_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    struct log_fields fields = {.count = 0};
    char text[16];
    log_add_text(&fields, "A", "12345");
    log_add_text(&fields, "LONG", "0123456789");
    log_add_number(&fields, "B", 2345);
    assert_int_equal(log_fields_write(&fields, text, 16), 15);
    assert_string_equal(text, " a=12345 b=2345");
    assert_int_equal(log_fields_write(&fields, text, 15), 8);
    assert_string_equal(text, " a=12345");
    assert_int_equal(log_fields_write(&fields, text, 1), 0);
    assert_int_equal(log_fields_write(NULL, text, 1), 0);
    while (fields.count < LOG_FIELDS_MAX)
        log_add_number(&fields, "N", 1);
    assert_int_equal(fields.items[LOG_FIELDS_MAX - 1].number, 1);
}

enum { WRITERS = 4, LINES = 200 };

static void *write_lines(void *ctx)
{
    for (int i = 0; i < LINES; i++)
        log_info("writer %c says %050d", *(const char *)ctx, i);
    return NULL;
}

/* Reads lines until `want` came; true when each is whole. */
static bool whole_lines(FILE *stream, int want)
{
    char line[256];
    int next[WRITERS] = {0};
    for (int i = 0; i < want; i++) {
        char writer;
        int number;
        if (!fgets(line, sizeof line, stream) ||
            sscanf(line, "writer %c says %d", &writer, &number) != 2 || strlen(line) != 65 ||
            writer < 'a' || writer >= 'a' + WRITERS || number != next[writer - 'a']++)
            return false;
    }
    return true;
}

static void without_a_sink_whole_lines_go_to_stderr(void **state)
{
    (void)state;
    static const char names[] = "abcd";
    int ends[2];
    pthread_t writers[WRITERS];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    log_install(NULL, NULL);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, (void *)&names[i]), 0);
    FILE *stream = fdopen(ends[0], "r");
    bool whole = whole_lines(stream, WRITERS * LINES);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    int after = fgetc(stream);
    fclose(stream);
    assert_true(whole);
    assert_int_equal(after, EOF);
}

static void leave_lost_lines(int reader)
{
    static char page[65536];
    while (read(reader, page, sizeof page) == (ssize_t)sizeof page)
        continue;
}

/* Nobody reads: the line is lost, and the next that goes out says so, whole. */
static void a_reader_that_stops_costs_lines(void **state)
{
    (void)state;
    struct log_fields fields = {.count = 0};
    char got[8192], large[8192];
    int ends[2], filled = 0;
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    log_add_number(&fields, "STATUS", 502);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], large, 4096) > 0)
        filled++;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_install(NULL, NULL);
    log_info("lost");
    log_info("lost, too");
    leave_lost_lines(ends[0]);
    log_event(LOG_LEVEL_INFO, &fields, "seen");
    log_info("later");
    ssize_t len = read(ends[0], got, sizeof got - 1);
    log_write_stderr("prefix: ", large, &fields);
    ssize_t cut = read(ends[0], large, sizeof large - 1);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(filled > 0 && len > 0);
    got[len] = '\0';
    assert_string_equal(got, "seen status=502 lines_lost=2\nlater\n");
    assert_int_equal(cut, 4096);
    large[cut] = '\0';
    assert_int_equal(strncmp(large, "prefix: xxx", 11), 0);
    assert_string_equal(large + cut - 16, "x... status=502\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_filter, install),
        cmocka_unit_test_setup(control_characters_become_spaces, install),
        cmocka_unit_test_setup(a_long_line_is_cut, install),
        cmocka_unit_test_setup(errno_survives, install),
        cmocka_unit_test_setup(events_carry_fields, install),
        cmocka_unit_test_setup(field_values_are_quoted_where_needed, install),
        cmocka_unit_test_setup(fields_that_do_not_fit_are_left_out, install),
        cmocka_unit_test_setup(without_a_sink_whole_lines_go_to_stderr, install),
        cmocka_unit_test_setup(a_reader_that_stops_costs_lines, install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
