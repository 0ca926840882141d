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
 */
#include "back/entry.h"

#include "base/loop.h"

void entry_init(struct entry *entry)
{
    *entry = (struct entry){.entering = NULL};
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

void entry_passed(struct entrant *entrant)
{
    if (!entrant->entry || entrant->entry->entering != entrant)
        return;
    entrant->entry->entering = NULL;
    admit_next(entrant->entry);
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
    if (entry->serial == serial)
        return;
    entry->serial = serial;
    if (serial)
        entry->entering = NULL;
    admit_next(entry);
}

bool entrant_may_send(struct entrant *entrant, bool idempotent, bool made_connection)
{
    entrant->refused = entrant->sendings > 0 && !idempotent;
    entrant->alone = entrant->joins && made_connection;
    if (entrant->refused || entrant->alone)
        return false;
    entrant->sendings++;
    entrant->used = !made_connection;
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
