/*
 * A carrier: one HTTP call as a complete libcurl transfer in the worker's CURLM,
 * driven by curl_multi_socket_action. For what exchange.h declines, which is HTTP/2:
 * the calls of a worker to one upstream then share one connection, as far as the
 * upstream's limit on streams allows.
 */
#ifndef BACK_TRANSFER_H
#define BACK_TRANSFER_H

#include "back/carry.h"
#include "base/loop.h"
#include "core/plan.h"
#include "core/tally.h"

struct carrier; /* one per worker: CURLM, recycled easy handles, open connections */
struct transfer;

int must_check carrier_new(struct loop *loop, struct carrier **ret_carrier);
/* Counts in `tally` from now on; borrowed. */
void carrier_count_in(struct carrier *carrier, struct tally *tally);
struct carrier *carrier_free(struct carrier *carrier); /* no transfer may be left */

/* Begins a call to `address` (a literal, pinned for the connection). `deadline` is
 * only told to the upstream (timeout_header). NULL: libcurl could not start it. */
struct transfer *transfer_start(struct carrier *carrier, const struct call_spec *spec,
                                const char *address, usec_t deadline,
                                const struct carry_events *events, void *ctx);
/* Ends it without `done`. A connection that no other transfer uses is closed. */
void transfer_stop(struct transfer *transfer);

/* Whether negotiation with the call's upstream ended at HTTP/1.1 a short while ago. */
bool carrier_met_http_1(const struct carrier *carrier, const struct call_spec *spec);

/* Runs libcurl's due work and reports what happened. Once per turn of the loop. */
void carrier_turn(struct carrier *carrier);
/* True when it would do something now; else the loop wakes when it would. */
bool carrier_is_due(const struct carrier *carrier);

/* Connections open now, idle ones included; for tests and metrics. */
size_t carrier_open_sockets(const struct carrier *carrier);

#endif
