/*
 * A plain connection is a socket of ours from the start: the channel exists while it
 * connects, and its one epoll entry serves the attempt, the calls and the idle time.
 * With thousands of attempts at a time, libcurl's handles took most of the memory
 * that a call in flight needs, and more CPU than the connections themselves.
 *
 * TLS is libcurl's, and so are tunnels through a proxy: a handle with CONNECT_ONLY runs in a CURLM
 * until the connection stands. Then the descriptor is released from libcurl's watch, and ours is
 * registered once, for the life of the connection. The handle stays in the CURLM,
 * since curl_easy_send() and curl_easy_recv() find the connection only there;
 * libcurl has nothing to do for it. Its cache must not judge connections by age:
 * its idea of when one was last used is the moment it was made.
 */
#include "back/connect.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "back/curl_result.h"
#include "back/tcp.h"
#include "back/transfer_options.h"
#include "back/trust.h"
#include "base/mem.h"
#include "core/tally.h"

struct connector {
    struct loop *loop;
    struct trusts *trusts;
    struct lanes *lanes;
    size_t open; /* connections handed out, and plain attempts */
};

struct connecting {
    struct connector *connector;
    struct channel *channel; /* plain; NULL: there is no socket, and the timer tells */
    struct handle *handle;   /* libcurl's */
    bool tls, by_proxy;
    struct timer timer;
    int error; /* why there is no socket */
    connected_fn *done;
    void *ctx;
};

/* ---- handles ---- */

static bool prepare(void *ctx, struct handle *handle)
{
    static const struct transfer_callbacks none = {.header = NULL};
    int rc = 0;
    handle->multi = trusts_multi(((struct connector *)ctx)->trusts, lane_ca_file(handle));
    if (!transfer_options_fixed(handle, &none) || !multi_adopt(handle->multi, handle->easy))
        return false;
    rc |= curl_easy_setopt(handle->easy, CURLOPT_CONNECT_ONLY, 1L);
    rc |= curl_easy_setopt(handle->easy, CURLOPT_MAXAGE_CONN, (long)INT_MAX);
    rc |= curl_easy_setopt(handle->easy, CURLOPT_MAXLIFETIME_CONN, 0L);
    return rc == CURLE_OK;
}

/* ---- plain attempts ---- */

static struct channel *new_channel(struct connector *connector, int fd)
{
    struct channel *channel = mem_new(sizeof *channel);
    channel->connector = connector;
    channel->fd = fd;
    connector->open++;
    return channel;
}

static void channel_event(struct watch *watch, uint32_t events)
{
    struct channel *channel = container_of(watch, struct channel, watch);
    channel->ready(channel, events);
}

/* Tells of an attempt that failed, and ends it. */
static void refuse(struct connecting *connecting, int error)
{
    struct connecting attempt = *connecting;
    struct curl_failure failure = {.code = CURLE_COULDNT_CONNECT, .os_error = error};
    enum outcome_code code = curl_result_code(&failure);
    if (attempt.channel)
        channel_close(attempt.channel);
    free(connecting);
    attempt.done(attempt.ctx, NULL, code,
                 code == OUTCOME_INTERNAL ? "the system refused a socket" : NULL);
}

static void no_socket(struct timer *timer)
{
    struct connecting *connecting = container_of(timer, struct connecting, timer);
    refuse(connecting, connecting->error);
}

static void plain_decided(struct channel *channel, uint32_t events)
{
    struct connecting *connecting = channel->owner;
    struct connecting attempt = *connecting;
    (void)events;
    int rc = tcp_connected(channel->fd);
    if (rc == 0)
        rc = channel_want_out(channel, false);
    if (rc != 0) {
        refuse(connecting, -rc);
        return;
    }
    channel->made = loop_now(attempt.connector->loop);
    free(connecting);
    attempt.done(attempt.ctx, channel, OUTCOME_NONE, NULL);
}

static int start_plain(struct connecting *connecting, const struct destination *to)
{
    struct connector *connector = connecting->connector;
    int fd = tcp_connect(to->address, to->origin->port);
    if (fd < 0)
        return fd;
    struct channel *channel = new_channel(connector, fd);
    channel->ready = plain_decided;
    channel->owner = connecting;
    channel->wants_out = true;
    connecting->channel = channel;
    return loop_watch(connector->loop, &channel->watch, fd, EPOLLIN | EPOLLRDHUP | EPOLLOUT,
                      channel_event);
}

/* ---- attempts by libcurl ---- */

/* Through a proxy every connection is a tunnel, and the upstream's name goes to it. */
static bool lead_through(CURL *easy, const struct proxy *proxy, const char *address)
{
    char text[80];
    bool six = strchr(address, ':') != NULL;
    snprintf(text, sizeof text, six ? "http://[%s]:%u" : "http://%s:%u", address,
             (unsigned)proxy->port);
    int rc = curl_easy_setopt(easy, CURLOPT_PROXY, text);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, proxy->user);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, proxy->password);
    return rc == CURLE_OK;
}

static bool set_destination(struct handle *handle, const struct destination *to)
{
    if (to->proxy)
        return lead_through(handle->easy, to->proxy, to->address);
    struct curl_slist *pin = transfer_options_pin(handle, to->origin, to->address);
    return curl_easy_setopt(handle->easy, CURLOPT_CONNECT_TO, pin) == CURLE_OK;
}

static bool start_by_libcurl(struct connecting *connecting, const struct destination *to)
{
    struct connector *connector = connecting->connector;
    const struct lane_name name = {
        .origin = to->origin,
        .ca_file = to->ca_file,
        .proxy = to->proxy ? to->proxy->text : NULL,
        .http = HTTP_1,
    };
    struct handle *handle = lanes_take(connector->lanes, &name);
    if (!handle)
        return false;
    handle->user = connecting;
    if (!set_destination(handle, to) || !multi_add(handle->multi, handle->easy)) {
        lanes_give(connector->lanes, handle);
        return false;
    }
    connecting->handle = handle;
    connecting->tls = to->origin->tls;
    connecting->by_proxy = to->proxy != NULL;
    return true;
}

/* The connection that an attempt made; NULL: it cannot be used. */
static struct channel *take_over(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    struct handle *handle = connecting->handle;
    int fd = multi_release_socket(handle->multi, handle->easy);
    if (fd < 0) {
        multi_remove(handle->multi, handle->easy);
        lanes_give(connector->lanes, handle);
        return NULL;
    }
    struct channel *channel = new_channel(connector, fd);
    channel->made = loop_now(connector->loop);
    channel->handle = handle;
    handle->user = channel;
    if (loop_watch(connector->loop, &channel->watch, fd, EPOLLIN | EPOLLRDHUP, channel_event) == 0)
        return channel;
    channel_close(channel);
    return NULL;
}

static enum outcome_code judge(const struct connecting *connecting, CURLcode result,
                               const char **ret_detail)
{
    struct curl_failure failure = {.code = result, .tls = connecting->tls};
    CURL *easy = connecting->handle->easy;
    *ret_detail = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &failure.os_error) != CURLE_OK)
        failure.os_error = 0;
    if (connecting->by_proxy) {
        enum outcome_code code = proxy_failure(easy, &failure, ret_detail);
        if (code != OUTCOME_NONE)
            return code;
    }
    enum outcome_code code = curl_result_code(&failure);
    *ret_detail = curl_result_detail(result, code);
    return code;
}

static void attempt_finished(void *ctx, CURL *easy, CURLcode result)
{
    struct connector *connector = ctx;
    char *private = NULL;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    assert(rc == CURLE_OK);
    struct connecting *connecting = ((struct handle *)(void *)private)->user;
    struct connecting attempt = *connecting;
    free(connecting);
    if (result != CURLE_OK) {
        const char *detail;
        enum outcome_code code = judge(&attempt, result, &detail);
        multi_remove(attempt.handle->multi, easy);
        lanes_give(connector->lanes, attempt.handle);
        attempt.done(attempt.ctx, NULL, code, detail);
        return;
    }
    struct channel *channel = take_over(&attempt);
    attempt.done(attempt.ctx, channel, channel ? OUTCOME_NONE : OUTCOME_INTERNAL,
                 channel ? NULL : "the connection could not be taken over");
}

/* ---- attempts ---- */

struct connecting *connecting_start(struct connector *connector, const struct destination *to,
                                    connected_fn *done, void *ctx)
{
    struct connecting *connecting = mem_new(sizeof *connecting);
    *connecting = (struct connecting){.connector = connector, .done = done, .ctx = ctx};
    if (!to->origin->tls && !to->proxy) {
        connecting->error = -start_plain(connecting, to);
        if (connecting->error != 0)
            loop_set(connector->loop, &connecting->timer, 0, no_socket);
    } else if (!start_by_libcurl(connecting, to)) {
        free(connecting);
        return NULL;
    }
    return connecting;
}

void connecting_stop(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    loop_clear(connector->loop, &connecting->timer);
    if (connecting->channel)
        channel_close(connecting->channel);
    if (connecting->handle) {
        multi_cancel(connecting->handle->multi, connecting->handle->easy, false);
        lanes_give(connector->lanes, connecting->handle);
    }
    free(connecting);
}

/* ---- connections ---- */

static ssize_t moved(const struct channel *channel, CURLcode result, size_t len)
{
    long os_error = 0;
    if (result == CURLE_OK)
        return (ssize_t)len;
    if (result == CURLE_AGAIN)
        return -EAGAIN;
    if (curl_easy_getinfo(channel->handle->easy, CURLINFO_OS_ERRNO, &os_error) != CURLE_OK ||
        os_error == 0)
        os_error = ECONNRESET;
    return -os_error;
}

ssize_t channel_send(struct channel *channel, const char *data, size_t len)
{
    if (channel->handle) {
        size_t sent = 0;
        CURLcode result = curl_easy_send(channel->handle->easy, data, len, &sent);
        return moved(channel, result, sent);
    }
    ssize_t sent = send(channel->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent >= 0 ? sent : -errno;
}

ssize_t channel_recv(struct channel *channel, char *place, size_t room)
{
    if (channel->handle) {
        size_t got = 0;
        CURLcode result = curl_easy_recv(channel->handle->easy, place, room, &got);
        return moved(channel, result, got);
    }
    ssize_t got = recv(channel->fd, place, room, MSG_DONTWAIT);
    return got >= 0 ? got : -errno;
}

bool channel_is_quiet(const struct channel *channel)
{
    char byte;
    return recv(channel->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool channel_is_layered(const struct channel *channel)
{
    return channel->handle != NULL;
}

static int watch_again(struct channel *channel)
{
    uint32_t in = channel->paused ? 0 : EPOLLIN | EPOLLRDHUP;
    uint32_t out = channel->wants_out ? EPOLLOUT : 0;
    return loop_rewatch(channel->connector->loop, &channel->watch, in | out);
}

int channel_want_out(struct channel *channel, bool wanted)
{
    if (channel->wants_out == wanted)
        return 0;
    channel->wants_out = wanted;
    return watch_again(channel);
}

void channel_pause(struct channel *channel, bool paused)
{
    bool before = channel->paused;
    channel->paused = paused;
    if (before != paused && watch_again(channel) != 0)
        channel->paused = before;
}

void channel_close(struct channel *channel)
{
    struct connector *connector = channel->connector;
    loop_unwatch(connector->loop, &channel->watch);
    if (channel->handle) {
        multi_remove(channel->handle->multi, channel->handle->easy); /* says goodbye in TLS */
        lanes_give(connector->lanes, channel->handle);
    }
    close(channel->fd);
    connector->open--;
    if (channel->tally)
        tally_add(&channel->tally->closed, 1);
    free(channel);
}

/* ---- life ---- */

int connector_new(struct loop *loop, struct connector **ret_connector)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct connector *connector = mem_new(sizeof *connector);
    int rc = trusts_new(loop, LANE_CONNECTIONS, attempt_finished, connector, &connector->trusts);
    if (rc != 0) {
        free(connector);
        curl_global_cleanup();
        return rc;
    }
    connector->loop = loop;
    connector->lanes = lanes_new(loop, prepare, connector);
    *ret_connector = connector;
    return 0;
}

struct connector *connector_free(struct connector *connector)
{
    if (!connector)
        return NULL;
    assert(connector->open == 0);
    lanes_free(connector->lanes);
    trusts_free(connector->trusts);
    free(connector);
    curl_global_cleanup();
    return NULL;
}

void connector_turn(struct connector *connector)
{
    trusts_turn(connector->trusts);
}

bool connector_is_due(const struct connector *connector)
{
    return trusts_are_due(connector->trusts);
}

size_t connector_open_sockets(const struct connector *connector)
{
    return connector->open + trusts_open_sockets(connector->trusts);
}
