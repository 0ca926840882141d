/*
 * A count with a limit, shared by threads and by configuration snapshots: the
 * calls in flight to one upstream, or of the whole daemon. Reference-counted,
 * so that a reload keeps counting where the old snapshot stands.
 */
#ifndef BASE_GAUGE_H
#define BASE_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

struct gauge;

struct gauge *gauge_new(void) __attribute__((returns_nonnull));
struct gauge *gauge_ref(struct gauge *gauge) __attribute__((returns_nonnull));
struct gauge *gauge_unref(struct gauge *gauge); /* NULL is fine; returns NULL */

/* Takes one unless `limit` are taken already; a limit of 0 means no limit. */
bool gauge_enter(struct gauge *gauge, uint64_t limit);
void gauge_leave(struct gauge *gauge);
uint64_t gauge_value(const struct gauge *gauge);

#endif
