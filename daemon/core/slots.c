/*
 * A list that only grows. It is searched from its beginning, which costs nothing worth
 * mentioning where it happens: once per name and reload.
 */
#include "core/slots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct slots {
    unsigned references; /* atomic */
    size_t count;
    char *names[SLOTS_MAX];
};

static size_t add(struct slots *slots, const char *name)
{
    slots->names[slots->count] = mem_string(name);
    return slots->count++;
}

struct slots *slots_new(const char *first)
{
    struct slots *slots = mem_new(sizeof *slots);
    slots->references = 1;
    add(slots, first);
    add(slots, "(other)");
    return slots;
}

struct slots *slots_ref(struct slots *slots)
{
    __atomic_add_fetch(&slots->references, 1, __ATOMIC_RELAXED);
    return slots;
}

struct slots *slots_unref(struct slots *slots)
{
    if (!slots || __atomic_sub_fetch(&slots->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < slots->count; i++)
        free(slots->names[i]);
    free(slots);
    return NULL;
}

size_t slots_take(struct slots *slots, const char *name)
{
    for (size_t i = 0; i < slots->count; i++)
        if (strcmp(slots->names[i], name) == 0)
            return i;
    return slots->count < SLOTS_MAX ? add(slots, name) : SLOT_OTHER;
}

size_t slots_count(const struct slots *slots)
{
    return slots->count;
}

bool slots_used(const struct slots *slots, size_t slot)
{
    return slot != SLOT_OTHER || slots->count == SLOTS_MAX;
}

const char *slots_name(const struct slots *slots, size_t slot)
{
    assert(slot < slots->count);
    return slots->names[slot];
}
