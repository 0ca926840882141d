/* What the daemon serves: /batch and the configured endpoints. Values in, answer out. */
#ifndef FRONT_API_H
#define FRONT_API_H

#include "core/answer.h"
#include "core/inbound.h"

/* What can be said from the head alone: 404, 405, 415, the reply to OPTIONS. NULL:
 * the request is for us to run, and inbound->route is set (no endpoint: /batch).
 * *ret_slot: among the endpoints, under which it is counted. */
struct answer *api_answer_head(const struct config *config, struct inbound *inbound,
                               size_t *ret_slot);

/* The batch to run, once the body is complete, in *ret_batch: the endpoint's own, or the
 * client's, read into `arena`. Otherwise the answer that says what is wrong with it;
 * *ret_too_many: it was limits.requests among others. */
struct answer *api_read_batch(const struct config *config, const struct inbound *inbound,
                              struct arena *arena, const struct batch **ret_batch,
                              bool *ret_too_many);

/* To an EventSource that connects again: its stream is over, and nothing is run twice. */
struct answer *api_answer_reconnect(void);

#endif
