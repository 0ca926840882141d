/*
 * Calls on libcurl. libcurl's callbacks only gather: the header goes through reply_head,
 * the body into a capped buffer, and what happened is noted in the transfer. A transfer
 * with something to tell is in the carrier's list, and carrier_turn() tells it with libcurl
 * off the stack; so an event may start and stop any transfer, itself included. Where calls
 * share connections (HTTP/2), entry.h says when one is given to libcurl.
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
#include "back/transfer_info.h"
#include "back/transfer_options.h"
#include "base/mem.h"

#define PRESIZE_MAX ((uint64_t)1024 * 1024)

struct carrier {
    struct loop *loop;
    struct multi *multi;
    struct lanes *lanes;
    struct timer wake;
    struct link telling;  /* have something to tell */
    struct link admitted; /* may be given to libcurl now */
    size_t in_flight;
    struct tally *tally; /* or NULL */
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
    bool finished;
    struct link link;       /* in the list of those with something to tell, or in none */
    struct entrant entrant; /* without an entry where connections are not shared */
    bool launched;          /* libcurl has it */
};

/* ---- the list ---- */

static void list(struct transfer *transfer)
{
    if (!list_holds(&transfer->link))
        list_append(&transfer->carrier->telling, &transfer->link);
}

/* ---- to libcurl ---- */

static void nothing(struct timer *timer)
{
    (void)timer; /* it made the loop turn */
}

static bool launch(struct transfer *transfer)
{
    struct entrant *entrant = &transfer->entrant;
    if (entrant->entry && !transfer->spec->origin->tls) {
        entrant->joins = entrant->entry->connected;
        if (!transfer_options_join(transfer->handle, entrant->joins))
            return false;
    }
    transfer->launched = multi_add(transfer->carrier->multi, transfer->handle->easy);
    return transfer->launched;
}

/* ---- libcurl's callbacks ---- */

static int connection_ready(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
    struct handle *handle = ctx;
    struct transfer *transfer = handle->user;
    (void)peer, (void)own, (void)peer_port, (void)own_port;
    bool idempotent = header_method_idempotent(transfer->spec->method);
    if (transfer->entrant.entry &&
        !entrant_may_send(&transfer->entrant, idempotent, transfer_made_connection(handle->easy)))
        return CURL_PREREQFUNC_ABORT;
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

static void heard(struct transfer *transfer)
{
    if (transfer->head.version_2)
        multi_progressed(transfer->carrier->multi);
    if (transfer->head.status != 0)
        entry_learn(&transfer->entrant, !transfer->head.version_2);
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
    if (transfer->entrant.entry)
        heard(transfer);
    if (!complete && transfer->head.complete && !expect_body(transfer))
        return 0;
    return len;
}

static size_t body_came(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ((struct handle *)ctx)->user;
    size_t len = size * count;
    if (transfer->entrant.entry)
        heard(transfer);
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
    if (transfer->entrant.refused) {
        head->detail = "the connection ended, and this method is not sent twice";
        return OUTCOME_CONNECTION_TERMINATED;
    }
    if (result == CURLE_OK)
        return head->complete ? OUTCOME_REPLY : OUTCOME_RESPONSE_INCOMPLETE;
    struct curl_failure failure = {
        .code = result,
        .tls = transfer->spec->origin->tls,
        .frames = transfer->entrant.entry != NULL,
        .sent = transfer->sent,
        .began = transfer->began,
        .has_head = head->complete,
        .decodes = head->decoded,
    };
    if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_OS_ERRNO, &failure.os_error) != CURLE_OK)
        failure.os_error = 0;
    enum outcome_code code = curl_result_code(&failure);
    const char *detail = curl_result_detail(result, code);
    if (detail)
        head->detail = detail;
    return code;
}

static void build_outcome(struct transfer *transfer, CURLcode result)
{
    struct outcome *outcome = &transfer->outcome;
    outcome->code = judge(transfer, result);
    outcome->attempts = 1;
    outcome->resent = transfer->handle->resent;
    if (outcome->code != OUTCOME_REPLY) {
        outcome->detail = transfer->head.detail;
        return;
    }
    outcome->status = transfer->head.status;
    outcome->head = buffer_take(&transfer->head.lines, &outcome->head_len);
    if (transfer->body.len > 0)
        outcome->body = buffer_take(&transfer->body, &outcome->body_len);
}

static void release_handle(struct transfer *transfer)
{
    lanes_give(transfer->carrier->lanes, transfer->handle);
    transfer->handle = NULL;
}

/* To its turn once more? It had nothing to join; or it was put onto a connection that
 * another call, one that libcurl repeats by itself, was still making; or a connection that
 * had served before died under it. */
static bool start_over(struct transfer *transfer, CURLcode result)
{
    struct entrant *entrant = &transfer->entrant;
    bool idempotent = header_method_idempotent(transfer->spec->method);
    bool unsent = result == CURLE_FAILED_INIT;
    bool died = curl_result_is_end(result);
    bool lost = entrant->entry && !transfer->began && (unsent || died);
    if (!entrant->alone && !(lost && entrant_may_repeat(entrant, idempotent, unsent)))
        return false;
    multi_remove(transfer->carrier->multi, transfer->handle->easy);
    transfer->launched = false;
    if (died) /* it makes the next one */
        entrant->entry->connected = false;
    entry_again(entrant);
    return true;
}

/* One that libcurl does not have. */
static void fail(struct transfer *transfer, enum outcome_code code, const char *detail)
{
    transfer->outcome = (struct outcome){.code = code, .detail = detail, .attempts = 1};
    release_handle(transfer);
    transfer->finished = true;
    list(transfer);
}

/* No connection: who waited for it to the same address would fare no better, only later. */
static void fail_waiting(const struct transfer *failed)
{
    struct link *waiting = &failed->entrant.entry->waiting;
    for (struct link *link = waiting->next, *next; link != waiting; link = next) {
        struct entrant *entrant = container_of(link, struct entrant, turn);
        struct transfer *transfer = container_of(entrant, struct transfer, entrant);
        next = link->next;
        if (strcmp(transfer->handle->pin_text, failed->handle->pin_text) != 0)
            continue;
        list_remove(link);
        fail(transfer, failed->outcome.code, failed->outcome.detail);
    }
}

static void leave_entry(struct transfer *transfer)
{
    struct entry *entry = transfer->entrant.entry;
    if (entry && entry->entering == &transfer->entrant && !transfer->sent) {
        entry->connected = false;
        fail_waiting(transfer);
    }
    entry_passed(&transfer->entrant);
}

/* An upstream that still sends what was refused must not go on; everything else that
 * HTTP/2 has to say between calls is fine. */
static void leave_connection(struct transfer *transfer, CURLcode result)
{
    if (transfer->head.version_2)
        multi_leave(transfer->carrier->multi, transfer->handle->easy, result != CURLE_WRITE_ERROR);
}

static void transfer_finished(void *ctx, CURL *easy, CURLcode result)
{
    char *private = NULL;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    assert(rc == CURLE_OK);
    struct transfer *transfer = ((struct handle *)(void *)private)->user;
    if (start_over(transfer, result))
        return;
    build_outcome(transfer, result);
    transfer_count(easy, transfer->carrier->multi,
                   tally_upstream(transfer->carrier->tally, transfer->spec->upstream));
    leave_connection(transfer, result);
    leave_entry(transfer);
    multi_remove(((struct carrier *)ctx)->multi, easy);
    release_handle(transfer);
    transfer->finished = true;
    list(transfer);
}

static void free_transfer(struct transfer *transfer)
{
    if (list_holds(&transfer->link))
        list_remove(&transfer->link);
    transfer->carrier->in_flight--;
    reply_head_done(&transfer->head);
    buffer_done(&transfer->body);
    outcome_done(&transfer->outcome);
    free(transfer);
}

/* ---- calls ---- */

static struct lane_name lane_of(const struct call_spec *spec)
{
    return (struct lane_name){
        .origin = spec->origin,
        .ca_file = spec->upstream ? spec->upstream->ca_file : NULL,
        .http = spec->http,
    };
}

bool carrier_met_http_1(const struct carrier *carrier, const struct call_spec *spec)
{
    const struct lane_name name = lane_of(spec);
    const struct entry *entry = lanes_entry(carrier->lanes, &name);
    return entry && entry->serial;
}

static struct transfer *new_transfer(struct carrier *carrier, struct handle *handle,
                                     const struct call_spec *spec)
{
    static const enum reply_versions versions[] = {
        [HTTP_1] = REPLY_HTTP_1, [HTTP_2] = REPLY_HTTP_2, [HTTP_NEGOTIATED] = REPLY_ANY_HTTP};
    struct transfer *transfer = mem_new(sizeof *transfer);
    transfer->carrier = carrier;
    transfer->handle = handle;
    transfer->spec = spec;
    transfer->entrant.entry = spec->http == HTTP_1 ? NULL : handle->entry;
    transfer->entrant.admitted = &carrier->admitted;
    reply_head_init(&transfer->head, spec->reply_header_max, spec->decode, versions[spec->http]);
    buffer_init(&transfer->body,
                spec->reply_body_max < SIZE_MAX / 2 ? spec->reply_body_max : SIZE_MAX / 2);
    handle->user = transfer;
    carrier->in_flight++;
    return transfer;
}

/* False: libcurl could not start it. */
static bool enter(struct transfer *transfer)
{
    struct entrant *entrant = &transfer->entrant;
    if (entrant->entry && !entry_ask(entrant))
        return true;
    if (launch(transfer))
        return true;
    entry_passed(entrant);
    return false;
}

struct transfer *transfer_start(struct carrier *carrier, const struct call_spec *spec,
                                const char *address, usec_t deadline,
                                const struct carry_events *events, void *ctx)
{
    const struct lane_name name = lane_of(spec);
    struct handle *handle = lanes_take(carrier->lanes, &name);
    if (!handle)
        return NULL;
    struct transfer *transfer = new_transfer(carrier, handle, spec);
    transfer->deadline = deadline;
    transfer->events = events;
    transfer->ctx = ctx;
    if (!transfer_options_call(handle, spec, address, deadline, transfer->entrant.entry != NULL) ||
        !enter(transfer)) {
        release_handle(transfer);
        free_transfer(transfer);
        return NULL;
    }
    return transfer;
}

void transfer_stop(struct transfer *transfer)
{
    struct carrier *carrier = transfer->carrier;
    if (transfer->handle) {
        entrant_withdraw(&transfer->entrant);
        if (transfer->launched)
            multi_cancel(carrier->multi, transfer->handle->easy, true);
        entry_passed(&transfer->entrant);
        release_handle(transfer);
    }
    free_transfer(transfer);
    if (!list_is_empty(&carrier->admitted) && carrier->wake.position == 0)
        loop_set(carrier->loop, &carrier->wake, 0, nothing);
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
    list_remove(&transfer->link);
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

static void launch_admitted(struct carrier *carrier)
{
    while (!list_is_empty(&carrier->admitted)) {
        struct entrant *entrant = container_of(carrier->admitted.next, struct entrant, turn);
        struct transfer *transfer = container_of(entrant, struct transfer, entrant);
        list_remove(&entrant->turn);
        if (!launch(transfer)) {
            entry_passed(entrant);
            fail(transfer, OUTCOME_INTERNAL, "libcurl could not start the call");
        }
        multi_run(carrier->multi); /* where there is a connection, it takes a stream now */
    }
}

void carrier_turn(struct carrier *carrier)
{
    loop_clear(carrier->loop, &carrier->wake);
    multi_run(carrier->multi);
    launch_admitted(carrier);
    /* Events may start calls and stop any, but only libcurl makes new ones. */
    while (!list_is_empty(&carrier->telling))
        tell(container_of(carrier->telling.next, struct transfer, link));
}

bool carrier_is_due(const struct carrier *carrier)
{
    return !list_is_empty(&carrier->telling) || !list_is_empty(&carrier->admitted) ||
           multi_is_due(carrier->multi);
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
    list_init(&carrier->telling);
    list_init(&carrier->admitted);
    carrier->lanes = lanes_new(loop, prepare, carrier);
    *ret_carrier = carrier;
    return 0;
}

void carrier_count_in(struct carrier *carrier, struct tally *tally)
{
    carrier->tally = tally;
}

struct carrier *carrier_free(struct carrier *carrier)
{
    if (!carrier)
        return NULL;
    assert(carrier->in_flight == 0);
    loop_clear(carrier->loop, &carrier->wake);
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
