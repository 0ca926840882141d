/* An allocation of its own, since it may outlive its call. */
#include "back/question.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct question {
    struct resolve_query query; /* first */
    question_fn *answered;      /* NULL: given up */
    void *ctx;
};

static void hand_over(struct question *question)
{
    struct addresses *addresses = question->query.addresses;
    question->query.addresses = NULL;
    question->answered(question->ctx, addresses, question->query.failure);
}

static void came_home(struct resolve_query *query, void *receiver)
{
    struct question *question = (struct question *)(void *)query; /* its first member */
    (void)receiver;
    if (question->answered)
        hand_over(question);
    addresses_unref(query->addresses);
    free(question);
}

int question_ask(struct resolver *resolver, struct mailbox *home, const char *host, usec_t deadline,
                 question_fn *answered, void *ctx, struct question **ret_question)
{
    size_t len = strlen(host);
    assert(len < RESOLVE_HOST_MAX);
    struct question *question = mem_new(sizeof *question);
    memcpy(question->query.host, host, len + 1);
    question->query.deadline = deadline;
    question->query.home = home;
    question->query.answered = came_home;
    question->answered = answered;
    question->ctx = ctx;
    int rc = resolver_ask(resolver, &question->query);
    if (rc == 0) {
        *ret_question = question;
        return 0;
    }
    if (rc == RESOLVE_CACHED)
        hand_over(question);
    free(question);
    return rc;
}

struct question *question_give_up(struct resolver *resolver, struct question *question)
{
    if (!question)
        return NULL;
    question->answered = NULL;
    if (resolver_withdraw(resolver, &question->query))
        free(question);
    return NULL;
}
