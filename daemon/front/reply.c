/*
 * One response object per reply, destroyed as soon as it is queued, so that
 * libmicrohttpd holds the last reference and frees the body when it is sent.
 * A plain buffer, because libmicrohttpd then sends header and body in one go.
 *
 * Fields that libmicrohttpd writes itself are never taken from an answer.
 */
#include "front/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

enum { STREAM_BLOCK = 16384 }; /* at most, of what libmicrohttpd asks for at once */

/* Most fields differ from these in their length. */
static bool is_framing_field(const char *name)
{
    switch (strlen(name)) {
    case sizeof "Date" - 1:
        return strcasecmp(name, "Date") == 0;
    case sizeof "Connection" - 1: /* and of Keep-Alive */
        return strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Keep-Alive") == 0;
    case sizeof "Content-Length" - 1:
        return strcasecmp(name, "Content-Length") == 0;
    case sizeof "Transfer-Encoding" - 1:
        return strcasecmp(name, "Transfer-Encoding") == 0;
    default:
        return false;
    }
}

static size_t header_size(const struct header_list *headers)
{
    size_t size = 0;
    for (size_t i = 0; i < headers->count; i++)
        size += strlen(headers->items[i].name) + strlen(headers->items[i].value) + 4;
    return size;
}

static struct MHD_Response *make_response(struct answer *answer)
{
    if (!answer->body)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(answer->body_len, answer->body, free);
    if (response)
        answer->body = NULL;
    return response;
}

/* An empty value cannot be added; leaving the field out says the same. */
static void add(struct MHD_Response *response, const char *name, const char *value)
{
    if (value[0] != '\0' && MHD_add_response_header(response, name, value) != MHD_YES)
        log_debug("a reply went without its field %s", name);
}

static void add_answer_fields(struct MHD_Response *response, const struct answer *answer)
{
    for (size_t i = 0; i < answer->headers.count; i++) {
        const struct header *field = &answer->headers.items[i];
        if (!is_framing_field(field->name))
            add(response, field->name, field->value);
    }
}

static void add_manner(struct MHD_Response *response, const struct reply_manner *manner)
{
    if (manner->close)
        add(response, "Connection", "close");
    if (manner->request_id)
        add(response, "X-Request-Id", manner->request_id);
    if (manner->varies_by_origin)
        add(response, "Vary", "Origin");
    if (manner->allow_origin) {
        add(response, "Access-Control-Allow-Origin", manner->allow_origin);
        add(response, "Access-Control-Expose-Headers",
            "Aggregate-Status, Proxy-Status, Retry-After, Server-Timing");
    }
}

struct answer *reply_fit(struct answer *answer, const struct reply_manner *manner)
{
    if (header_size(&answer->headers) <= manner->header_max)
        return answer;
    enum reply_result result = answer->result == RESULT_NONE ? RESULT_NONE : RESULT_FAILED;
    answer_free(answer);
    answer = answer_problem(502, "the reply's header would be larger than allowed");
    answer->result = result;
    return answer;
}

enum MHD_Result reply_send(struct MHD_Connection *mhd, struct answer *answer,
                           const struct reply_manner *manner)
{
    struct MHD_Response *response = make_response(answer);
    enum MHD_Result queued = MHD_NO;
    if (response) {
        add_answer_fields(response, answer);
        add_manner(response, manner);
        queued = MHD_queue_response(mhd, answer->status, response);
        MHD_destroy_response(response);
    }
    answer_free(answer);
    return queued;
}

static ssize_t read_nothing(void *cls, uint64_t position, char *place, size_t room)
{
    (void)cls;
    (void)position;
    (void)place;
    (void)room;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

enum MHD_Result reply_send_stream(struct MHD_Connection *mhd, const char *media,
                                  MHD_ContentReaderCallback reader, void *ctx,
                                  const struct reply_manner *manner)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, reader ? reader : read_nothing, ctx, NULL);
    if (!response)
        return MHD_NO;
    if (!reader) /* no chunks */
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    add(response, "Content-Type", media);
    add(response, "Cache-Control", "no-store");
    add(response, "X-Accel-Buffering", "no"); /* what nginx in front asks for */
    add_manner(response, manner);
    enum MHD_Result queued = MHD_queue_response(mhd, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}
