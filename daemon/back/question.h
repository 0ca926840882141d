/*
 * A call's question to the resolver, which may be given up at any moment: if the answer is
 * on its way home already, the question frees itself there. On the thread of the mailbox.
 */
#ifndef BACK_QUESTION_H
#define BACK_QUESTION_H

#include "back/resolve.h"

struct question;

/* The answer: `addresses` (a reference, the receiver's), or NULL and the failure. */
typedef void question_fn(void *ctx, struct addresses *addresses, enum outcome_code failure);

/* Asks for the addresses of `host`, which is shorter than RESOLVE_HOST_MAX. 0: `answered` runs
 * later, once, unless *ret_question is given up before. RESOLVE_CACHED: it has run already.
 * RESOLVE_BUSY: it will not. */
int must_check question_ask(struct resolver *resolver, struct mailbox *home, const char *host,
                            usec_t deadline, question_fn *answered, void *ctx,
                            struct question **ret_question);
/* Not answered yet. NULL is fine; returns NULL. */
struct question *question_give_up(struct resolver *resolver, struct question *question);

#endif
