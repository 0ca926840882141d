/* What the daemon serves: /batch and the configured endpoints. Values in, answer out. */
#ifndef FRONT_API_H
#define FRONT_API_H

#include "core/answer.h"
#include "core/config.h"
#include "core/inbound.h"

/* What can be said from the head alone: 404, 405, 415, the reply to OPTIONS. NULL:
 * the request is for us to run, and inbound->route is set (no endpoint: /batch).
 * *ret_slot: among the endpoints, under which it is counted. */
struct answer *api_answer_head(const struct config *config, struct inbound *inbound,
                               size_t *ret_slot);

/* The batch to run, once the body is complete, in *ret_batch: the endpoint's own, or the
 * client's, read into `arena`. Otherwise the answer that says what is wrong with it. */
struct answer *api_read_batch(const struct config *config, const struct inbound *inbound,
                              struct arena *arena, const struct batch **ret_batch);

/* True when clients may ask for the plan of what this request names. */
static inline bool api_may_explain(const struct config *config, const struct inbound *inbound)
{
    return inbound->route.endpoint ? inbound->route.endpoint->explain : config->explain;
}

/* Where they may: the plan, when the query asks for it (`identity`: as for plan_make()), or what
 * is wrong. NULL: it does not ask, and inbound->query is free of the word in a batch. */
struct answer *api_explain_asked(const struct config *config, struct inbound *inbound,
                                 const char *identity, struct arena *arena);

/* The plan of any request, for those who may see everything: whoever calls this has made sure of
 * that. Of `inbound` method, target, query, headers and body are set, the rest is zero; a word of
 * `explain` in the query means nothing. Nothing is called. 404 and the like as for a client. */
struct answer *api_explain(const struct config *config, struct inbound *inbound,
                           const char *identity, struct arena *arena);

/* To an EventSource that connects again: its stream is over, and nothing is run twice. */
struct answer *api_answer_reconnect(void);

#endif
