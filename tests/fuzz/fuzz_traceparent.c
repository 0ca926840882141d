/*
 * What strangers write into traceparent and tracestate: the first line of the input is one,
 * the rest the other. A traceparent that is taken must come out with the same trace and the
 * parent it is given, and be valid; a tracestate that is taken is valid also when it stands
 * between others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/trace_context.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_parent(const char *text, size_t len)
{
    struct trace_context context, again;
    char out[TRACEPARENT_TEXT + 1];
    if (!trace_parent_parse(text, len, &context))
        return;
    assert(context.parent != 0 && context.flags <= (TRACE_SAMPLED | TRACE_RANDOM));
    trace_parent_write(&context, context.parent, out);
    assert(strlen(out) == TRACEPARENT_TEXT);
    assert(memcmp(out + 2, text + 2, 51) == 0); /* all but version and flags */
    assert(trace_parent_parse(out, strlen(out), &again));
    assert(again.parent == context.parent && again.flags == context.flags);
    assert(memcmp(again.trace_id, context.trace_id, sizeof again.trace_id) == 0);
}

static void check_state(const char *text, size_t len)
{
    if (!trace_state_valid(text, len))
        return;
    for (size_t i = 0; i < len; i++)
        assert((text[i] >= 0x20 && text[i] < 0x7f) || text[i] == '\t');
    scope_free char *more = mem_new(len + 3);
    memcpy(more + 1, text, len);
    more[0] = more[len + 1] = ',';
    assert(len + 2 > 512 || trace_state_valid(more, len + 2));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const unsigned char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - data) : size;
    /* Copies of their own, so that a byte too far is seen. */
    scope_free char *parent = malloc(len > 0 ? len : 1);
    scope_free char *state = malloc(size - len > 0 ? size - len : 1);
    size_t rest = end ? size - len - 1 : 0;
    if (len > 0)
        memcpy(parent, data, len);
    if (rest > 0)
        memcpy(state, end + 1, rest);
    check_parent(parent, len);
    check_state(state, rest);
    return 0;
}
