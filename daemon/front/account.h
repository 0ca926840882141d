/*
 * What is noted of one request: in the worker's tally, and for the access log and traces
 * where the configuration asks for them. On the exchange's thread.
 */
#ifndef FRONT_ACCOUNT_H
#define FRONT_ACCOUNT_H

#include "core/tally.h"
#include "front/observe.h"
#include "front/stream.h"

struct account {
    struct tally *worker;            /* or NULL */
    struct endpoint_tally *endpoint; /* once it is known who answers; or NULL */
    struct observed *observed;       /* NULL: nobody watches */
    usec_t began;
    bool counted;
    bool refused;          /* past libmicrohttpd, which does not know */
    uint64_t noted_before; /* by it, before that */
    enum access_end end;   /* END_COMPLETE: account_end() finds out */
    bool ours;             /* it is a batch or an endpoint that answers */
};

/* The first line was read. `config` must outlive it. */
void account_begin(struct account *account, const struct connection *connection,
                   const struct config *config);
/* Whose request it is, if it came with the right method or not; `path` as observe_endpoint()
 * takes it, NULL: nothing is served there. `ours`: it is a batch or an endpoint that answers. */
void account_owner(struct account *account, size_t slot, const char *path, bool ours);
void account_limit(const struct account *account, enum tally_limit limit);
/* The request is complete. */
void account_complete(const struct account *account);
/* Its reply has been decided, before the client can see it. `bytes` of the body. */
void account_reply(struct account *account, unsigned status, uint64_t bytes,
                   enum reply_result result);
/* It was a refusal past libmicrohttpd, of which the bytes are known once it is sent. */
void account_refused(struct account *account, const struct connection *connection, unsigned status,
                     uint64_t bytes);
/* Bytes of the request's body, when no more are read. */
void account_received(struct account *account, uint64_t bytes);
/* Its reply was a stream, which is over. */
void account_stream(struct account *account, const struct stream *stream);

/* The request's id as it is now, and later at the same place; NULL: nobody watches. */
const char *account_request_id(const struct account *account);

/* The exchange is over, whether it had a reply or not. `received` bytes of the request's body
 * were read; `reason` is libmicrohttpd's. */
void account_end(struct account *account, struct connection *connection,
                 const struct inbound *inbound, uint64_t received,
                 enum MHD_RequestTerminationCode reason);

/* A connection closes between two exchanges. If that is because libmicrohttpd could not read
 * even the first line of a request, and has answered it, that is a request all the same. Before
 * 1.0 it has no answer to a line without a target, and has shut the connection down by then. */
void account_unread(struct connection *connection);

#endif
