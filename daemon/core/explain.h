/*
 * What a batch would do, as JSON, without doing it: stages, URLs, fields, bodies and
 * deadlines of its requests. Whatever only replies can tell stays as it was written.
 * What is secret by its name is masked (core/mask).
 */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include "core/answer.h"
#include "core/inbound.h"

/* What `explain` in the query of a client's request says. */
enum explain_wish { EXPLAIN_NO, EXPLAIN_YES, EXPLAIN_UNCLEAR };

/* `explain`, `explain=true` and `explain=1` are yes; none, `false` and `0` are no. The first
 * of several counts. */
enum explain_wish explain_wish(struct arena *arena, const struct inbound *inbound);
/* The query without its members of that name. */
const char *explain_rest(struct arena *arena, const char *query);

/* The reply: 200 and the plan, or what the batch itself would be refused with (400, 403, 508).
 * Endpoints that are run in place are shown where their `explain` says so, or `all` of them.
 * `arena` takes what is planned. A plan beyond limits.merged is a 502 problem. */
struct answer *explain_batch(const struct config *config, const struct batch *batch,
                             const struct inbound *inbound, const char *identity, bool all,
                             struct arena *arena);

#endif
