/*
 * Sends spans to a collector of traces (OTLP, JSON over HTTP), on a detached thread. Workers
 * leave spans in rings; what cannot be sent is dropped, counted and reported. The functions
 * are for the main thread.
 */
#ifndef BACK_SPAN_EXPORT_H
#define BACK_SPAN_EXPORT_H

#include "base/ring.h"
#include "core/config.h"

struct span_export;

/* With a ring of `places` spans for each of `workers`. 0 or -errno. */
int must_check span_export_new(size_t workers, uint64_t places, struct span_export **ret_export);
/* After span_export_stop(). NULL is fine. */
struct span_export *span_export_free(struct span_export *export);

struct ring *span_export_ring(struct span_export *export, size_t worker);

/* From now on spans go where `config` says. Starts the thread when it is first needed. 0 or
 * -errno. */
int must_check span_export_configure(struct span_export *export, struct config *config);

/* Spans lost since the start; any thread. */
uint64_t span_export_dropped(const struct span_export *export);

/* The workers have ended: sends what is left, for a moment. False: it did not end in time,
 * and must not be freed. NULL is fine. */
bool must_check span_export_stop(struct span_export *export);

#endif
