/*
 * Memory that dies together: one arena per job, per configuration snapshot.
 * Allocating is a pointer bump; nothing is freed alone. Like mem.h, it never
 * returns NULL, so only data that is already bounded may be put here.
 * One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/errors.h"

struct arena;

struct arena *arena_new(void) __attribute__((returns_nonnull));
/* Frees everything taken from it; NULL is fine; returns NULL. */
struct arena *arena_free(struct arena *arena);
void arena_scope_free(struct arena **arena);
#define scope_arena __attribute__((cleanup(arena_scope_free)))

/* Zeroed, aligned for any type. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
/* count * size with an overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
/* Likewise, but not zeroed: for what is set as a whole anyway. */
void *arena_unset_array(struct arena *arena, size_t count, size_t size)
    __attribute__((returns_nonnull));
/* NUL-terminated copies. */
char *arena_copy(struct arena *arena, const char *data, size_t len)
    __attribute__((returns_nonnull));
char *arena_string(struct arena *arena, const char *string) __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3)
    __attribute__((returns_nonnull));

/* Runs done(ctx) when the arena is freed, last registered first. */
void arena_defer(struct arena *arena, void (*done)(void *ctx), void *ctx);

/* Bytes handed out so far, for tests and limits. */
size_t arena_used(const struct arena *arena);

#endif
