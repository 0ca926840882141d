/*
 * Allocation that succeeds or ends the process. The message is written without
 * allocating; a size of 0 becomes 1, so that NULL always means "no memory".
 */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void *require(void *memory)
{
    static const char message[] = "gatherd: out of memory\n";
    if (memory)
        return memory;
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        abort(); /* nowhere to say it; the end is the same */
    abort();
}

void *mem_new(size_t size)
{
    return require(calloc(1, size > 0 ? size : 1));
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return require(NULL);
    return require(realloc(old, bytes > 0 ? bytes : 1));
}

char *mem_copy(const char *data, size_t len)
{
    char *copy = require(len < SIZE_MAX ? malloc(len + 1) : NULL);
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
