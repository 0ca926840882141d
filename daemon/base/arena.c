/*
 * A list of chunks with one bump pointer into the newest ordinary chunk. The
 * arena itself lives at the head of its first chunk, so that a small arena is
 * one malloc and one free, and of a size that glibc recycles most cheaply. Further
 * chunks double from 4 KiB to 64 KiB; what would waste a good part of a chunk gets
 * a chunk of its own and leaves the bump pointer alone.
 *
 * Invariants: `next` is aligned for any type; `left` counts the bytes behind it.
 *
 * Under AddressSanitizer every allocation is a chunk of its own, so that an
 * overrun leaves its block instead of reaching a neighbour unseen.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { EACH_ALONE = 1 };
#else
enum { EACH_ALONE = 0 };
#endif

enum {
    ALIGNMENT = _Alignof(max_align_t),
    CHUNK_FIRST = 1024,
    CHUNK_SECOND = 4096,
    CHUNK_LAST = 65536
};

struct chunk {
    struct chunk *older;
    max_align_t data[];
};

struct defer {
    struct defer *earlier;
    void (*done)(void *ctx);
    void *ctx;
};

struct arena {
    struct chunk *chunks; /* not the one the arena is part of */
    struct defer *defers;
    char *next;
    size_t left;
    size_t chunk_size; /* of the next ordinary chunk, with its header */
    size_t used;
    max_align_t data[];
};

struct arena *arena_new(void)
{
    size_t size = EACH_ALONE ? sizeof(struct arena) : CHUNK_FIRST;
    struct arena *arena = mem_resize(NULL, 1, size);
    *arena = (struct arena){
        .next = (char *)arena->data,
        .left = size - sizeof *arena,
        .chunk_size = CHUNK_SECOND,
    };
    return arena;
}

struct arena *arena_free(struct arena *arena)
{
    if (!arena)
        return NULL;
    while (arena->defers) {
        struct defer *defer = arena->defers;
        arena->defers = defer->earlier; /* first: done() may defer something more */
        defer->done(defer->ctx);
    }
    while (arena->chunks) {
        struct chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        free(chunk);
    }
    free(arena);
    return NULL;
}

void arena_scope_free(struct arena **arena)
{
    *arena = arena_free(*arena);
}

static char *add_chunk(struct arena *arena, size_t size)
{
    size_t bytes;
    if (__builtin_add_overflow(size, sizeof(struct chunk), &bytes))
        mem_exhausted();
    struct chunk *chunk = mem_resize(NULL, bytes, 1);
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    return (char *)chunk->data;
}

/* Not zeroed, not counted. */
static void *take(struct arena *arena, size_t size)
{
    if (EACH_ALONE || size > CHUNK_LAST)
        return add_chunk(arena, size);
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded > arena->left) {
        size_t room = arena->chunk_size - sizeof(struct chunk);
        if (rounded > room / 4)
            return add_chunk(arena, rounded);
        arena->next = add_chunk(arena, room);
        arena->left = room;
        if (arena->chunk_size < CHUNK_LAST)
            arena->chunk_size *= 2;
    }
    void *memory = arena->next;
    arena->next += rounded;
    arena->left -= rounded;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = take(arena, size);
    arena->used += size;
    return memset(memory, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        mem_exhausted();
    return arena_alloc(arena, bytes);
}

void *arena_unset_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        mem_exhausted();
    void *memory = take(arena, bytes);
    arena->used += bytes;
    return memory;
}

char *arena_copy(struct arena *arena, const char *data, size_t len)
{
    if (len == SIZE_MAX)
        mem_exhausted();
    char *copy = take(arena, len + 1);
    arena->used += len + 1;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *arena_string(struct arena *arena, const char *string)
{
    return arena_copy(arena, string, strlen(string));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    size_t size = (size_t)len + 1;
    char *text = take(arena, size);
    arena->used += size;
    vsnprintf(text, size, format, again);
    va_end(again);
    return text;
}

void arena_defer(struct arena *arena, void (*done)(void *ctx), void *ctx)
{
    struct defer *defer = take(arena, sizeof *defer);
    *defer = (struct defer){.earlier = arena->defers, .done = done, .ctx = ctx};
    arena->defers = defer;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
