/* The tally counts a request once, with the first status; observers take the last. */
#include "front/account.h"

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

static void count_end(struct account *account, unsigned status)
{
    if (account->counted)
        return;
    account->counted = true;
    count_begin(account, SLOT_NONE);
    tally_request_ended(account->endpoint, status, clock_now() - account->began);
}

void account_owner(struct account *account, size_t slot, const char *path)
{
    count_begin(account, slot);
    if (account->observed && path)
        observe_endpoint(account->observed, path);
}

void account_limit(const struct account *account, enum tally_limit limit)
{
    tally_limit(account->worker, limit);
}

void account_reply(struct account *account, unsigned status, uint64_t bytes)
{
    count_end(account, status);
    if (account->observed)
        observe_reply(account->observed, status, bytes);
}

/* What a request counts as that got no reply through libmicrohttpd: one of ours past it, or
 * its own to what it could not read, or nobody to reply to. */
static unsigned unanswered_status(const struct connection *connection)
{
    bool reading = connection->phase == CONNECTION_HEAD || connection->phase == CONNECTION_BODY;
    if (connection->timed_out)
        return 408;
    return connection->gone || !reading ? 499 : 400;
}

const char *account_request_id(const struct account *account)
{
    return account->observed ? observe_request_id(account->observed) : NULL;
}

void account_end(struct account *account, const struct connection *connection,
                 const struct inbound *inbound)
{
    count_end(account, connection->timed_out ? 408 : 0);
    if (account->observed)
        observe_end(account->observed, inbound, unanswered_status(connection));
    account->observed = NULL;
}
