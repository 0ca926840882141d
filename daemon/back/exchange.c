/*
 * The life of an exchange: CONNECTING (an attempt) or at once on an idle
 * connection, SENDING until the request is out, WAITING for the reply, FINISHED
 * with an outcome to tell. The connection's one epoll entry serves them all.
 *
 * Nothing is kept for a call that can be had when it is needed: bytes are received
 * into one scratch buffer of the worker (a large body straight into its place), and
 * the buffer of a request goes back to the worker as soon as the request is out. So
 * a call that waits costs this struct. Exchanges are recycled.
 *
 * After a send nothing is received: the reply cannot be there yet, and epoll says
 * when it is. A send that fails ends nothing by itself: the upstream may have
 * replied before it stopped reading, so the reply is read first.
 *
 * Events are told from exchanges_turn() only; what has one is in `queue`.
 */
#include "back/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "back/outgoing.h"
#include "back/reply_reader.h"
#include "base/mem.h"
#include "base/recycler.h"

#define ALIVE_RECENTLY USEC_PER_SEC /* servers keep idle connections for longer */

enum { SCRATCH = 16384, SPARE_EXCHANGES = 1024, ROUNDS = 16 };

struct exchanges {
    struct loop *loop;
    struct connector *connector;
    struct pool *pool;
    struct link queue; /* have something to tell */
    struct recycler records;
    bool starting; /* inside exchange_start(): perhaps outside of any turn */
    struct spare_requests requests;
    struct timer wake;
    struct tally *tally; /* or NULL */
    char scratch[SCRATCH];
};

struct exchange {
    struct exchanges *owner;
    const struct call_spec *spec;
    const char *address;
    usec_t deadline;
    const struct carry_events *events;
    void *ctx;
    struct peer *peer;
    struct connecting *connecting;
    struct channel *channel;
    struct upstream_tally *tally; /* or NULL */
    struct outgoing outgoing;
    struct reply_reader reader;
    bool reading; /* the reader is set up */
    bool idempotent, again, out, broken, began, finished, paused;
    bool hung_up; /* the upstream has closed its side */
    bool tell_again, tell_sent, tell_began;
    struct outcome outcome;
    struct link link; /* in the queue */
};

/* ---- telling ---- */

static void nothing(struct timer *timer)
{
    (void)timer; /* it made the loop turn */
}

static void queue(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->owner;
    if (list_holds(&exchange->link))
        return;
    list_append(&exchanges->queue, &exchange->link);
}

static void finish(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->owner;
    exchange->finished = true;
    queue(exchange);
    if (exchanges->starting && exchanges->wake.position == 0)
        loop_set(exchanges->loop, &exchanges->wake, 0, nothing);
}

static void close_channel(struct exchange *exchange)
{
    if (exchange->channel)
        channel_close(exchange->channel);
    exchange->channel = NULL;
}

static void let_go(struct exchange *exchange)
{
    outgoing_end(&exchange->outgoing, &exchange->owner->requests);
    if (exchange->reading)
        reply_reader_done(&exchange->reader);
    exchange->reading = false;
}

static void fail(struct exchange *exchange, enum outcome_code code, const char *detail)
{
    close_channel(exchange);
    let_go(exchange);
    exchange->outcome = (struct outcome){.code = code, .detail = detail, .attempts = 1};
    finish(exchange);
}

/* ---- sending ---- */

static void channel_event(struct channel *channel, uint32_t events);
static void connect_again(struct exchange *exchange);

/* Sends what goes. False: the connection takes no more, ever. */
static bool send_more(struct exchange *exchange)
{
    int rc = outgoing_send(&exchange->outgoing, exchange->channel);
    if (rc != 0 && rc != -EAGAIN)
        return false;
    exchange->out = rc == 0;
    if (exchange->out) {
        if (exchange->tally)
            tally_add(&exchange->tally->bytes_out, exchange->outgoing.sent);
        outgoing_end(&exchange->outgoing, &exchange->owner->requests);
    }
    return channel_want_out(exchange->channel, !exchange->out) == 0;
}

static void send_failed(struct exchange *exchange)
{
    exchange->broken = true;
    /* The end of the connection, or a reply before it, is there to be read. */
    if (channel_want_out(exchange->channel, false) != 0)
        fail(exchange, OUTCOME_INTERNAL, "the connection could not be watched");
}

static void begin_reading(struct exchange *exchange)
{
    const struct call_spec *spec = exchange->spec;
    const struct reply_limits limits = {
        .bodiless = strcmp(spec->method, "HEAD") == 0,
        .decode = spec->decode,
        .header_max = spec->reply_header_max,
        .body_max = spec->reply_body_max,
    };
    reply_reader_init(&exchange->reader, &limits);
    exchange->reading = true;
}

static void begin_sending(struct exchange *exchange, struct channel *channel)
{
    channel->owner = exchange;
    channel->ready = channel_event;
    exchange->channel = channel;
    exchange->out = exchange->broken = exchange->hung_up = false;
    begin_reading(exchange);
    if (outgoing_begin(&exchange->outgoing, &exchange->owner->requests, exchange->spec,
                       exchange->deadline, exchange->again) != 0)
        fail(exchange, OUTCOME_INTERNAL, "the request's header is too large");
    else if (!send_more(exchange))
        send_failed(exchange);
    if (exchange->paused)
        exchange_pause(exchange, true);
}

/* ---- the end of a reply ---- */

/* A full buffer may have cut off what follows the reply; reading shows it. */
static bool is_silent(struct exchange *exchange)
{
    return channel_recv(exchange->channel, exchange->owner->scratch, SCRATCH) == -EAGAIN;
}

static void replied(struct exchange *exchange, bool filled)
{
    struct exchanges *exchanges = exchange->owner;
    bool reuse = exchange->out && !exchange->hung_up && !exchange->paused &&
                 reply_reader_may_reuse(&exchange->reader) && (!filled || is_silent(exchange));
    reply_reader_take(&exchange->reader, &exchange->outcome);
    exchange->outcome.attempts = 1;
    if (reuse)
        pool_give(exchanges->pool, exchange->peer, exchange->channel);
    else
        close_channel(exchange);
    exchange->channel = NULL;
    let_go(exchange);
    finish(exchange);
}

/* The connection ended, in order or not. */
static void ended(struct exchange *exchange, bool in_order)
{
    bool stale = exchange->channel->used && !exchange->began;
    if (stale && exchange->idempotent && !exchange->again) {
        connect_again(exchange);
        return;
    }
    if (in_order && reply_reader_end(&exchange->reader) == REPLY_COMPLETE) {
        replied(exchange, false);
        return;
    }
    if (in_order) /* the reader knows what was missing */
        fail(exchange, exchange->reader.head.fault, exchange->reader.head.detail);
    else
        fail(exchange,
             exchange->began ? OUTCOME_RESPONSE_INCOMPLETE : OUTCOME_CONNECTION_TERMINATED, NULL);
}

/* ---- receiving ---- */

enum received { RECEIVED_ALL, RECEIVED_MORE, RECEIVED_END };

/* One recv(), into the body's place if there is one. */
static enum received receive_once(struct exchange *exchange)
{
    struct reply_reader *reader = &exchange->reader;
    char *place = NULL;
    size_t room = reply_reader_place(reader, &place);
    bool placed = room > 0;
    if (!placed) {
        place = exchange->owner->scratch;
        room = SCRATCH;
    }
    ssize_t got = channel_recv(exchange->channel, place, room);
    if (got == -EAGAIN || got == -EINTR)
        return RECEIVED_ALL;
    if (got <= 0) {
        ended(exchange, got == 0);
        return RECEIVED_END;
    }
    size_t used;
    if (exchange->tally)
        tally_add(&exchange->tally->bytes_in, (size_t)got);
    bool filled = (size_t)got == room;
    exchange->began = true;
    enum reply_state state = placed ? reply_reader_placed(reader, (size_t)got)
                                    : reply_reader_feed(reader, place, (size_t)got, &used);
    if (state == REPLY_COMPLETE)
        replied(exchange, filled);
    else if (state == REPLY_FAULTY)
        fail(exchange, reader->head.fault, reader->head.detail);
    if (state != REPLY_MORE)
        return RECEIVED_END;
    return filled ? RECEIVED_MORE : RECEIVED_ALL;
}

/* What libcurl holds decrypted, epoll does not see: there it is read until it has no more. */
static void receive(struct exchange *exchange)
{
    bool layered = channel_is_layered(exchange->channel);
    bool began = exchange->began;
    enum received received = RECEIVED_MORE;
    for (int round = 0; received == RECEIVED_MORE && (round < ROUNDS || layered); round++)
        received = receive_once(exchange);
    if (received == RECEIVED_END || began || !exchange->began)
        return;
    exchange->tell_began = true;
    queue(exchange);
}

static void channel_event(struct channel *channel, uint32_t events)
{
    struct exchange *exchange = channel->owner;
    exchange->hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (!exchange->out && !exchange->broken && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) &&
        !send_more(exchange)) {
        send_failed(exchange);
        if (exchange->finished)
            return;
    }
    if (events & ~(uint32_t)EPOLLOUT)
        receive(exchange);
}

/* ---- connecting ---- */

static void connected(void *ctx, struct channel *channel, enum outcome_code code,
                      const char *detail)
{
    struct exchange *exchange = ctx;
    exchange->connecting = NULL;
    if (!channel) {
        fail(exchange, code, detail);
        return;
    }
    channel->tally = exchange->tally;
    if (exchange->tally) {
        tally_add(&exchange->tally->opened, 1);
        tally_add(&exchange->tally->known, 1);
    }
    begin_sending(exchange, channel);
    exchange->tell_sent = true;
    queue(exchange);
}

static bool begin_connecting(struct exchange *exchange)
{
    const struct call_spec *spec = exchange->spec;
    const struct destination to = {
        .origin = spec->origin,
        .address = exchange->address,
        .ca_file = spec->upstream ? spec->upstream->ca_file : NULL,
        .proxy = spec->upstream ? spec->upstream->proxy : NULL,
    };
    exchange->connecting = connecting_start(exchange->owner->connector, &to, connected, exchange);
    return exchange->connecting != NULL;
}

static void connect_again(struct exchange *exchange)
{
    close_channel(exchange);
    let_go(exchange);
    exchange->again = exchange->tell_again = true;
    exchange->tell_sent = false;
    queue(exchange);
    if (!begin_connecting(exchange))
        fail(exchange, OUTCOME_INTERNAL, "libcurl could not start the connection");
}

/* An idle connection on which anything arrives is closed by its watch; what came after
 * this turn's events is seen by a look only. A plain one that became idle in this turn needs
 * none: the recv that ended its reply found nothing behind it, and its event told of no end.
 * libcurl may hold back what it has read; and a call that must not fail looks in any case. */
static struct channel *idle_channel(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->owner;
    usec_t idle = exchange->idempotent ? USEC_NEVER : ALIVE_RECENTLY;
    struct channel *channel = pool_take(exchanges->pool, exchange->peer, idle);
    if (!channel)
        return NULL;
    bool sure = !channel_is_layered(channel) || channel->idle_since != loop_now(exchanges->loop);
    if ((exchange->idempotent && sure) || channel_is_quiet(channel))
        return channel;
    channel_close(channel);
    return NULL;
}

/* ---- calls ---- */

static void release(struct exchange *exchange)
{
    if (list_holds(&exchange->link))
        list_remove(&exchange->link);
    pool_release(exchange->owner->pool, exchange->peer);
    recycler_give(&exchange->owner->records, exchange);
}

struct exchange *exchange_start(struct exchanges *exchanges, const struct call_spec *spec,
                                const char *address, usec_t deadline,
                                const struct carry_events *events, void *ctx, bool *ret_sent)
{
    const struct peer_name name = {
        .origin = spec->origin,
        .address = address,
        .ca_file = spec->upstream ? spec->upstream->ca_file : NULL,
        .proxy = spec->upstream && spec->upstream->proxy ? spec->upstream->proxy->text : NULL,
        .adhoc = !spec->upstream,
    };
    struct exchange *exchange = recycler_take(&exchanges->records);
    exchange->owner = exchanges;
    exchange->spec = spec;
    exchange->address = address;
    exchange->deadline = deadline;
    exchange->events = events;
    exchange->ctx = ctx;
    exchange->idempotent = header_method_idempotent(spec->method);
    exchange->again = exchange->began = exchange->finished = exchange->paused = false;
    exchange->tell_again = exchange->tell_sent = exchange->tell_began = false;
    exchange->tally = tally_upstream(exchanges->tally, spec->upstream);
    exchange->peer = pool_peer(exchanges->pool, &name);
    struct channel *channel = idle_channel(exchange);
    if (channel) {
        if (exchange->tally)
            tally_add(&exchange->tally->reused, 1);
        exchanges->starting = true;
        begin_sending(exchange, channel);
        exchanges->starting = false;
    } else if (!begin_connecting(exchange)) {
        release(exchange);
        return NULL;
    }
    *ret_sent = channel != NULL;
    return exchange;
}

void exchange_pause(struct exchange *exchange, bool paused)
{
    exchange->paused = paused;
    if (exchange->channel)
        channel_pause(exchange->channel, paused);
}

void exchange_stop(struct exchange *exchange)
{
    if (exchange->connecting)
        connecting_stop(exchange->connecting);
    exchange->connecting = NULL;
    close_channel(exchange);
    let_go(exchange);
    outcome_done(&exchange->outcome);
    release(exchange);
}

/* ---- the carrier ---- */

/* One event: what began was sent, what was sent is connected. The exchange may be
 * gone after it. Only that it connects again is told before its end. */
static void tell(struct exchange *exchange)
{
    const struct carry_events *events = exchange->events;
    void *ctx = exchange->ctx;
    bool again = exchange->tell_again && !exchange->tell_sent && !exchange->tell_began;
    if (again) {
        exchange->tell_again = false;
        if (!exchange->finished)
            list_remove(&exchange->link);
        events->phase(ctx, CARRY_CONNECTING);
    } else if (exchange->finished) {
        struct outcome outcome = outcome_take(&exchange->outcome);
        release(exchange);
        events->done(ctx, &outcome);
        outcome_done(&outcome);
    } else {
        bool began = exchange->tell_began;
        list_remove(&exchange->link);
        exchange->tell_again = exchange->tell_began = exchange->tell_sent = false;
        events->phase(ctx, began ? CARRY_REPLYING : CARRY_SENT);
    }
}

void exchanges_turn(struct exchanges *exchanges)
{
    connector_turn(exchanges->connector);
    loop_clear(exchanges->loop, &exchanges->wake);
    while (!list_is_empty(&exchanges->queue))
        tell(container_of(exchanges->queue.next, struct exchange, link));
}

bool exchanges_are_due(const struct exchanges *exchanges)
{
    return !list_is_empty(&exchanges->queue) || connector_is_due(exchanges->connector);
}

int exchanges_new(struct loop *loop, const struct pool_limits *limits,
                  struct exchanges **ret_exchanges)
{
    struct connector *connector;
    int rc = connector_new(loop, &connector);
    if (rc != 0)
        return rc;
    struct exchanges *exchanges = mem_new(sizeof *exchanges);
    exchanges->loop = loop;
    exchanges->connector = connector;
    exchanges->pool = pool_new(loop, limits);
    list_init(&exchanges->queue);
    recycler_init(&exchanges->records, sizeof(struct exchange), SPARE_EXCHANGES);
    *ret_exchanges = exchanges;
    return 0;
}

void exchanges_count_in(struct exchanges *exchanges, struct tally *tally)
{
    exchanges->tally = tally;
}

struct exchanges *exchanges_free(struct exchanges *exchanges)
{
    if (!exchanges)
        return NULL;
    loop_clear(exchanges->loop, &exchanges->wake);
    recycler_done(&exchanges->records);
    spare_requests_done(&exchanges->requests);
    pool_free(exchanges->pool);
    connector_free(exchanges->connector);
    free(exchanges);
    return NULL;
}

size_t exchanges_open_sockets(const struct exchanges *exchanges)
{
    return connector_open_sockets(exchanges->connector);
}

size_t exchanges_idle(const struct exchanges *exchanges)
{
    return pool_idle(exchanges->pool);
}

size_t exchanges_idle_to(const struct exchanges *exchanges, const struct origin *origin)
{
    return pool_idle_to(exchanges->pool, origin);
}
