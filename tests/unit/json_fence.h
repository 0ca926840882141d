/*
 * Judges texts with both validators from a copy that ends where a page that may
 * not be read begins, so that one byte too far is a crash.
 */
#ifndef TESTS_JSON_FENCE_H
#define TESTS_JSON_FENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "json/validate.h"

enum { FENCED_MAX = 64 << 10, DEPTH = 64 };

static char *fence; /* the first byte that may not be read */

static inline int build_fence(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages =
        mmap(NULL, FENCED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return -1;
    fence = pages + FENCED_MAX;
    return mprotect(fence, page, PROT_NONE);
}

static inline void assert_verdicts_equal(struct json_verdict fast, struct json_verdict slow,
                                         const char *data, size_t len)
{
    if (fast.fault == slow.fault && fast.type == slow.type && fast.offset == slow.offset &&
        fast.start == slow.start && fast.end == slow.end)
        return;
    print_error("%s at %zu, scalar %s at %zu: %.*s\n", json_fault_text(fast.fault), fast.offset,
                json_fault_text(slow.fault), slow.offset, (int)(len < 400 ? len : 400), data);
    fail();
}

static inline struct json_verdict judge_to_depth(const char *data, size_t len, unsigned depth)
{
    assert_true(len <= FENCED_MAX);
    char *copy = fence - len;
    memcpy(copy, data, len);
    struct json_verdict fast = json_validate(copy, len, depth);
    assert_verdicts_equal(fast, json_validate_scalar(copy, len, depth), data, len);
    return fast;
}

static inline struct json_verdict judge(const char *data, size_t len)
{
    return judge_to_depth(data, len, DEPTH);
}

#endif
