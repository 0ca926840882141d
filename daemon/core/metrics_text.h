/*
 * The table of metrics, and how they are written: Prometheus' text format 0.0.4. A family is
 * begun once, and all of its samples follow.
 */
#ifndef CORE_METRICS_TEXT_H
#define CORE_METRICS_TEXT_H

#include "base/buffer.h"
#include "core/tally.h"

#define METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric {
#define METRIC(id, name, type, labels, help) METRIC_##id,
#include "core/metric.def"
#undef METRIC
    METRIC_COUNT
};

struct metric_label { /* none where `name` is NULL */
    const char *name, *value;
};

struct metric_labels {
    struct metric_label items[3];
};

#define METRIC_LABEL(name, value)                                                                  \
    (struct metric_labels)                                                                         \
    {                                                                                              \
        .items = { {name, value} }                                                                 \
    }
#define METRIC_LABELS(name, value, other, other_value)                                             \
    (struct metric_labels)                                                                         \
    {                                                                                              \
        .items = { {name, value}, {other, other_value} }                                           \
    }

void metrics_begin(struct buffer *out, enum metric metric);
void metrics_put(struct buffer *out, enum metric metric, struct metric_labels labels,
                 uint64_t value);
void metrics_put_seconds(struct buffer *out, enum metric metric, struct metric_labels labels,
                         uint64_t microseconds);

struct metric_durations { /* several tallies added up */
    uint64_t buckets[TALLY_BOUNDS + 1], sum;
};
void metrics_put_durations(struct buffer *out, enum metric metric, struct metric_labels labels,
                           const struct metric_durations *durations);

/* "requestBody": the value of the label `limit`. */
const char *metrics_limit_text(enum tally_limit limit);

/* The chapter of the reference page: metrics and limits, in Markdown. */
void metrics_put_reference(struct buffer *out);

#endif
