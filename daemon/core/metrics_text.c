/*
 * Everything that is said of a metric comes from metric.def. Seconds are written from
 * microseconds as decimals, without floating point.
 */
#include "core/metrics_text.h"

#include <inttypes.h>

struct family {
    const char *name, *type, *labels, *help;
};

#define TYPE_COUNTER   "counter"
#define TYPE_GAUGE     "gauge"
#define TYPE_HISTOGRAM "histogram"

static const struct family families[METRIC_COUNT] = {
#define METRIC(id, name, type, labels, help) [METRIC_##id] = {name, TYPE_##type, labels, help},
#include "core/metric.def"
#undef METRIC
};

static const struct {
    const char *text, *meaning;
} limits[TALLY_LIMITS] = {
#define LIMIT(name, text, meaning) [TALLY_##name] = {text, meaning},
#include "core/limits.def"
#undef LIMIT
};

const char *metrics_limit_text(enum tally_limit limit)
{
    return limits[limit].text;
}

void metrics_begin(struct buffer *out, enum metric metric)
{
    const struct family *family = &families[metric];
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                  family->type);
}

static void put_escaped(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            buffer_byte(out, '\\');
        if (*text == '\n')
            buffer_string(out, "\\n");
        else
            buffer_byte(out, *text);
    }
}

static void put_name(struct buffer *out, enum metric metric, const char *suffix,
                     const struct metric_labels *labels)
{
    size_t most = sizeof labels->items / sizeof *labels->items;
    buffer_printf(out, "%s%s", families[metric].name, suffix);
    for (size_t i = 0; i < most && labels->items[i].name; i++) {
        buffer_printf(out, "%s%s=\"", i == 0 ? "{" : ",", labels->items[i].name);
        put_escaped(out, labels->items[i].value);
        buffer_byte(out, '"');
    }
    buffer_string(out, labels->items[0].name ? "} " : " ");
}

static void put_seconds(struct buffer *out, uint64_t microseconds)
{
    buffer_printf(out, "%" PRIu64 ".%06" PRIu64, microseconds / USEC_PER_SEC,
                  microseconds % USEC_PER_SEC);
}

void metrics_put(struct buffer *out, enum metric metric, struct metric_labels labels,
                 uint64_t value)
{
    put_name(out, metric, "", &labels);
    buffer_printf(out, "%" PRIu64 "\n", value);
}

void metrics_put_seconds(struct buffer *out, enum metric metric, struct metric_labels labels,
                         uint64_t microseconds)
{
    put_name(out, metric, "", &labels);
    put_seconds(out, microseconds);
    buffer_byte(out, '\n');
}

/* The bounds as people write them: 0.0025, 0.01, 1. */
static void write_bound(struct buffer *out, uint64_t microseconds)
{
    uint64_t rest = microseconds % USEC_PER_SEC;
    int digits = 6;
    buffer_printf(out, "%" PRIu64, microseconds / USEC_PER_SEC);
    for (; rest > 0 && rest % 10 == 0; digits--)
        rest /= 10;
    if (rest > 0)
        buffer_printf(out, ".%0*" PRIu64, digits, rest);
}

static size_t first_free(const struct metric_labels *labels)
{
    size_t count = 0;
    while (labels->items[count].name)
        count++;
    return count;
}

void metrics_put_durations(struct buffer *out, enum metric metric, struct metric_labels labels,
                           const struct metric_durations *durations)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= TALLY_BOUNDS; i++) {
        struct buffer bound scope_buffer;
        buffer_init(&bound, SIZE_MAX);
        if (i < TALLY_BOUNDS)
            write_bound(&bound, tally_bounds[i]);
        else
            buffer_string(&bound, "+Inf");
        buffer_byte(&bound, '\0');
        count += durations->buckets[i];
        struct metric_labels all = labels;
        all.items[first_free(&labels)] = (struct metric_label){"le", bound.data};
        put_name(out, metric, "_bucket", &all);
        buffer_printf(out, "%" PRIu64 "\n", count);
    }
    put_name(out, metric, "_sum", &labels);
    put_seconds(out, durations->sum);
    buffer_byte(out, '\n');
    put_name(out, metric, "_count", &labels);
    buffer_printf(out, "%" PRIu64 "\n", count);
}

/* ---- the reference ---- */

static const char introduction[] =
    "\n## Metrics\n"
    "\n"
    "`/metrics` of the admin pages, in Prometheus' text format 0.0.4. Figures of endpoints and\n"
    "upstreams are sums over all workers and go on over a reload; so do those of a name that is\n"
    "configured no more. The endpoint and its method are as configured (HEAD counts as GET);\n"
    "`/batch` and `(none)`, for requests that were refused before it was known or that no "
    "endpoint\n"
    "answers, have the method `(any)`. The upstream `(url)` stands for absolute URLs. A process\n"
    "remembers about a thousand names of each kind; what is new after that is counted as\n"
    "`(other)`.\n"
    "\n"
    "Statuses are single codes (`404`) where they are registered or in wide use, otherwise their\n"
    "class (`5xx`); what is none of 100 to 599 is `other`. They are shown once they were seen, "
    "200\n"
    "always. What has failed is shown from the start, also where it is 0.\n"
    "\n"
    "| Name | Type | Labels | Meaning |\n"
    "|---|---|---|---|\n";

void metrics_put_reference(struct buffer *out)
{
    buffer_string(out, introduction);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        buffer_printf(out, "| `%s` | %s | %s | %s |\n", families[i].name, families[i].type,
                      families[i].labels, families[i].help);
    buffer_string(out, "\nThe buckets of durations end at ");
    for (size_t i = 0; i < TALLY_BOUNDS; i++) {
        write_bound(out, tally_bounds[i]);
        buffer_string(out, i + 2 < TALLY_BOUNDS ? ", " : i + 2 == TALLY_BOUNDS ? " and " : "");
    }
    buffer_string(out, " seconds.\n\n| Value of `limit` | Counts |\n|---|---|\n");
    for (size_t i = TALLY_NO_LIMIT + 1; i < TALLY_LIMITS; i++)
        buffer_printf(out, "| `%s` | %s |\n", limits[i].text, limits[i].meaning);
}
