/* The upstreams for people and scripts: those that are configured, and absolute URLs. */
#include <inttypes.h>

#include "core/metrics.h"
#include "core/upstream_sums.h"
#include "json/write.h"

static void put_number(struct buffer *out, const char *name, uint64_t value)
{
    buffer_printf(out, ",\n      \"%s\": %" PRIu64, name, value);
}

static void put_failure(const struct upstream_sums *sums, usec_t now, struct buffer *out)
{
    if (sums->failure == OUTCOME_NONE) {
        buffer_string(out, ",\n      \"lastFailure\": null");
        return;
    }
    usec_t ago = now > sums->failure_at ? now - sums->failure_at : 0;
    buffer_string(out, ",\n      \"lastFailure\": {\"code\": ");
    json_put_text(out, outcome_text(sums->failure));
    buffer_printf(out, ", \"secondsAgo\": %" PRIu64 ".%03" PRIu64 "}", ago / USEC_PER_SEC,
                  ago % USEC_PER_SEC / USEC_PER_MSEC);
}

static void put_calls(const struct upstream_sums *sums, struct buffer *out)
{
    const char *comma = "";
    buffer_string(out, ",\n      \"calls\": {");
    for (size_t i = 0; i < TALLY_OUTCOMES; i++) {
        if (sums->outcomes[i] == 0)
            continue;
        buffer_printf(out, "%s\"%s\": %" PRIu64, comma, upstream_outcome_text(i),
                      sums->outcomes[i]);
        comma = ", ";
    }
    buffer_byte(out, '}');
}

static void put_upstream(const struct upstream_sums *sums, usec_t now, struct buffer *out)
{
    json_put_text(out, sums->name);
    buffer_string(out, ": {\n      \"url\": ");
    if (sums->upstream)
        json_put_text(out, sums->upstream->url_text);
    else
        buffer_string(out, "null");
    buffer_printf(out, ",\n      \"required\": %s,\n      \"unreachable\": %s",
                  sums->upstream && sums->upstream->required ? "true" : "false",
                  sums->unreachable ? "true" : "false");
    put_number(out, "inFlight", sums->in_flight);
    put_number(out, "waiting", sums->waiting);
    buffer_printf(out, ",\n      \"connections\": {\"open\": %" PRIu64 ", \"idle\": %" PRIu64 "}",
                  sums->open, sums->idle);
    put_calls(sums, out);
    put_failure(sums, now, out);
    buffer_string(out, "\n    }");
}

void metrics_write_upstreams(const struct metrics_source *source, struct buffer *out)
{
    const char *comma = "";
    buffer_string(out, "{\n  \"upstreams\": {");
    for (size_t slot = 0; slot < slots_count(source->config->upstream_slots); slot++) {
        struct upstream_sums sums;
        upstream_sums_read(source, slot, &sums);
        if (slot != SLOT_FIRST && !sums.upstream)
            continue;
        buffer_printf(out, "%s\n    ", comma);
        put_upstream(&sums, source->now, out);
        comma = ",";
    }
    buffer_string(out, "\n  }\n}\n");
}
