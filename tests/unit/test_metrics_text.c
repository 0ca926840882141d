/* The text format, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/metrics_text.h"

static void expect(struct buffer *out, const char *text)
{
    buffer_byte(out, '\0');
    assert_int_equal(buffer_status(out), 0);
    assert_string_equal(out->data, text);
    buffer_done(out);
}

static void writes_families_and_samples(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    metrics_begin(&out, METRIC_READY);
    metrics_put(&out, METRIC_READY, (struct metric_labels){0}, UINT64_MAX);
    metrics_put_seconds(&out, METRIC_CPU, (struct metric_labels){0}, 12000034);
    expect(&out, "# HELP gatherd_ready 1 when /-/ready says so.\n# TYPE gatherd_ready gauge\n"
                 "gatherd_ready 18446744073709551615\nprocess_cpu_seconds_total 12.000034\n");
}

static void escapes_labels(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    metrics_put(&out, METRIC_REQUESTS, METRIC_LABELS("endpoint", "/a\"b\\c\nd", "status", "200"),
                1);
    expect(&out, "gatherd_requests_total{endpoint=\"/a\\\"b\\\\c\\nd\",status=\"200\"} 1\n");
}

static void adds_buckets_up(void **state)
{
    (void)state;
    struct buffer out;
    struct metric_durations durations = {.sum = 1500000};
    buffer_init(&out, SIZE_MAX);
    for (size_t i = 0; i <= TALLY_BOUNDS; i++)
        durations.buckets[i] = 1;
    metrics_put_durations(&out, METRIC_CALL_DURATION, METRIC_LABEL("upstream", "a"), &durations);
    buffer_byte(&out, '\0');
    static const char *const lines[] = {
        "_bucket{upstream=\"a\",le=\"0.001\"} 1\n",
        "_bucket{upstream=\"a\",le=\"0.0025\"} 2\n",
        "_bucket{upstream=\"a\",le=\"0.01\"} 4\n",
        "_bucket{upstream=\"a\",le=\"1\"} 10\n",
        "_bucket{upstream=\"a\",le=\"2.5\"} 11\n",
        "_bucket{upstream=\"a\",le=\"10\"} 13\n",
        "_bucket{upstream=\"a\",le=\"+Inf\"} 14\n",
        "_sum{upstream=\"a\"} 1.500000\n",
        "_count{upstream=\"a\"} 14\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_non_null(strstr(out.data, lines[i]));
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_families_and_samples),
        cmocka_unit_test(escapes_labels),
        cmocka_unit_test(adds_buckets_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
