/*
 * The first is the system's. Only a configuration names files, so there are few; reloads
 * could pile up others, so from the sixteenth on they share the first one's CURLM, which
 * is slower and no less right: libcurl compares the file's name before it uses what it
 * keeps.
 */
#include "back/trust.h"

#include <string.h>

#include "base/mem.h"

enum { TRUSTS_MOST = 16 };

struct trusts {
    struct loop *loop;
    long connections;
    multi_finished_fn *finished;
    void *ctx;
    size_t count;
    struct {
        char *ca_file; /* NULL: the system's */
        struct multi *multi;
    } items[TRUSTS_MOST];
};

static int add(struct trusts *trusts, const char *ca_file)
{
    struct multi *multi;
    int rc = multi_new(trusts->loop, trusts->connections, trusts->finished, trusts->ctx, &multi);
    if (rc != 0)
        return rc;
    trusts->items[trusts->count].ca_file = ca_file ? mem_string(ca_file) : NULL;
    trusts->items[trusts->count].multi = multi;
    trusts->count++;
    return 0;
}

struct multi *trusts_multi(struct trusts *trusts, const char *ca_file)
{
    if (!ca_file)
        return trusts->items[0].multi;
    for (size_t i = 1; i < trusts->count; i++)
        if (strcmp(trusts->items[i].ca_file, ca_file) == 0)
            return trusts->items[i].multi;
    if (trusts->count < TRUSTS_MOST && add(trusts, ca_file) == 0)
        return trusts->items[trusts->count - 1].multi;
    return trusts->items[0].multi;
}

void trusts_turn(struct trusts *trusts)
{
    for (size_t i = 0; i < trusts->count; i++)
        multi_run(trusts->items[i].multi);
}

bool trusts_are_due(const struct trusts *trusts)
{
    for (size_t i = 0; i < trusts->count; i++)
        if (multi_is_due(trusts->items[i].multi))
            return true;
    return false;
}

size_t trusts_open_sockets(const struct trusts *trusts)
{
    size_t open = 0;
    for (size_t i = 0; i < trusts->count; i++)
        open += multi_open_sockets(trusts->items[i].multi);
    return open;
}

int trusts_new(struct loop *loop, long connections, multi_finished_fn *finished, void *ctx,
               struct trusts **ret_trusts)
{
    struct trusts *trusts = mem_new(sizeof *trusts);
    *trusts = (struct trusts){
        .loop = loop,
        .connections = connections,
        .finished = finished,
        .ctx = ctx,
    };
    int rc = add(trusts, NULL);
    if (rc != 0) {
        free(trusts);
        return rc;
    }
    *ret_trusts = trusts;
    return 0;
}

struct trusts *trusts_free(struct trusts *trusts)
{
    if (!trusts)
        return NULL;
    for (size_t i = 0; i < trusts->count; i++) {
        multi_free(trusts->items[i].multi);
        free(trusts->items[i].ca_file);
    }
    free(trusts);
    return NULL;
}
