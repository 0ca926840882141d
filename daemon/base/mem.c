/*
 * Allocation that succeeds or ends the process. The message is written without
 * allocating; a size of 0 becomes 1, so that NULL always means "no memory".
 */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_LINE = 64 };

void mem_exhausted(void)
{
    static const char message[] = "gatherd: out of memory\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        abort(); /* nowhere to say it; the end is the same */
    abort();
}

static void *require(void *memory)
{
    if (!memory)
        mem_exhausted();
    return memory;
}

void *mem_new(size_t size)
{
    return require(calloc(1, size > 0 ? size : 1));
}

void *mem_new_apart(size_t size)
{
    if (size > SIZE_MAX - CACHE_LINE)
        mem_exhausted();
    size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return memset(require(aligned_alloc(CACHE_LINE, whole)), 0, whole);
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        mem_exhausted();
    return require(realloc(old, bytes > 0 ? bytes : 1));
}

char *mem_copy(const char *data, size_t len)
{
    if (len == SIZE_MAX)
        mem_exhausted();
    char *copy = require(malloc(len + 1));
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_string(const char *string)
{
    return mem_copy(string, strlen(string));
}

void mem_scope_free(void *pointer_to_pointer)
{
    void *memory;
    memcpy(&memory, pointer_to_pointer, sizeof memory); /* the pointee's type is unknown here */
    free(memory);
}
