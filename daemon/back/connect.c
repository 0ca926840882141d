/*
 * A handle with CONNECT_ONLY runs in a CURLM until the connection stands. Then the
 * descriptor is released from libcurl. For a plain connection that is all there is:
 * the handle is removed (libcurl "closes" a descriptor that is not its own any
 * more) and goes back to its lane. For TLS the handle stays in the CURLM, since
 * curl_easy_send() and curl_easy_recv() find the connection only there; libcurl has
 * nothing to do for it and watches nothing.
 *
 * libcurl's own watch is given up, and ours is registered once, for the life of the
 * connection. libcurl's cache must not judge connections by age: its idea of when
 * one was last used is the moment it was made.
 */
#include "back/connect.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "back/curl_result.h"
#include "back/multi.h"
#include "back/transfer_options.h"
#include "base/mem.h"

struct connector {
    struct loop *loop;
    struct multi *multi;
    struct lanes *lanes;
    size_t open; /* connections handed out */
};

struct connecting {
    struct connector *connector;
    struct handle *handle;
    bool tls;
    connected_fn *done;
    void *ctx;
};

/* ---- handles ---- */

static bool prepare(void *ctx, struct handle *handle)
{
    static const struct transfer_callbacks none = {.header = NULL};
    int rc = 0;
    if (!transfer_options_fixed(handle, &none) ||
        !multi_adopt(((struct connector *)ctx)->multi, handle->easy))
        return false;
    rc |= curl_easy_setopt(handle->easy, CURLOPT_CONNECT_ONLY, 1L);
    rc |= curl_easy_setopt(handle->easy, CURLOPT_MAXAGE_CONN, (long)INT_MAX);
    rc |= curl_easy_setopt(handle->easy, CURLOPT_MAXLIFETIME_CONN, 0L);
    return rc == CURLE_OK;
}

/* ---- attempts ---- */

struct connecting *connecting_start(struct connector *connector, const struct origin *origin,
                                    const char *ca_file, const char *address, connected_fn *done,
                                    void *ctx)
{
    const struct lane_name name = {.origin = origin, .ca_file = ca_file, .http = HTTP_1};
    struct handle *handle = lanes_take(connector->lanes, &name);
    if (!handle)
        return NULL;
    struct connecting *connecting = mem_new(sizeof *connecting);
    *connecting = (struct connecting){
        .connector = connector,
        .handle = handle,
        .tls = origin->tls,
        .done = done,
        .ctx = ctx,
    };
    handle->user = connecting;
    struct curl_slist *pin = transfer_options_pin(handle, origin, address);
    if (curl_easy_setopt(handle->easy, CURLOPT_CONNECT_TO, pin) != CURLE_OK ||
        !multi_add(connector->multi, handle->easy)) {
        lanes_give(connector->lanes, handle);
        free(connecting);
        return NULL;
    }
    return connecting;
}

static void give_up(struct connecting *connecting)
{
    multi_remove(connecting->connector->multi, connecting->handle->easy);
    lanes_give(connecting->connector->lanes, connecting->handle);
}

void connecting_stop(struct connecting *connecting)
{
    multi_cancel(connecting->connector->multi, connecting->handle->easy);
    lanes_give(connecting->connector->lanes, connecting->handle);
    free(connecting);
}

static void channel_event(struct watch *watch, uint32_t events)
{
    struct channel *channel = container_of(watch, struct channel, watch);
    channel->ready(channel, events);
}

/* The connection that an attempt made; NULL: it cannot be used, and the attempt
 * still holds its handle. */
static struct channel *take_over(struct connecting *connecting)
{
    struct connector *connector = connecting->connector;
    CURL *easy = connecting->handle->easy;
    int fd = multi_release_socket(connector->multi, easy);
    if (fd < 0)
        return NULL;
    struct channel *channel = mem_new(sizeof *channel);
    channel->connector = connector;
    channel->fd = fd;
    channel->made = loop_now(connector->loop);
    if (loop_watch(connector->loop, &channel->watch, fd, EPOLLIN | EPOLLRDHUP, channel_event) !=
        0) {
        multi_remove(connector->multi, easy);
        lanes_give(connector->lanes, connecting->handle);
        connecting->handle = NULL;
        close(fd);
        free(channel);
        return NULL;
    }
    connector->open++;
    if (connecting->tls) {
        channel->handle = connecting->handle;
        channel->handle->user = channel;
    } else {
        give_up(connecting);
    }
    connecting->handle = NULL;
    return channel;
}

static enum outcome_code judge(const struct connecting *connecting, CURLcode result)
{
    struct curl_failure failure = {.code = result, .tls = connecting->tls};
    CURL *easy = connecting->handle->easy;
    if (curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &failure.os_error) != CURLE_OK)
        failure.os_error = 0;
    return curl_result_code(&failure);
}

static void attempt_finished(void *ctx, CURL *easy, CURLcode result)
{
    char *private = NULL;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    assert(rc == CURLE_OK);
    (void)ctx;
    struct connecting attempt = *(struct connecting *)((struct handle *)(void *)private)->user;
    free(((struct handle *)(void *)private)->user);
    enum outcome_code code = OUTCOME_INTERNAL;
    const char *detail = "the connection could not be taken over";
    struct channel *channel = result == CURLE_OK ? take_over(&attempt) : NULL;
    if (result != CURLE_OK) {
        code = judge(&attempt, result);
        detail = code == OUTCOME_INTERNAL ? curl_easy_strerror(result) : NULL;
    }
    if (!channel && attempt.handle)
        give_up(&attempt);
    attempt.done(attempt.ctx, channel, channel ? OUTCOME_NONE : code, detail);
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

bool channel_is_tls(const struct channel *channel)
{
    return channel->handle != NULL;
}

int channel_want_out(struct channel *channel, bool wanted)
{
    if (channel->wants_out == wanted)
        return 0;
    channel->wants_out = wanted;
    uint32_t events = EPOLLIN | EPOLLRDHUP | (wanted ? (uint32_t)EPOLLOUT : 0);
    return loop_rewatch(channel->connector->loop, &channel->watch, events);
}

void channel_close(struct channel *channel)
{
    struct connector *connector = channel->connector;
    loop_unwatch(connector->loop, &channel->watch);
    if (channel->handle) {
        multi_remove(connector->multi, channel->handle->easy); /* says goodbye in TLS */
        lanes_give(connector->lanes, channel->handle);
    }
    close(channel->fd);
    connector->open--;
    free(channel);
}

/* ---- life ---- */

int connector_new(struct loop *loop, struct connector **ret_connector)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct connector *connector = mem_new(sizeof *connector);
    int rc = multi_new(loop, LANE_CONNECTIONS, attempt_finished, connector, &connector->multi);
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
    multi_free(connector->multi);
    free(connector);
    curl_global_cleanup();
    return NULL;
}

void connector_turn(struct connector *connector)
{
    multi_run(connector->multi);
}

bool connector_is_due(const struct connector *connector)
{
    return multi_is_due(connector->multi);
}

size_t connector_open_sockets(const struct connector *connector)
{
    return connector->open + multi_open_sockets(connector->multi);
}
