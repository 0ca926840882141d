/*
 * One table from outcome.def for every question about a code, and a reader of
 * field lines that trusts nothing: a line without a colon or with a name that
 * is empty or begins with white space is not a field and is passed over.
 */
#include "core/outcome.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *text, *sentence;
    unsigned status;
    bool registered;
} codes[OUTCOME_CODE_COUNT] = {
    [OUTCOME_NONE] = {"none", "the call has not ended", 0, false},
    [OUTCOME_REPLY] = {"reply", "the upstream replied", 0, false},
#define OUTCOME(name, text, status, registered, sentence)                                          \
    [OUTCOME_##name] = {text, sentence, status, registered},
#include "core/outcome.def"
#undef OUTCOME
};

void outcome_done(struct outcome *outcome)
{
    free(outcome->head);
    free(outcome->body);
    *outcome = (struct outcome){.code = OUTCOME_NONE};
}

void outcome_cancel(struct outcome *outcome)
{
    struct outcome ended = outcome_take(outcome);
    *outcome = (struct outcome){
        .code = OUTCOME_CANCELLED,
        .elapsed = ended.elapsed,
        .attempts = ended.attempts,
    };
    outcome_done(&ended);
}

struct outcome outcome_take(struct outcome *outcome)
{
    struct outcome taken = *outcome;
    *outcome = (struct outcome){.code = OUTCOME_NONE};
    return taken;
}

static char *copy_bytes(const char *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    if (copy && len > 0)
        memcpy(copy, data, len);
    return copy;
}

struct outcome outcome_copy(const struct outcome *outcome)
{
    struct outcome copy = *outcome;
    copy.head = outcome->head ? copy_bytes(outcome->head, outcome->head_len) : NULL;
    copy.body = outcome->body ? copy_bytes(outcome->body, outcome->body_len) : NULL;
    if ((!outcome->head || copy.head) && (!outcome->body || copy.body))
        return copy;
    outcome_done(&copy);
    return (struct outcome){.code = OUTCOME_INTERNAL, .detail = "there is no memory left"};
}

const char *outcome_text(enum outcome_code code)
{
    assert(code < OUTCOME_CODE_COUNT);
    return codes[code].text;
}

const char *outcome_sentence(enum outcome_code code)
{
    assert(code < OUTCOME_CODE_COUNT);
    return codes[code].sentence;
}

unsigned outcome_status(enum outcome_code code)
{
    assert(code < OUTCOME_CODE_COUNT);
    return codes[code].status;
}

bool outcome_registered(enum outcome_code code)
{
    assert(code < OUTCOME_CODE_COUNT);
    return codes[code].registered;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

bool outcome_next_header(const struct outcome *outcome, size_t *position, const char **ret_name,
                         size_t *ret_name_len, const char **ret_value, size_t *ret_value_len)
{
    while (*position < outcome->head_len) {
        const char *line = outcome->head + *position;
        size_t left = outcome->head_len - *position;
        const char *newline = memchr(line, '\n', left);
        const char *end = newline ? newline : line + left;
        *position += (size_t)(end - line) + (newline ? 1 : 0);
        const char *colon = memchr(line, ':', (size_t)(end - line));
        if (!colon || colon == line || is_blank(*line))
            continue;
        const char *value = colon + 1;
        while (value < end && is_blank(*value))
            value++;
        while (end > value && is_blank(end[-1]))
            end--;
        *ret_name = line;
        *ret_name_len = (size_t)(colon - line);
        *ret_value = value;
        *ret_value_len = (size_t)(end - value);
        return true;
    }
    return false;
}

bool outcome_header(const struct outcome *outcome, const char *name, const char **ret_value,
                    size_t *ret_len)
{
    size_t wanted = strlen(name);
    size_t position = 0;
    const char *at;
    const char *value;
    size_t len;
    size_t value_len;
    while (outcome_next_header(outcome, &position, &at, &len, &value, &value_len)) {
        if (len != wanted || strncasecmp(at, name, len) != 0)
            continue;
        *ret_value = value;
        *ret_len = value_len;
        return true;
    }
    return false;
}

enum media_kind outcome_media(const struct outcome *outcome)
{
    const char *value;
    size_t len;
    if (!outcome_header(outcome, "Content-Type", &value, &len))
        return MEDIA_NONE;
    /* The type alone decides; no registered one comes near this length (RFC 6838: 127 + 127). */
    char type[256];
    const char *semicolon = memchr(value, ';', len);
    if (semicolon)
        len = (size_t)(semicolon - value);
    if (len >= sizeof type)
        return MEDIA_OTHER;
    memcpy(type, value, len);
    type[len] = '\0';
    return header_media_kind(type);
}
