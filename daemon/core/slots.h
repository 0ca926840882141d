/*
 * Names to small numbers that stay the same over reloads: what is counted by name is
 * found by number. Shared by the snapshots of the configuration, one after the other.
 * Only the thread that loads configurations adds and reads; any thread may hold one.
 */
#ifndef CORE_SLOTS_H
#define CORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

/* Names that are remembered, those of former configurations included. */
enum { SLOTS_MAX = 1024 };

struct slots;

/* `first` has the number 0; what finds no place any more is counted as "(other)", 1. */
struct slots *slots_new(const char *first) __attribute__((returns_nonnull));
struct slots *slots_ref(struct slots *slots) __attribute__((returns_nonnull));
struct slots *slots_unref(struct slots *slots); /* NULL is fine; returns NULL */

enum { SLOT_FIRST, SLOT_OTHER };

size_t slots_take(struct slots *slots, const char *name); /* its number, old or new */
size_t slots_count(const struct slots *slots);
/* False for "(other)" while every name has found a place. */
bool slots_used(const struct slots *slots, size_t slot);
const char *slots_name(const struct slots *slots, size_t slot);

#endif
