/*
 * A list through the first bytes of the free records. What a record holds beyond them is
 * left alone, so that a user may keep in it what is costly to make again.
 */
#include "base/recycler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void recycler_init(struct recycler *recycler, size_t size, size_t most)
{
    assert(size >= sizeof(void *));
    *recycler = (struct recycler){.size = size, .most = most};
}

static void *pop(struct recycler *recycler)
{
    void *record = recycler->spare;
    memcpy(&recycler->spare, record, sizeof recycler->spare);
    recycler->spare_count--;
    return record;
}

void recycler_done(struct recycler *recycler)
{
    assert(recycler->count == 0);
    while (recycler->spare)
        free(pop(recycler));
}

void *recycler_take(struct recycler *recycler)
{
    recycler->count++;
    return recycler->spare ? pop(recycler) : mem_new(recycler->size);
}

void recycler_give(struct recycler *recycler, void *record)
{
    recycler->count--;
    if (recycler->spare_count == recycler->most) {
        free(record);
        return;
    }
    memcpy(record, &recycler->spare, sizeof recycler->spare);
    recycler->spare = record;
    recycler->spare_count++;
}
