/* What /metrics and /-/upstreams say, from gathered figures. */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include "base/buffer.h"
#include "core/metrics_source.h"

void metrics_write(const struct metrics_source *source, struct buffer *out);
/* JSON, by name. */
void metrics_write_upstreams(const struct metrics_source *source, struct buffer *out);

#endif
