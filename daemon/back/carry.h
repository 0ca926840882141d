/*
 * What every carrier promises: a call in, an outcome out. A carrier moves bytes;
 * names, deadlines and admission are dispatch's. A header without a source: the
 * contract that transfer.h and exchange.h share.
 */
#ifndef BACK_CARRY_H
#define BACK_CARRY_H

#include "core/outcome.h"

enum carry_phase { CARRY_CONNECTING, CARRY_SENT, CARRY_REPLYING };

struct carry_events { /* run from a carrier's turn, never inside its start or stop */
    /* Connected and sent; the reply began. A step that is over when it could be told
     * is left out. CARRY_CONNECTING: an idle connection was dead after all, and the
     * call goes out once more on a new one. */
    void (*phase)(void *ctx, enum carry_phase phase);
    void (*done)(void *ctx, struct outcome *outcome); /* once; the call is gone then */
};

#endif
