/*
 * Small allocations. They never return NULL: when the machine has no memory
 * left for a few hundred bytes the process says so and aborts, and its service
 * manager starts it again. Whatever grows with a peer's input goes through
 * buffer.h instead, where running out fails that one request.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Zeroed memory of `size` bytes; the caller frees it with free(). */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull));

/* The same, with no byte of another allocation in its cache lines. */
void *mem_new_apart(size_t size) __attribute__((malloc, returns_nonnull));

/* Grows an array to `count` items of `size` bytes; the new part is not zeroed. */
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* Copies; the result is terminated by a NUL that `len` does not count. */
char *mem_copy(const char *data, size_t len) __attribute__((returns_nonnull));
char *mem_string(const char *string) __attribute__((returns_nonnull));

/* How all of these end when there is no memory; also for a size that overflows. */
_Noreturn void mem_exhausted(void);

/* Frees at the end of the scope:  scope_free char *name = mem_string("x");  */
#define scope_free       __attribute__((cleanup(mem_scope_free)))
#define scope_with(done) __attribute__((cleanup(done)))
void mem_scope_free(void *pointer_to_pointer);

#endif
