/* Figures of workers, from made-up ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/config_load.h"
#include "core/metrics.h"

enum { WORKERS = 2 };

static char page[1 << 16];

static void write_page(const struct metrics_worker *workers)
{
    struct config *config = config_defaults();
    struct tally *tallies[WORKERS];
    scope_buffer struct buffer out;
    buffer_init(&out, sizeof page);
    for (size_t i = 0; i < WORKERS; i++)
        tallies[i] = tally_new();
    const struct metrics_source source = {
        .config = config,
        .tallies = (const struct tally *const *)tallies,
        .workers = workers,
        .count = WORKERS,
        .version = "",
        .libmicrohttpd = "",
        .libcurl = "",
    };
    metrics_write(&source, &out);
    buffer_byte(&out, '\0');
    assert_int_equal(buffer_status(&out), 0);
    memcpy(page, out.data, out.len);
    for (size_t i = 0; i < WORKERS; i++)
        tally_free(tallies[i]);
    config_unref(config);
}

static void assert_line(const char *line)
{
    const char *found = strstr(page, line);
    if (!found || (found > page && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("no line \"%s\" in\n%s", line, page);
}

static void each_has_its_own(void **state)
{
    (void)state;
    static const struct metrics_worker workers[WORKERS] = {
        {.connections = 3, .busy = 1500000, .scheduled = true, .cpu = 1200001, .run_delay = 10},
        {.turn = 70,
         .mailbox_messages = 4,
         .mailbox_full = 5,
         .silent = 2000000,
         .scheduled = true,
         .cpu = 5},
    };
    write_page(workers);
    assert_line("gatherd_worker_connections{worker=\"0\"} 3");
    assert_line("gatherd_worker_connections{worker=\"1\"} 0");
    assert_line("gatherd_worker_busy_seconds_total{worker=\"0\"} 1.500000");
    assert_line("gatherd_worker_turn_seconds{worker=\"1\"} 0.000070");
    assert_line("gatherd_worker_cpu_seconds_total{worker=\"0\"} 1.200001");
    assert_line("gatherd_worker_cpu_seconds_total{worker=\"1\"} 0.000005");
    assert_line("gatherd_worker_run_delay_seconds_total{worker=\"0\"} 0.000010");
    assert_line("gatherd_worker_run_delay_seconds_total{worker=\"1\"} 0.000000");
    assert_line("gatherd_worker_mailbox_messages{worker=\"1\"} 4");
    assert_line("gatherd_worker_mailbox_full_total{worker=\"1\"} 5");
    assert_line("gatherd_worker_silent_seconds{worker=\"0\"} 0.000000");
    assert_line("gatherd_worker_silent_seconds{worker=\"1\"} 2.000000");
}

static void what_the_kernel_does_not_tell_is_left_out(void **state)
{
    (void)state;
    static const struct metrics_worker one_of_them[WORKERS] = {{.cpu = 7}, {.scheduled = true}};
    static const struct metrics_worker none[WORKERS] = {{.cpu = 7, .busy = 9}};
    write_page(one_of_them);
    assert_null(strstr(page, "gatherd_worker_cpu_seconds_total{worker=\"0\"}"));
    assert_line("gatherd_worker_cpu_seconds_total{worker=\"1\"} 0.000000");
    assert_line("# TYPE gatherd_worker_cpu_seconds_total counter");
    write_page(none);
    assert_null(strstr(page, "gatherd_worker_cpu_seconds_total"));
    assert_null(strstr(page, "gatherd_worker_run_delay_seconds_total"));
    assert_line("gatherd_worker_busy_seconds_total{worker=\"0\"} 0.000009");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_own),
        cmocka_unit_test(what_the_kernel_does_not_tell_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
