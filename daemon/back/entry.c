/*
 * HTTP/2 calls share connections, and libcurl 7.88 must not be left alone with that: a
 * call that starts while another connects opens a connection of its own, or is put onto
 * the one that does not stand yet and fails; calls that it parks itself it may forget,
 * and none of them times out. So only one call at a time is without a connection. The
 * others wait here, on their own deadlines, and follow one by one, each taking a stream,
 * until one finds all connections full and makes the next.
 *
 * When a shared connection dies, libcurl sends what was on it again by itself in some
 * cases, whatever the method. It asks before; all but idempotent calls are refused then.
 * In the other cases idempotent calls are repeated here, once.
 *
 * libcurl from 8.13 on puts no call onto a connection without TLS before a reply has
 * begun there (`late`). Those who wait are then patient for a moment; after that each
 * makes a connection of its own, since a slow reply must not hold up the others.
 */
#include "back/entry.h"

#include "base/loop.h"

#define PATIENCE (100 * USEC_PER_MSEC)

void entry_init(struct entry *entry, struct loop *loop, bool late)
{
    *entry = (struct entry){.late = late, .loop = loop};
    list_init(&entry->waiting);
}

static void admit(struct entrant *entrant)
{
    entrant->entry->entering = entrant->entry->serial ? NULL : entrant;
    list_append(entrant->admitted, &entrant->turn);
}

static void admit_next(struct entry *entry)
{
    while (!entry->entering && !list_is_empty(&entry->waiting)) {
        struct entrant *next = container_of(entry->waiting.next, struct entrant, turn);
        list_remove(&next->turn);
        admit(next);
    }
}

bool entry_ask(struct entrant *entrant)
{
    struct entry *entry = entrant->entry;
    if (entry->serial)
        return true;
    if (entry->entering) {
        list_append(&entry->waiting, &entrant->turn);
        return false;
    }
    entry->entering = entrant;
    return true;
}

static void leave(struct entry *entry)
{
    if (entry->patience.position != 0)
        loop_clear(entry->loop, &entry->patience);
    entry->entering = NULL;
}

void entry_passed(struct entrant *entrant)
{
    if (!entrant->entry || entrant->entry->entering != entrant)
        return;
    leave(entrant->entry);
    admit_next(entrant->entry);
}

/* Nobody looks for those who are let go here; who comes after them waits again. */
static void lose_patience(struct timer *timer)
{
    struct entry *entry = container_of(timer, struct entry, patience);
    while (!list_is_empty(&entry->waiting)) {
        struct entrant *next = container_of(entry->waiting.next, struct entrant, turn);
        list_remove(&next->turn);
        list_append(next->admitted, &next->turn);
    }
    entry->entering = NULL;
}

void entry_again(struct entrant *entrant)
{
    struct entry *entry = entrant->entry;
    if (entrant->alone)
        entry->connected = false;
    entrant->alone = false;
    if (entry->entering && entry->entering != entrant)
        list_push(&entry->waiting, &entrant->turn);
    else
        admit(entrant);
}

void entry_learn(struct entrant *entrant, bool serial)
{
    struct entry *entry = entrant->entry;
    bool first = entry->late && !serial && !entry->connected;
    if (entry->serial == serial && !first)
        return;
    entry->serial = serial;
    if (serial || first)
        leave(entry);
    entry->connected |= first;
    admit_next(entry);
}

static void await_reply(struct entrant *entrant)
{
    struct entry *entry = entrant->entry;
    if (entry->entering == entrant)
        loop_set(entry->loop, &entry->patience, clock_now() + PATIENCE, lose_patience);
}

bool entrant_may_send(struct entrant *entrant, bool idempotent, bool made_connection)
{
    entrant->refused = entrant->sendings > 0 && !idempotent;
    entrant->alone = entrant->joins && made_connection;
    if (entrant->refused || entrant->alone)
        return false;
    entrant->sendings++;
    entrant->used = !made_connection;
    if (made_connection && entrant->entry->late) {
        await_reply(entrant);
        return true;
    }
    entrant->entry->connected = true;
    entry_passed(entrant);
    return true;
}

bool entrant_may_repeat(struct entrant *entrant, bool idempotent, bool unsent)
{
    bool may = unsent ? entrant->sendings <= 1 || idempotent : entrant->used && idempotent;
    if (entrant->repeated || !may)
        return false;
    entrant->repeated = true;
    if (unsent && entrant->sendings > 0)
        entrant->sendings--;
    return true;
}

void entrant_withdraw(struct entrant *entrant)
{
    if (list_holds(&entrant->turn))
        list_remove(&entrant->turn);
}
