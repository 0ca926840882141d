/*
 * Connections to upstreams. A plain one costs a descriptor and nothing of libcurl. One
 * with TLS (verified) or through a proxy is made by libcurl on the worker's loop and
 * keeps its handle, through which its bytes go.
 */
#ifndef BACK_CONNECT_H
#define BACK_CONNECT_H

#include "base/list.h"
#include "base/loop.h"
#include "core/outcome.h"
#include "core/proxy.h"
#include "core/url.h"

struct connector; /* one per worker */
struct connecting;
struct channel;
struct handle;
struct upstream_tally;

typedef void channel_ready_fn(struct channel *channel, uint32_t events);

struct channel {
    /* Whose it is now: told of EPOLLIN, EPOLLRDHUP, errors, and EPOLLOUT if wanted. */
    channel_ready_fn *ready;
    void *owner;
    usec_t made;                  /* when */
    struct upstream_tally *tally; /* of the upstream it was made for; or NULL */
    bool used;                    /* it carried a call to its end before */
    /* The pool's. */
    struct link by_peer, by_age;
    struct peer *peer;
    usec_t idle_since;
    /* The module's. */
    struct connector *connector;
    struct handle *handle; /* TLS or through a proxy; else NULL */
    struct watch watch;
    int fd;
    bool wants_out, paused;
};

int must_check connector_new(struct loop *loop, struct connector **ret_connector);
/* No connection and no attempt may be left. NULL is fine. */
struct connector *connector_free(struct connector *connector);
void connector_turn(struct connector *connector);
bool connector_is_due(const struct connector *connector);
size_t connector_open_sockets(const struct connector *connector);

/* `channel` is the receiver's, its `ready` to be set at once; NULL: failed, and
 * then why. Never runs inside connecting_start(). The attempt is gone. */
typedef void connected_fn(void *ctx, struct channel *channel, enum outcome_code code,
                          const char *detail);

struct destination {
    const struct origin *origin;
    const char *address;       /* a literal: of the proxy if there is one */
    const char *ca_file;       /* NULL: the system's */
    const struct proxy *proxy; /* NULL: none */
};

/* Connects. NULL: libcurl could not start. */
struct connecting *connecting_start(struct connector *connector, const struct destination *to,
                                    connected_fn *done, void *ctx);
void connecting_stop(struct connecting *connecting); /* without `done` */

/* Bytes moved, or -errno; -EAGAIN: not now. channel_recv: 0 is the end. A send
 * that could not go out is repeated with the same bytes. */
ssize_t channel_send(struct channel *channel, const char *data, size_t len);
ssize_t channel_recv(struct channel *channel, char *place, size_t room);
/* True when nothing waits to be read and the end has not come. */
bool channel_is_quiet(const struct channel *channel);
/* True when bytes go through libcurl: it may hold some that epoll knows nothing of, and
 * an event may mean that nothing has come. */
bool channel_is_layered(const struct channel *channel);
/* Is EPOLLOUT wanted? 0 or -errno. */
int must_check channel_want_out(struct channel *channel, bool wanted);
/* Paused, it tells only of errors and of EPOLLOUT. Should the kernel refuse, it stays as it
 * was: the call goes on, or its deadline ends it. */
void channel_pause(struct channel *channel, bool paused);
void channel_close(struct channel *channel);

#endif
