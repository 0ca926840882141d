/* Reply headers of any bytes, line by line. What is kept must be clean field lines
 * that core's reader finds again, and a refusal must say why. */
#include <stdint.h>
#include <string.h>

#include "back/reply_head.h"

static void check_lines(const struct reply_head *head)
{
    const struct outcome outcome = {.head = head->lines.data, .head_len = head->lines.len};
    size_t position = 0, seen = 0, name_len, value_len;
    const char *name, *value;
    while (outcome_next_header(&outcome, &position, &name, &name_len, &value, &value_len)) {
        assert(name_len > 0 && !memchr(name, ':', name_len));
        assert(!memchr(value, '\r', value_len) && !memchr(value, '\n', value_len));
        assert(!memchr(value, '\0', value_len));
        seen += name_len + value_len + strlen(": \r\n");
    }
    assert(seen == head->lines.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct reply_head head;
    const char *at = (const char *)data + 1;
    const char *end = (const char *)data + size;
    bool fine = true;
    reply_head_init(&head, 4096, data[0] & 1, (enum reply_versions)(data[0] >> 1) % 3);
    while (at < end && fine) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline ? (size_t)(newline - at) + 1 : (size_t)(end - at);
        fine = reply_head_line(&head, at, len);
        at += len;
    }
    assert(fine == (head.fault == OUTCOME_NONE));
    assert(!head.complete || (head.status >= 200 && head.status <= 599));
    assert(!(fine && head.complete && head.has_length && head.chunked));
    if (fine)
        check_lines(&head);
    reply_head_done(&head);
    return 0;
}
