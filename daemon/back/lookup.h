/* One blocking lookup. A function of this type is what the resolver's threads
 * run, so that tests can make slow, failing and counted ones. */
#ifndef BACK_LOOKUP_H
#define BACK_LOOKUP_H

#include "back/addresses.h"
#include "base/latch.h"
#include "core/config.h"

struct resolver;

/* Positive: the name has no addresses (worth remembering). Negative errno: the
 * machine could not ask (not worth it). */
enum { LOOKUP_FAILED = 1 };

typedef int lookup_fn(void *ctx, const char *host, struct addresses **ret_addresses);

/* getaddrinfo(): /etc/hosts, DNS, whatever nsswitch.conf says. `ctx` is unused. */
int must_check lookup_system(void *ctx, const char *host, struct addresses **ret_addresses);

/* Like resolver_new(), with another lookup; `ctx` must outlive the threads. */
int must_check resolver_new_with(const struct resolver_options *options, struct latch *latch,
                                 lookup_fn *lookup, void *ctx, struct resolver **ret_resolver);

/* The calling thread will look nothing up any more: frees what the system's resolver keeps
 * for it. glibc would do so itself, but after the thread has been counted out of its latch,
 * so that a process which ends at that moment leaks. */
void lookup_leave_thread(void);

#endif
