/*
 * One CURLM for each file of trusted certificates. libcurl keeps what it parsed of a
 * file with the CURLM, and of one file only: upstreams that trust different files would
 * have it parse a file again for nearly every connection.
 */
#ifndef BACK_TRUST_H
#define BACK_TRUST_H

#include "back/multi.h"

struct trusts;

/* `connections`, `finished` and `ctx` are those of multi_new(). */
int must_check trusts_new(struct loop *loop, long connections, multi_finished_fn *finished,
                          void *ctx, struct trusts **ret_trusts);
struct trusts *trusts_free(struct trusts *trusts); /* see multi_free() */

/* The CURLM for this file; NULL stands for the system's. It lives as long as `trusts`. */
struct multi *trusts_multi(struct trusts *trusts, const char *ca_file)
    __attribute__((returns_nonnull));

void trusts_turn(struct trusts *trusts);
bool trusts_are_due(const struct trusts *trusts);
size_t trusts_open_sockets(const struct trusts *trusts);

#endif
