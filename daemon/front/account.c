/* The tally counts a request once, with the first status; observers take the last. */
#include "front/account.h"

#define STATUS_CLIENT_LEFT 499 /* nobody was there to get a reply */

void account_begin(struct account *account, const struct connection *connection,
                   const struct config *config)
{
    const struct front *front = connection->front;
    account->worker = front->engine->tally;
    account->began = clock_now();
    if (config->observes && front->outlets)
        account->observed = observe_begin(connection, config);
}

static void count_begin(struct account *account, size_t slot)
{
    if (!account->endpoint)
        account->endpoint = tally_request_begun(account->worker, slot);
}

static void count_end(struct account *account, unsigned status, enum reply_result result,
                      uint64_t bytes)
{
    if (account->counted)
        return;
    account->counted = true;
    count_begin(account, SLOT_NONE);
    tally_reply(account->endpoint, result, bytes);
    tally_request_ended(account->endpoint, status, clock_now() - account->began);
}

void account_owner(struct account *account, size_t slot, const char *path, bool ours)
{
    count_begin(account, slot);
    account->ours = ours;
    if (account->observed && path)
        observe_endpoint(account->observed, path);
}

void account_limit(const struct account *account, enum tally_limit limit)
{
    tally_limit(account->worker, limit);
}

void account_reply(struct account *account, unsigned status, uint64_t bytes,
                   enum reply_result result)
{
    count_end(account, status, result, bytes);
    if (account->observed)
        observe_reply(account->observed, status, bytes);
}

void account_refused(struct account *account, const struct connection *connection, unsigned status,
                     uint64_t bytes)
{
    account->refused = true;
    account->noted_before = connection->front->replies.noted;
    tally_reply(account->endpoint, RESULT_NONE, bytes);
    if (account->observed)
        observe_reply(account->observed, status, bytes);
}

void account_received(struct account *account, uint64_t bytes)
{
    if (bytes > 0)
        tally_request_body(account->endpoint, bytes);
}

const char *account_request_id(const struct account *account)
{
    return account->observed ? observe_request_id(account->observed) : NULL;
}

void account_complete(const struct account *account)
{
    if (account->observed)
        observe_complete(account->observed);
}

void account_stream(struct account *account, const struct stream *stream)
{
    account->end = stream_end(stream);
    count_end(account, MHD_HTTP_OK, stream_result(stream), stream_bytes(stream));
    if (account->observed)
        observe_stream(account->observed, stream_bytes(stream), stream_held(stream));
}

/* libmicrohttpd may refuse as well what we have refused; it sends nothing then, and what it noted
 * is nobody else's. */
static void drop_second_refusal(const struct account *account, struct connection *connection,
                                enum MHD_RequestTerminationCode reason)
{
    struct library_replies *replies = &connection->front->replies;
    struct library_reply reply;
    if (account->refused && reason == MHD_REQUEST_TERMINATED_WITH_ERROR &&
        replies->noted > account->noted_before)
        (void)library_reply_take(replies, &reply);
}

/* Of a request that got no reply through us: one of ours past libmicrohttpd, or its own to
 * what it could not read, or none, because there is nobody to reply to. */
static struct library_reply unanswered(struct connection *connection,
                                       enum MHD_RequestTerminationCode reason)
{
    bool reading = connection->phase == CONNECTION_HEAD || connection->phase == CONNECTION_BODY;
    bool broken = reason == MHD_REQUEST_TERMINATED_READ_ERROR ||
                  reason == MHD_REQUEST_TERMINATED_CLIENT_ABORT ||
                  reason == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN;
    struct library_reply reply = {.status = 408, .bytes = connection->last_words};
    if (connection->timed_out)
        return reply;
    connection->refused =
        reading && !broken && library_reply_take(&connection->front->replies, &reply);
    if (!connection->refused)
        reply.status = connection->gone || broken || !reading ? STATUS_CLIENT_LEFT : 400;
    return reply;
}

/* libmicrohttpd knows only of a reply that it has queued whether it went out. */
static enum access_end end_of(const struct account *account, const struct connection *connection,
                              unsigned unanswered, enum MHD_RequestTerminationCode reason)
{
    if (connection->timed_out || connection->stalled) /* we have ended the connection */
        return END_TIMEOUT;
    if (account->end != END_COMPLETE)
        return account->end;
    if (reason == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN)
        return END_STOPPING;
    if (unanswered != 0)
        return unanswered == STATUS_CLIENT_LEFT ? END_CLIENT : END_COMPLETE;
    bool queued = connection->phase == CONNECTION_REPLY || connection->phase == CONNECTION_WORK;
    return queued && reason != MHD_REQUEST_TERMINATED_COMPLETED_OK ? END_CLIENT : END_COMPLETE;
}

void account_end(struct account *account, struct connection *connection,
                 const struct inbound *inbound, uint64_t received,
                 enum MHD_RequestTerminationCode reason)
{
    struct library_reply reply = {.status = 0};
    drop_second_refusal(account, connection, reason);
    if (!account->counted) {
        reply = unanswered(connection, reason);
        bool left = reply.status == STATUS_CLIENT_LEFT;
        count_end(account, left ? 0 : reply.status,
                  left && account->ours ? RESULT_ABANDONED : RESULT_NONE, reply.bytes);
        if (account->observed)
            observe_reply(account->observed, reply.status, reply.bytes);
    }
    if (account->observed)
        observe_end(account->observed, inbound, received,
                    end_of(account, connection, reply.status, reason));
    account->observed = NULL;
}

void account_unread(struct connection *connection)
{
    struct front *front = connection->front;
    struct account account = {.worker = NULL};
    struct library_reply reply;
    bool between = connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_IDLE;
    if (front->replies.count == 0 || !between || connection->refused ||
        !connection_has_sent(connection) || !library_reply_take(&front->replies, &reply))
        return;
    front->begun++;
    account_begin(&account, connection, front->config);
    account_reply(&account, reply.status, reply.bytes, RESULT_NONE);
    account_end(&account, connection, NULL, 0, MHD_REQUEST_TERMINATED_WITH_ERROR);
    front->ended++;
}
