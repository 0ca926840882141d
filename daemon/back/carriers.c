/*
 * Each carrier keeps its own connections; a call never wanders between them. What
 * the configuration says about a call's version of HTTP is asked in one place,
 * exchange_takes().
 *
 * Idle connections may take what leaves a quarter of the descriptors the process may
 * have to others. Descriptors are numbered from the lowest free one, so a high number
 * tells that the whole process is short of them, whichever worker holds them.
 */
#include "back/carriers.h"

#include <limits.h>
#include <sys/resource.h>

#include "back/exchange.h"
#include "back/transfer.h"
#include "base/mem.h"

#define IDLE_TIME (50 * USEC_PER_SEC) /* most servers keep them for a minute or more */
#define LIFE_TIME (300 * USEC_PER_SEC)

enum { IDLE_PER_PEER = 16384, IDLE_TOTAL = 65536 };

struct carriers {
    struct exchanges *exchanges;
    struct carrier *transfers;
};

static int last_to_keep(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX)
        return INT_MAX;
    return (int)(files.rlim_cur - files.rlim_cur / 4);
}

int carriers_new(struct loop *loop, struct carriers **ret_carriers)
{
    const struct pool_limits limits = {
        .per_peer = IDLE_PER_PEER,
        .total = IDLE_TOTAL,
        .descriptor = last_to_keep(),
        .idle = IDLE_TIME,
        .life = LIFE_TIME,
    };
    struct exchanges *exchanges;
    struct carrier *transfers;
    int rc = exchanges_new(loop, &limits, &exchanges);
    if (rc != 0)
        return rc;
    rc = carrier_new(loop, &transfers);
    if (rc != 0) {
        exchanges_free(exchanges);
        return rc;
    }
    struct carriers *carriers = mem_new(sizeof *carriers);
    carriers->exchanges = exchanges;
    carriers->transfers = transfers;
    *ret_carriers = carriers;
    return 0;
}

void carriers_count_in(struct carriers *carriers, struct tally *tally)
{
    exchanges_count_in(carriers->exchanges, tally);
    carrier_count_in(carriers->transfers, tally);
}

struct carriers *carriers_free(struct carriers *carriers)
{
    if (!carriers)
        return NULL;
    exchanges_free(carriers->exchanges);
    carrier_free(carriers->transfers);
    free(carriers);
    return NULL;
}

/* HTTP/1.1 is the exchange's, also where an upstream has just chosen it. */
static bool exchange_takes(const struct carriers *carriers, const struct call_spec *spec)
{
    return spec->http == HTTP_1 ||
           (spec->http == HTTP_NEGOTIATED && carrier_met_http_1(carriers->transfers, spec));
}

bool carriers_start(struct carriers *carriers, const struct call_spec *spec, const char *address,
                    usec_t deadline, const struct carry_events *events, void *ctx,
                    struct carried *ret_carried, bool *ret_sent)
{
    struct carried carried = {.by_exchange = NULL};
    bool sent = false;
    if (exchange_takes(carriers, spec))
        carried.by_exchange =
            exchange_start(carriers->exchanges, spec, address, deadline, events, ctx, &sent);
    else
        carried.by_transfer =
            transfer_start(carriers->transfers, spec, address, deadline, events, ctx);
    if (!carried.by_exchange && !carried.by_transfer)
        return false;
    *ret_carried = carried;
    *ret_sent = sent;
    return true;
}

/* Transfers share a connection, and libcurl reads it for all of them or for none: a paused
 * one would hold up others. What they may receive is bounded by the size of a reply. */
void carried_pause(struct carried *carried, bool paused)
{
    if (carried->by_exchange)
        exchange_pause(carried->by_exchange, paused);
}

void carried_stop(struct carried *carried)
{
    struct carried ended = *carried;
    *carried = (struct carried){.by_exchange = NULL};
    if (ended.by_exchange)
        exchange_stop(ended.by_exchange);
    if (ended.by_transfer)
        transfer_stop(ended.by_transfer);
}

void carriers_turn(struct carriers *carriers)
{
    exchanges_turn(carriers->exchanges);
    carrier_turn(carriers->transfers);
}

bool carriers_are_due(const struct carriers *carriers)
{
    return exchanges_are_due(carriers->exchanges) || carrier_is_due(carriers->transfers);
}

size_t carriers_open_sockets(const struct carriers *carriers)
{
    return exchanges_open_sockets(carriers->exchanges) + carrier_open_sockets(carriers->transfers);
}

size_t carriers_idle(const struct carriers *carriers, const struct origin *origin)
{
    return exchanges_idle_to(carriers->exchanges, origin);
}
