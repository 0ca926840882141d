/*
 * A bounded queue of records between two threads: one puts, one takes, neither waits. What
 * does not fit is dropped and counted, so that a slow taker costs the other nothing.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bell.h"

struct ring;

/* For `places` records (rounded up to a power of two) of at most `size` bytes. Its memory
 * is touched as it is used. `bell` is borrowed and rung for what is put. */
struct ring *ring_new(size_t places, size_t size, struct bell *bell)
    __attribute__((returns_nonnull));
struct ring *ring_free(struct ring *ring); /* NULL is fine; what is in it is gone */

/* The putting thread: copies the first `len` bytes of a record; false: dropped. */
bool ring_put(struct ring *ring, const void *record, size_t len);

/* The taking thread: the oldest record, valid until ring_drop_first(); NULL: empty. The
 * bytes beyond its length are those of some record before. */
const void *ring_first(struct ring *ring);
void ring_drop_first(struct ring *ring);
/* The taking thread: how many there are by now, at most ring_places(). */
size_t ring_waiting(struct ring *ring);

size_t ring_places(const struct ring *ring);

/* Any thread: records dropped since the start. */
uint64_t ring_dropped(const struct ring *ring);

#endif
