/*
 * Records of one kind that come and go all the time: those that are free are kept for
 * the next ones, up to a number. One thread.
 */
#ifndef BASE_RECYCLER_H
#define BASE_RECYCLER_H

#include <stddef.h>

struct recycler {
    size_t size, most; /* of a record in bytes; of the free ones kept */
    size_t count;      /* in use */
    void *spare;       /* free records, each begins with a pointer to the next */
    size_t spare_count;
};

void recycler_init(struct recycler *recycler, size_t size, size_t most);
/* Frees the free ones; none may be in use. */
void recycler_done(struct recycler *recycler);

/* A record: zeroed when it is new, otherwise as it was when given back but for its first
 * pointer's worth of bytes. */
void *recycler_take(struct recycler *recycler) __attribute__((returns_nonnull));
void recycler_give(struct recycler *recycler, void *record);

#endif
