/*
 * Calls on libcurl. libcurl's callbacks only gather: the header goes through
 * reply_head, the body into a capped buffer, and what happened is noted in the
 * transfer. A transfer with something to tell is in the carrier's list, and
 * carrier_turn() tells it with libcurl off the stack; so an event may start and
 * stop any transfer, itself included.
 *
 * Invariants: a transfer holds a handle from start until libcurl is done with
 * it or it is stopped; `finished` transfers hold none and are in the list.
 * Whatever libcurl tolerates and we do not ends the transfer from a callback,
 * which closes the connection.
 */
#include "back/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "back/curl_result.h"
#include "back/multi.h"
#include "back/reply_head.h"
#include "back/transfer_options.h"
#include "base/mem.h"

#define PRESIZE_MAX ((uint64_t)1024 * 1024)
#define IDLE_TIME   (55 * USEC_PER_SEC)
#define SWEEP_TIME  (10 * USEC_PER_SEC)

struct carrier {
    struct loop *loop;
    struct multi *multi;
    struct lanes *lanes;
    struct timer sweep;
    struct transfer *first, *last; /* have something to tell */
    size_t in_flight;
};

struct transfer {
    struct carrier *carrier;
    struct handle *handle; /* NULL: finished */
    const struct call_spec *spec;
    usec_t deadline;
    const struct carry_events *events;
    void *ctx;
    struct reply_head head;
    struct buffer body;
    struct outcome outcome;
    bool sent, began;           /* what happened */
    bool told_sent, told_began; /* what was told */
    bool finished, listed;
    struct transfer *next, *previous;
};

/* ---- the list ---- */

static void list(struct transfer *transfer)
{
    struct carrier *carrier = transfer->carrier;
    if (transfer->listed)
        return;
    transfer->listed = true;
    transfer->next = NULL;
    transfer->previous = carrier->last;
    if (carrier->last)
        carrier->last->next = transfer;
    else
        carrier->first = transfer;
    carrier->last = transfer;
}

static void unlist(struct transfer *transfer)
{
    struct carrier *carrier = transfer->carrier;
    if (!transfer->listed)
        return;
    transfer->listed = false;
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else
        carrier->first = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    else
        carrier->last = transfer->previous;
}

/* ---- libcurl's callbacks ---- */

static int connection_ready(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
    struct handle *handle = ctx;
    struct transfer *transfer = handle->user;
    (void)peer;
    (void)own;
    (void)peer_port;
    (void)own_port;
    transfer_options_refresh(handle, transfer->spec, transfer->deadline);
    transfer->sent = true;
    list(transfer);
    return CURL_PREREQFUNC_OK;
}

static bool bodiless(const struct transfer *transfer)
{
    unsigned status = transfer->head.status;
    return status == 204 || status == 304 || strcmp(transfer->spec->method, "HEAD") == 0;
}

/* The header is complete: room for the body, or refusal before it is read. */
static bool expect_body(struct transfer *transfer)
{
    struct reply_head *head = &transfer->head;
    if (!head->has_length || head->decoded || bodiless(transfer))
        return true;
    if (head->length > transfer->spec->reply_body_max) {
        head->fault = OUTCOME_RESPONSE_BODY_SIZE;
        return false;
    }
    uint64_t size = head->length < PRESIZE_MAX ? head->length : PRESIZE_MAX;
    return size == 0 || buffer_reserve(&transfer->body, (size_t)size) == 0;
}

static size_t header_came(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ((struct handle *)ctx)->user;
    size_t len = size * count;
    bool complete = transfer->head.complete;
    if (!transfer->began) {
        transfer->began = true;
        list(transfer);
    }
    if (!reply_head_line(&transfer->head, data, len))
        return 0;
    if (!complete && transfer->head.complete && !expect_body(transfer))
        return 0;
    return len;
}

static size_t body_came(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ((struct handle *)ctx)->user;
    size_t len = size * count;
    buffer_append(&transfer->body, data, len);
    return buffer_status(&transfer->body) == 0 ? len : 0;
}

/* ---- the end ---- */

/* A fault of ours comes before what libcurl calls it. */
static enum outcome_code judge(struct transfer *transfer, CURLcode result)
{
    struct reply_head *head = &transfer->head;
    if (head->fault != OUTCOME_NONE)
        return head->fault;
    if (buffer_status(&transfer->body) == BUFFER_FULL)
        return OUTCOME_RESPONSE_BODY_SIZE;
    if (buffer_status(&transfer->body) != 0) {
        head->detail = "out of memory";
        return OUTCOME_INTERNAL;
    }
    if (result == CURLE_OK)
        return head->complete ? OUTCOME_REPLY : OUTCOME_RESPONSE_INCOMPLETE;
    struct curl_failure failure = {
        .code = result,
        .tls = transfer->spec->origin->tls,
        .sent = transfer->sent,
        .began = transfer->began,
        .has_head = head->complete,
    };
    if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_OS_ERRNO, &failure.os_error) != CURLE_OK)
        failure.os_error = 0;
    enum outcome_code code = curl_result_code(&failure);
    if (code == OUTCOME_INTERNAL)
        head->detail = curl_easy_strerror(result);
    return code;
}

static void build_outcome(struct transfer *transfer, CURLcode result)
{
    struct outcome *outcome = &transfer->outcome;
    outcome->code = judge(transfer, result);
    outcome->attempts = 1;
    if (outcome->code != OUTCOME_REPLY) {
        outcome->detail = transfer->head.detail;
        return;
    }
    outcome->status = transfer->head.status;
    outcome->head = buffer_take(&transfer->head.lines, &outcome->head_len);
    if (transfer->body.len > 0)
        outcome->body = buffer_take(&transfer->body, &outcome->body_len);
}

static void sweep(struct timer *timer)
{
    struct carrier *carrier = container_of(timer, struct carrier, sweep);
    usec_t now = loop_now(carrier->loop);
    if (lanes_sweep(carrier->lanes, now > IDLE_TIME ? now - IDLE_TIME : 0))
        loop_set(carrier->loop, timer, now + SWEEP_TIME, sweep);
}

static void release_handle(struct transfer *transfer)
{
    struct carrier *carrier = transfer->carrier;
    lanes_give(carrier->lanes, transfer->handle, loop_now(carrier->loop));
    transfer->handle = NULL;
    if (carrier->sweep.position == 0)
        loop_set(carrier->loop, &carrier->sweep, loop_now(carrier->loop) + SWEEP_TIME, sweep);
}

static void transfer_finished(void *ctx, CURL *easy, CURLcode result)
{
    char *private = NULL;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    assert(rc == CURLE_OK);
    struct transfer *transfer = ((struct handle *)(void *)private)->user;
    build_outcome(transfer, result);
    multi_remove(((struct carrier *)ctx)->multi, easy);
    release_handle(transfer);
    transfer->finished = true;
    list(transfer);
}

static void free_transfer(struct transfer *transfer)
{
    unlist(transfer);
    transfer->carrier->in_flight--;
    reply_head_done(&transfer->head);
    buffer_done(&transfer->body);
    outcome_done(&transfer->outcome);
    free(transfer);
}

/* ---- calls ---- */

struct transfer *transfer_start(struct carrier *carrier, const struct call_spec *spec,
                                const char *address, usec_t deadline,
                                const struct carry_events *events, void *ctx)
{
    const char *ca_file = spec->upstream ? spec->upstream->ca_file : NULL;
    struct handle *handle = lanes_take(carrier->lanes, spec->origin, ca_file);
    if (!handle)
        return NULL;
    struct transfer *transfer = mem_new(sizeof *transfer);
    transfer->carrier = carrier;
    transfer->handle = handle;
    transfer->spec = spec;
    transfer->deadline = deadline;
    transfer->events = events;
    transfer->ctx = ctx;
    reply_head_init(&transfer->head, spec->reply_header_max, spec->decode);
    buffer_init(&transfer->body,
                spec->reply_body_max < SIZE_MAX / 2 ? spec->reply_body_max : SIZE_MAX / 2);
    handle->user = transfer;
    carrier->in_flight++;
    if (!transfer_options_call(handle, spec, address, deadline) ||
        !multi_add(carrier->multi, handle->easy)) {
        release_handle(transfer);
        free_transfer(transfer);
        return NULL;
    }
    return transfer;
}

void transfer_stop(struct transfer *transfer)
{
    if (transfer->handle) {
        multi_cancel(transfer->carrier->multi, transfer->handle->easy);
        release_handle(transfer);
    }
    free_transfer(transfer);
}

/* ---- the carrier ---- */

static void tell(struct transfer *transfer)
{
    const struct carry_events *events = transfer->events;
    void *ctx = transfer->ctx;
    if (transfer->finished) {
        struct outcome outcome = outcome_take(&transfer->outcome);
        free_transfer(transfer);
        events->done(ctx, &outcome);
        outcome_done(&outcome);
        return;
    }
    unlist(transfer);
    bool sent = transfer->sent && !transfer->told_sent;
    bool began = transfer->began && !transfer->told_began;
    transfer->told_sent |= sent;
    transfer->told_began |= began;
    /* One event of the two: what began was sent. The transfer may be gone after it. */
    if (began)
        events->phase(ctx, CARRY_REPLYING);
    else if (sent)
        events->phase(ctx, CARRY_SENT);
}

void carrier_turn(struct carrier *carrier)
{
    multi_run(carrier->multi);
    /* Events may start calls and stop any, but only libcurl makes new ones. */
    while (carrier->first)
        tell(carrier->first);
}

bool carrier_is_due(const struct carrier *carrier)
{
    return carrier->first != NULL || multi_is_due(carrier->multi);
}

static bool prepare(void *ctx, struct handle *handle)
{
    static const struct transfer_callbacks callbacks = {
        .header = header_came,
        .body = body_came,
        .ready = connection_ready,
    };
    return transfer_options_fixed(handle, &callbacks) &&
           multi_adopt(((struct carrier *)ctx)->multi, handle->easy);
}

int carrier_new(struct loop *loop, struct carrier **ret_carrier)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct carrier *carrier = mem_new(sizeof *carrier);
    int rc = multi_new(loop, LANE_CONNECTIONS, transfer_finished, carrier, &carrier->multi);
    if (rc != 0) {
        free(carrier);
        curl_global_cleanup();
        return rc;
    }
    carrier->loop = loop;
    carrier->lanes = lanes_new(prepare, carrier);
    *ret_carrier = carrier;
    return 0;
}

struct carrier *carrier_free(struct carrier *carrier)
{
    if (!carrier)
        return NULL;
    assert(carrier->in_flight == 0);
    loop_clear(carrier->loop, &carrier->sweep);
    lanes_free(carrier->lanes);
    multi_free(carrier->multi);
    free(carrier);
    curl_global_cleanup();
    return NULL;
}

size_t carrier_open_sockets(const struct carrier *carrier)
{
    return multi_open_sockets(carrier->multi);
}
