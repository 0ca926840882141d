/*
 * A reply in the making: the parts of a fan-out go to the client as they complete. From
 * the start of the fan-out until the connection is done with the request.
 */
#ifndef FRONT_STREAM_H
#define FRONT_STREAM_H

#include "core/accept.h"
#include "core/access_record.h"
#include "front/connection.h"
#include "front/reply.h"

struct stream;

/* Starts the fan-out of `batch` (taken as one for a stream). `arena` is taken. NULL:
 * nothing may be sent at all, and *ret_refusal says why. */
struct stream *stream_start(struct connection *connection, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, enum reply_form form, struct answer **ret_refusal);
/* Bytes of the body that libmicrohttpd has taken. */
uint64_t stream_bytes(const struct stream *stream);
/* What it was, now that the connection is done with it. */
enum reply_result stream_result(const struct stream *stream);
/* How long its upstreams had to wait for its client. */
usec_t stream_held(const struct stream *stream);
/* Cancels what still runs. The connection must not be suspended (stream_cut() first). */
struct stream *stream_free(struct stream *stream); /* NULL is fine; returns NULL */

/* Queues the reply; from the access handler only. */
enum MHD_Result stream_send(struct stream *stream, const struct reply_manner *manner);

/* The header alone, with nothing run: for HEAD. */
enum MHD_Result stream_send_head(struct connection *connection, enum reply_form form,
                                 const struct reply_manner *manner);

/* If its fan-out still runs: that is cancelled, and the connection ends without the
 * summary, which tells the client that the reply is not complete. Otherwise nothing, and
 * false. */
bool stream_cut(struct stream *stream, enum access_end why);
/* Why it was cut; END_COMPLETE: it was not. */
enum access_end stream_end(const struct stream *stream);

#endif
