/*
 * A small body is copied behind the head, so that both leave in one send; a large
 * one goes from where the plan holds it. What could not be sent is sent again from
 * the same place with the same length, which TLS insists on.
 */
#include "back/outgoing.h"

#include <errno.h>

#include "back/request_head.h"

#define REQUEST_MAX ((size_t)64 * 1024 * 1024)
#define JOINED_BODY ((size_t)16 * 1024)

enum { ROUNDS = 16 }; /* sends in one turn: an upstream that keeps up must not hold the loop */

void spare_requests_done(struct spare_requests *spare)
{
    while (spare->count > 0)
        buffer_done(&spare->items[--spare->count]);
}

static bool sends_body_apart(const struct call_spec *spec)
{
    return spec->has_body && spec->body_len > JOINED_BODY;
}

int outgoing_begin(struct outgoing *outgoing, struct spare_requests *spare,
                   const struct call_spec *spec, usec_t deadline, bool again)
{
    outgoing->spec = spec;
    outgoing->sent = 0;
    if (spare->count > 0)
        outgoing->bytes = spare->items[--spare->count];
    else
        buffer_init(&outgoing->bytes, REQUEST_MAX);
    request_head_write(spec, deadline, again ? 1 : 0, &outgoing->bytes);
    if (spec->has_body && !sends_body_apart(spec))
        buffer_append(&outgoing->bytes, spec->body, spec->body_len);
    return buffer_status(&outgoing->bytes) == 0 ? 0 : -E2BIG;
}

/* What is to go out next; 0: nothing is left. */
static size_t next_piece(const struct outgoing *outgoing, const char **ret_data)
{
    const struct call_spec *spec = outgoing->spec;
    size_t head = outgoing->bytes.len;
    if (outgoing->sent < head) {
        *ret_data = outgoing->bytes.data + outgoing->sent;
        return head - outgoing->sent;
    }
    size_t of_body = outgoing->sent - head;
    if (!sends_body_apart(spec) || of_body == spec->body_len)
        return 0;
    *ret_data = spec->body + of_body;
    return spec->body_len - of_body;
}

int outgoing_send(struct outgoing *outgoing, struct channel *channel)
{
    const char *data;
    size_t len;
    for (int round = 0; (len = next_piece(outgoing, &data)) > 0; round++) {
        if (round == ROUNDS)
            return -EAGAIN;
        ssize_t sent = channel_send(channel, data, len);
        if (sent < 0 && sent != -EINTR)
            return (int)sent;
        outgoing->sent += sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

void outgoing_end(struct outgoing *outgoing, struct spare_requests *spare)
{
    struct buffer *bytes = &outgoing->bytes;
    if (!bytes->data)
        return;
    if (spare->count == SPARE_REQUESTS || bytes->cap > JOINED_BODY || buffer_status(bytes) != 0) {
        buffer_done(bytes);
        return;
    }
    bytes->len = 0;
    spare->items[spare->count++] = *bytes;
    *bytes = (struct buffer){.data = NULL};
}
