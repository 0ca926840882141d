/*
 * libmicrohttpd calls the access handler once with the head, then with each
 * piece of the body, then with nothing more to come, and again after a resume.
 * The head is judged in the first call. Yet a reply queued there makes libmicrohttpd close
 * the connection, so a verdict waits unless the rest cannot or should not be read.
 *
 * A refused request's body is read and dropped: closing while the client still
 * sends would destroy the reply on its way. Only a body that is too large is
 * answered while it arrives.
 *
 * While its fan-out runs the exchange is suspended; the answer is kept, the
 * connection resumed, and the reply queued when libmicrohttpd calls again. A client
 * that asks for a stream gets its reply at once, and stream.c the rest.
 *
 * Invariants: `suspended` holds exactly between suspending and resuming; at most
 * one of `fanout`, `stream` and `answer` is set; `arena` is ours until the fan-out takes it.
 */
#include "front/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "front/account.h"
#include "front/api.h"
#include "front/checks.h"
#include "front/reply.h"
#include "front/represent.h"
#include "front/stream.h"

#define NUMBER_AS_WRITTEN(number) #number
#define NUMBER(number)            NUMBER_AS_WRITTEN(number)

#define STOPPING "the daemon is stopping"

enum { FIELD_RECORD = 64 }; /* libmicrohttpd's bookkeeping of a field or query member */

struct exchange {
    struct connection *connection;
    struct config *config; /* the one it began with */
    struct arena *arena;   /* NULL once the fan-out has it */
    struct inbound *inbound;
    struct buffer body;
    uint64_t received;  /* of the body, kept or dropped */
    size_t head_memory; /* of the connection's, for the request's head */
    struct fanout *fanout;
    struct stream *stream;
    struct answer *answer;
    enum reply_form form;
    const char *allow_origin; /* lives in config */
    struct wishes wishes;     /* for the form of the reply */
    struct account account;
    bool head_seen, begun, suspended, close;
    bool is_head; /* the method */
    bool refused; /* before its end; nothing more is said */
};

static void exchange_free(struct exchange *exchange, enum MHD_RequestTerminationCode reason)
{
    struct connection *connection = exchange->connection;
    assert(!exchange->suspended);
    connection->front->ended++;
    if (exchange->stream)
        account_stream(&exchange->account, exchange->stream);
    if (exchange->fanout)
        fanout_cancel(exchange->fanout);
    stream_free(exchange->stream);
    if (!exchange->begun)
        account_received(&exchange->account, exchange->received);
    account_end(&exchange->account, connection, exchange->inbound, exchange->received, reason);
    connection->exchange = NULL;
    connection->request_id = NULL;
    answer_free(exchange->answer);
    buffer_done(&exchange->body);
    arena_free(exchange->arena);
    config_unref(exchange->config);
    free(exchange);
}

/* ---- the request line ---- */

static void refuse(struct exchange *exchange, unsigned status, const char *detail)
{
    exchange->refused = true;
    if (status != 503)
        account_limit(&exchange->account,
                      status == 413 ? TALLY_REQUEST_BODY : TALLY_REQUEST_HEADER);
    account_reply(&exchange->account, status, 0, RESULT_NONE); /* counted before it is seen */
    buffer_done(&exchange->body);
    account_refused(&exchange->account, exchange->connection, status,
                    connection_refuse(exchange->connection, status, detail));
}

static void set_target(struct inbound *inbound, const char *path)
{
    const char *mark = strchr(path, '?');
    inbound->target = path;
    inbound->query = mark ? mark + 1 : "";
}

void *intake_begin(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct front *front = cls;
    struct connection *connection = connection_of(mhd);
    struct exchange *exchange = mem_new(sizeof *exchange);
    if (connection->exchange)
        exchange_free(connection->exchange, MHD_REQUEST_TERMINATED_WITH_ERROR);
    front->begun++;
    exchange->connection = connection;
    exchange->config = config_ref(front->config);
    exchange->arena = arena_new();
    buffer_init(&exchange->body, exchange->config->limits.request_body);
    struct inbound *inbound = arena_alloc(exchange->arena, sizeof *inbound);
    set_target(inbound, arena_string(exchange->arena, target));
    inbound->deadline = USEC_NEVER;
    exchange->inbound = inbound;
    connection->exchange = exchange;
    account_begin(&exchange->account, connection, exchange->config);
    connection->request_id = account_request_id(&exchange->account);
    connection_enter(connection, CONNECTION_HEAD);
    if (query_members(inbound->query) > INTAKE_MEMBERS_MAX)
        refuse(exchange, 414,
               "the target's query has more than " NUMBER(INTAKE_MEMBERS_MAX) " members");
    else if (strlen(target) > exchange->config->limits.request_header)
        refuse(exchange, 414, "the target is larger than limits.requestHeader allows");
    return exchange;
}

/* ---- the head ---- */

struct gathering {
    struct exchange *exchange;
    size_t size; /* of the head in bytes, as it was sent */
};

static enum MHD_Result gather_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    struct gathering *gathering = cls;
    struct exchange *exchange = gathering->exchange;
    struct arena *arena = exchange->arena;
    const char *text = value ? value : "";
    size_t len = strlen(text);
    gathering->size += strlen(name) + len + strlen(": \r\n");
    if (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len = field_value_length(name, text);
    wishes_note(&exchange->wishes, name);
    header_add(arena, &exchange->inbound->headers, arena_string(arena, name),
               arena_copy(arena, text, len));
    return MHD_YES;
}

static void gather(struct exchange *exchange, const char *method, const char *version,
                   struct gathering *ret_gathering)
{
    struct inbound *inbound = exchange->inbound;
    *ret_gathering = (struct gathering){.exchange = exchange};
    inbound->method = arena_string(exchange->arena, method);
    exchange->is_head = strcmp(method, "HEAD") == 0;
    exchange->wishes.fetches = exchange->is_head || strcmp(method, "GET") == 0;
    ret_gathering->size =
        strlen(method) + strlen(inbound->target) + strlen(version) + strlen("  \r\n\r\n");
    MHD_get_connection_values(exchange->connection->mhd, MHD_HEADER_KIND, gather_field,
                              ret_gathering);
}

static struct verdict judge(struct exchange *exchange, const char *version, size_t size,
                            struct body_framing *framing)
{
    const struct config *config = exchange->config;
    struct inbound *inbound = exchange->inbound;
    struct head head = {
        .method = inbound->method,
        .version = version,
        .fields = &inbound->headers,
    };
    target_take_apart(exchange->arena, inbound->target, &head.authority, &head.target);
    set_target(inbound, head.target);
    inbound->authority = head.authority;
    if (inbound->headers.count > INTAKE_FIELDS_MAX)
        return (struct verdict){
            431, "the request has more than " NUMBER(INTAKE_FIELDS_MAX) " fields", true};
    if (size > config->limits.request_header)
        return (struct verdict){431, "the request's header is larger than allowed", true};
    struct verdict verdict = check_message(&head, framing);
    if (verdict.status == 0)
        verdict = check_host(&head, &config->hosts);
    if (verdict.status == 0)
        verdict = check_origin(&head, &config->origins, &exchange->allow_origin);
    return verdict;
}

/* Beside the largest head with the most fields there is room for a short one only. */
static size_t reply_header_max(const struct exchange *exchange)
{
    size_t memory = exchange->connection->front->memory - FRONT_SPARE;
    size_t left = memory > exchange->head_memory ? memory - exchange->head_memory : 0;
    return left < REPLY_HEADER_MAX ? left : REPLY_HEADER_MAX;
}

static struct reply_manner manner_of(const struct exchange *exchange)
{
    return (struct reply_manner){
        .header_max = reply_header_max(exchange),
        .close = exchange->close || exchange->connection->front->draining,
        .varies_by_origin = exchange->config->origins.count > 0,
        .allow_origin = exchange->allow_origin,
        .request_id = exchange->connection->request_id,
    };
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    struct reply_manner manner = manner_of(exchange);
    struct answer *answer = exchange->answer;
    exchange->answer = NULL;
    represent(answer, &exchange->wishes, &exchange->config->compression, connection->mhd);
    answer = reply_fit(answer, &manner);
    account_limit(&exchange->account, answer->limit);
    account_reply(&exchange->account, answer->status, exchange->is_head ? 0 : answer->body_len,
                  answer->result);
    connection_enter(connection, CONNECTION_REPLY);
    return reply_send(connection->mhd, answer, &manner);
}

/* What comes next cannot be told, or the client waits to be asked for the body: the
 * reply goes out in the first call, and the connection ends. */
static bool must_reply_now(const struct verdict *verdict, const struct body_framing *framing)
{
    return verdict->broken || verdict->status == 417 || framing->expects_continue;
}

static enum MHD_Result refuse_body(struct exchange *exchange)
{
    refuse(exchange, 413, "the request's body is larger than allowed");
    return MHD_YES;
}

/* Who waits to be asked for the body must not be, and sends nothing that has to be read. */
static enum MHD_Result drop_rest(const struct exchange *exchange)
{
    struct MHD_Connection *mhd = exchange->connection->mhd;
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Expect") ? MHD_NO : MHD_YES;
}

/* What can be said already; NULL: nothing, it is ours to run. */
static struct answer *answer_head(struct exchange *exchange, const struct verdict *verdict,
                                  bool too_large)
{
    size_t slot;
    if (exchange->connection->front->gave_up) {
        connection_cut(exchange->connection);
        return answer_problem(503, STOPPING);
    }
    if (verdict->status == 431)
        account_limit(&exchange->account, TALLY_REQUEST_HEADER);
    if (verdict->status != 0)
        return answer_problem(verdict->status, verdict->detail);
    if (too_large) {
        account_limit(&exchange->account, TALLY_REQUEST_BODY);
        return answer_problem(413, "the request's body is larger than allowed");
    }
    struct answer *answer = api_answer_head(exchange->config, exchange->inbound, &slot);
    const struct endpoint *endpoint = exchange->inbound->route.any;
    const char *path = slot == SLOT_BATCH ? "/batch" : endpoint ? endpoint->path : NULL;
    account_owner(&exchange->account, slot, path, !answer);
    return answer;
}

static enum MHD_Result take_head(struct exchange *exchange, const char *method, const char *version)
{
    struct gathering gathering;
    struct body_framing framing = {.chunked = false};
    exchange->head_seen = true;
    if (exchange->refused)
        return drop_rest(exchange);
    gather(exchange, method, version, &gathering);
    size_t records = exchange->inbound->headers.count + query_members(exchange->inbound->query);
    exchange->head_memory = gathering.size + records * FIELD_RECORD;
    struct verdict verdict = judge(exchange, version, gathering.size, &framing);
    if (exchange->account.observed)
        observe_head(exchange->account.observed, exchange->inbound, version, exchange->arena);
    bool too_large = framing.length > exchange->config->limits.request_body;
    if (too_large && !framing.expects_continue)
        return refuse_body(exchange);
    exchange->answer = answer_head(exchange, &verdict, too_large);
    if (exchange->answer && must_reply_now(&verdict, &framing)) {
        exchange->close = true;
        return send_answer(exchange);
    }
    connection_enter(exchange->connection, CONNECTION_BODY);
    return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *size)
{
    size_t len = *size;
    *size = 0;
    exchange->received += len;
    if (exchange->refused)
        return MHD_YES;
    if (exchange->received > exchange->config->limits.request_body)
        return refuse_body(exchange);
    if (exchange->answer)
        return MHD_YES;
    buffer_append(&exchange->body, data, len);
    if (buffer_status(&exchange->body) != 0)
        exchange->answer = answer_problem(503, "there is no memory for the request's body");
    return MHD_YES;
}

/* The arena frees the body, whoever has the arena by then. */
static void keep_body(struct exchange *exchange)
{
    size_t len = 0;
    char *body = buffer_take(&exchange->body, &len);
    if (body)
        arena_defer(exchange->arena, free, body);
    exchange->inbound->body = body ? body : "";
    exchange->inbound->body_len = len;
}

/* ---- the work ---- */

static void resume(struct exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    exchange->connection->front->due = true;
    MHD_resume_connection(exchange->connection->mhd);
}

static void take_answer(void *ctx, struct answer *answer)
{
    struct exchange *exchange = ctx;
    exchange->fanout = NULL;
    exchange->answer = answer;
    resume(exchange);
}

static void start_fanout(struct exchange *exchange, const struct batch *batch)
{
    struct arena *arena = exchange->arena;
    exchange->arena = NULL;
    struct fanout *fanout = fanout_start(exchange->connection->front->engine, exchange->config,
                                         batch, exchange->inbound, arena, take_answer, exchange);
    if (!exchange->answer)
        exchange->fanout = fanout;
}

/* The header of a stream does not depend on its parts, so HEAD sends nothing to upstreams. */
static void start_stream(struct exchange *exchange, const struct batch *batch)
{
    struct arena *arena = exchange->arena;
    if (exchange->is_head)
        return;
    exchange->arena = NULL;
    exchange->stream = stream_start(exchange->connection, exchange->config, batch,
                                    exchange->inbound, arena, exchange->form, &exchange->answer);
}

static enum MHD_Result send_stream(struct exchange *exchange)
{
    struct reply_manner manner = manner_of(exchange);
    if (exchange->stream)
        return stream_send(exchange->stream, &manner);
    manner.close = true;
    account_reply(&exchange->account, MHD_HTTP_OK, 0, RESULT_NONE);
    return stream_send_head(exchange->connection, exchange->form, &manner);
}

static bool is_reconnect(const struct exchange *exchange)
{
    return exchange->form == FORM_SERVER_EVENTS &&
           header_get(&exchange->inbound->headers, "Last-Event-ID");
}

/* True when the reply is the plan, or why there is none; whatever form was asked for. */
static bool explain(struct exchange *exchange)
{
    exchange->answer =
        api_explain_asked(exchange->config, exchange->inbound,
                          exchange->connection->front->engine->identity, exchange->arena);
    return exchange->answer != NULL;
}

/* The request is complete. */
static void begin_work(struct exchange *exchange)
{
    const struct batch *batch = NULL;
    exchange->begun = true;
    account_complete(&exchange->account);
    account_received(&exchange->account, exchange->received);
    connection_enter(exchange->connection, CONNECTION_WORK);
    if (exchange->answer)
        return;
    keep_body(exchange);
    if (api_may_explain(exchange->config, exchange->inbound) && explain(exchange))
        return;
    exchange->form = accept_form(&exchange->inbound->headers);
    if (is_reconnect(exchange)) {
        exchange->answer = api_answer_reconnect();
        return;
    }
    exchange->answer = api_read_batch(exchange->config, exchange->inbound, exchange->arena, &batch);
    if (exchange->answer || exchange->connection->gone)
        return;
    if (exchange->form == FORM_WHOLE)
        start_fanout(exchange, batch);
    else
        start_stream(exchange, batch);
}

enum MHD_Result intake_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    (void)cls;
    (void)url;
    struct exchange *exchange = *context;
    if (!exchange->head_seen)
        return take_head(exchange, method, version);
    if (*upload_size > 0)
        return take_body(exchange, upload, upload_size);
    if (exchange->refused)
        return MHD_NO;
    if (!exchange->begun)
        begin_work(exchange);
    if (exchange->answer)
        return send_answer(exchange);
    if (exchange->form != FORM_WHOLE && !exchange->connection->gone)
        return send_stream(exchange);
    if (!exchange->fanout)
        return MHD_NO; /* nobody is there to read a reply */
    exchange->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

/* ---- the end ---- */

void intake_closed(struct connection *connection)
{
    if (connection->exchange)
        exchange_free(connection->exchange, MHD_REQUEST_TERMINATED_WITH_ERROR);
    else
        account_unread(connection);
}

void intake_completed(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode reason)
{
    (void)cls;
    struct connection *connection = connection_of(mhd);
    *context = NULL;
    if (connection->exchange)
        exchange_free(connection->exchange, reason);
    connection_enter(connection, CONNECTION_IDLE);
}

static void end_fanout(struct exchange *exchange)
{
    fanout_cancel(exchange->fanout);
    exchange->fanout = NULL;
    resume(exchange);
}

void intake_client_left(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    if (exchange && exchange->fanout)
        end_fanout(exchange);
    if (exchange && exchange->stream)
        stream_cut(exchange->stream, END_CLIENT);
}

void intake_give_up(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    bool arrives = connection->phase == CONNECTION_HEAD || connection->phase == CONNECTION_BODY;
    connection_end_unused(connection);
    if (!exchange)
        return;
    if (arrives)
        refuse(exchange, 503, STOPPING);
    if (arrives || exchange->fanout ||
        (exchange->stream && stream_cut(exchange->stream, END_STOPPING)))
        connection_cut(connection);
    if (!exchange->fanout)
        return;
    exchange->answer = answer_problem(503, STOPPING);
    exchange->answer->result = RESULT_FAILED;
    end_fanout(exchange);
}
