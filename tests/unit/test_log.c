/* Levels, one clean line per call, and the stderr that stands in for a sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static struct {
    int count;
    enum log_level level;
    char line[8192];
} caught;

static void take_line(enum log_level level, const char *line)
{
    caught.count++;
    caught.level = level;
    snprintf(caught.line, sizeof caught.line, "%s", line);
    errno = EIO; /* what a sink does to errno must not show */
}

static int install(void **state)
{
    (void)state;
    memset(&caught, 0, sizeof caught);
    log_install(take_line);
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
    log_install(NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_filter, install),
        cmocka_unit_test_setup(control_characters_become_spaces, install),
        cmocka_unit_test_setup(a_long_line_is_cut, install),
        cmocka_unit_test_setup(errno_survives, install),
        cmocka_unit_test_setup(without_a_sink_whole_lines_go_to_stderr, install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
