/*
 * curl_multi_socket_action() on base/loop. What makes it correct and cheap:
 *
 * - A table by descriptor holds the watches. CURL_POLL_REMOVE says only that no transfer uses
 *   the connection now: the epoll entry stays, and a reuse costs no epoll_ctl. A
 *   connection ends when libcurl closes it through our callback.
 * - libcurl 7.88.0 to 8.2.0 close a socket that is not connected yet without
 *   that callback. So after a failure or a cancel the descriptors that became
 *   idle in it are checked: epoll itself knows whether an entry's file is open.
 * - An event on such an idle connection means that the upstream closed it, or sent what
 *   nobody asked for. It is shut down at once, so that libcurl's own check before a reuse
 *   finds it dead and no reply is ever taken from there. Only HTTP/2 has things to say
 *   between calls; its frames stay in the socket until libcurl looks before a reuse.
 * - libcurl 7.88 to 8.14 leave the reset of a cancelled stream in their buffer until the
 *   connection is used again. So one that a cancel leaves idle is shut down, and those in
 *   use are looked at once more: which of them had the stream cannot be asked.
 * - The timeout callback only notes the time; libcurl must not be entered from
 *   its own callbacks. A timeout of 0 is served in the same turn (multi_run()).
 * - libcurl 7.88 reads more from an HTTP/2 connection than it hands out, and then waits for
 *   an event that may never come. So its connection is looked at until nothing comes.
 * - While transfers run, libcurl is called at least once a second even when it
 *   has not asked for it: several versions forget a timeout now and then.
 */
#include "back/multi.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

enum { FIRST_SOCKETS = 64, ROUNDS = 8, ROUNDS_AGAIN = 64 };

#define TICK           USEC_PER_SEC
#define RESETS_AT_ONCE 0x080f00 /* libcurl 8.15.0 */

struct socket_watch {
    struct watch watch;
    struct multi *multi;
    curl_socket_t fd;
    bool idle;                  /* no transfer uses it */
    bool released;              /* not libcurl's any more */
    bool frames;                /* may send while idle */
    uint32_t events;            /* watched for */
    struct socket_watch *older; /* in `just_idle` */
    bool is_just_idle;
    struct link again;            /* in multi->again, or in none */
    struct upstream_tally *tally; /* where it counts; NULL: nowhere */
};

struct multi {
    CURLM *curlm;
    struct loop *loop;
    struct timer timer;
    bool due;
    size_t running;
    struct socket_watch **sockets; /* by descriptor */
    size_t socket_room, socket_count;
    struct socket_watch *just_idle; /* since libcurl was entered last */
    struct link again;              /* connections to look at once more in this turn */
    bool resets_late, resets;       /* of streams wait in libcurl's buffers; they do now */
    bool has_frames;                /* of HTTP/2: the rest is only for them */
    bool progress;
    multi_finished_fn *finished;
    void *ctx;
};

/* ---- running libcurl ---- */

static void wake(struct timer *timer)
{
    container_of(timer, struct multi, timer)->due = true;
}

static void keep_ticking(struct multi *multi)
{
    if (multi->running > 0 && !multi->due && multi->timer.position == 0)
        loop_set(multi->loop, &multi->timer, loop_now(multi->loop) + TICK, wake);
}

enum idle_check { IDLE_KNOWN, IDLE_VERIFY, IDLE_END };

static void check_just_idle(struct multi *multi, enum idle_check check);
static struct socket_watch *find_socket(const struct multi *multi, curl_socket_t fd);

static void act(struct multi *multi, curl_socket_t socket, int bits)
{
    bool failed = false;
    int running;
    int left;
    (void)curl_multi_socket_action(multi->curlm, socket, bits, &running);
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi->curlm, &left)) != NULL) {
        assert(message->msg == CURLMSG_DONE);
        failed |= message->data.result != CURLE_OK;
        multi->finished(multi->ctx, message->easy_handle, message->data.result);
    }
    check_just_idle(multi, failed ? IDLE_VERIFY : IDLE_KNOWN);
    keep_ticking(multi);
}

static void run_due(struct multi *multi)
{
    for (int round = 0; multi->due && round < ROUNDS; round++) {
        multi->due = false;
        loop_clear(multi->loop, &multi->timer);
        act(multi, CURL_SOCKET_TIMEOUT, 0);
    }
}

/* Until nothing comes any more; but the loop must turn, too. */
static void look_again(struct multi *multi)
{
    for (int round = 0; !list_is_empty(&multi->again) && round < ROUNDS_AGAIN; round++) {
        struct socket_watch *socket = container_of(multi->again.next, struct socket_watch, again);
        list_remove(&socket->again);
        int fd = socket->fd;
        multi->progress = false;
        if (socket->idle)
            continue;
        act(multi, fd, CURL_CSELECT_IN); /* may free `socket` */
        run_due(multi);
        socket = find_socket(multi, fd);
        if (multi->progress && socket && !list_holds(&socket->again))
            list_append(&multi->again, &socket->again);
    }
    if (!list_is_empty(&multi->again))
        loop_set(multi->loop, &multi->timer, loop_now(multi->loop), wake);
}

static void look_at_all(struct multi *multi)
{
    multi->resets = false;
    for (size_t fd = 0; fd < multi->socket_room; fd++) {
        struct socket_watch *socket = multi->sockets[fd];
        if (socket && !socket->idle && !socket->released && !list_holds(&socket->again))
            list_append(&multi->again, &socket->again);
    }
}

void multi_run(struct multi *multi)
{
    run_due(multi);
    if (multi->resets)
        look_at_all(multi);
    look_again(multi);
}

void multi_progressed(struct multi *multi)
{
    multi->progress = multi->has_frames = true;
}

bool multi_is_due(const struct multi *multi)
{
    return multi->due || !list_is_empty(&multi->again);
}

static int timeout_wanted(CURLM *curlm, long msec, void *ctx)
{
    struct multi *multi = ctx;
    (void)curlm;
    multi->due = msec == 0;
    if (msec < 0) {
        loop_clear(multi->loop, &multi->timer);
        keep_ticking(multi);
        return 0;
    }
    /* Set for 0 too: whoever starts a call late in a turn must not wait for it. */
    usec_t now = msec > 0 ? clock_now() : loop_now(multi->loop);
    loop_set(multi->loop, &multi->timer, now + (usec_t)msec * USEC_PER_MSEC, wake);
    return 0;
}

/* ---- descriptors ---- */

static void socket_ready(struct watch *watch, uint32_t events);

static int watch_socket(struct multi *multi, struct socket_watch *socket, curl_socket_t fd,
                        uint32_t events)
{
    int rc = 0;
    if (!socket->watch.active)
        rc = loop_watch(multi->loop, &socket->watch, fd, events, socket_ready);
    else if (socket->events != events)
        rc = loop_rewatch(multi->loop, &socket->watch, events);
    socket->events = events;
    return rc;
}

static void set_idle(struct socket_watch *socket, bool idle)
{
    if (socket->tally && socket->idle != idle)
        tally_add(idle ? &socket->tally->rested : &socket->tally->taken, 1);
    socket->idle = idle;
}

/* It serves no call any more, whenever libcurl closes it. */
static void count_end(struct socket_watch *socket)
{
    if (!socket->tally)
        return;
    if (socket->idle)
        tally_add(&socket->tally->taken, 1);
    tally_add(&socket->tally->closed, 1);
    socket->tally = NULL;
}

static void end_socket(struct socket_watch *socket)
{
    count_end(socket);
    shutdown(socket->watch.fd, SHUT_RDWR);
    loop_unwatch(socket->multi->loop, &socket->watch);
}

static void socket_ready(struct watch *watch, uint32_t events)
{
    struct socket_watch *socket = container_of(watch, struct socket_watch, watch);
    bool over = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (socket->idle && socket->frames && !over &&
        watch_socket(socket->multi, socket, watch->fd, EPOLLRDHUP) == 0)
        return;
    if (socket->idle) {
        end_socket(socket);
        return;
    }
    int bits = 0;
    /* An error is for libcurl to find: it reads what came before it first. */
    if (events & (EPOLLERR | EPOLLHUP))
        events |= socket->events;
    if (events & EPOLLIN)
        bits |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        bits |= CURL_CSELECT_OUT;
    struct multi *multi = socket->multi;
    int fd = watch->fd;
    act(multi, fd, bits); /* may free `socket` */
    socket = multi->has_frames ? find_socket(multi, fd) : NULL;
    if (socket && !list_holds(&socket->again))
        list_append(&multi->again, &socket->again);
}

static struct socket_watch *find_socket(const struct multi *multi, curl_socket_t fd)
{
    return (size_t)fd < multi->socket_room ? multi->sockets[fd] : NULL;
}

static struct socket_watch *make_socket(struct multi *multi, curl_socket_t fd)
{
    if ((size_t)fd >= multi->socket_room) {
        size_t room = multi->socket_room > 0 ? multi->socket_room : FIRST_SOCKETS;
        while (room <= (size_t)fd)
            room *= 2;
        multi->sockets = mem_resize(multi->sockets, room, sizeof *multi->sockets);
        for (size_t i = multi->socket_room; i < room; i++)
            multi->sockets[i] = NULL;
        multi->socket_room = room;
    }
    struct socket_watch *socket = mem_new(sizeof *socket);
    socket->multi = multi;
    socket->fd = fd;
    multi->sockets[fd] = socket;
    multi->socket_count++;
    return socket;
}

static void unlist_just_idle(struct multi *multi, struct socket_watch *socket)
{
    struct socket_watch **place = &multi->just_idle; /* one or two */
    while (*place && *place != socket)
        place = &(*place)->older;
    if (*place)
        *place = socket->older;
    socket->is_just_idle = false;
}

static void forget_socket(struct multi *multi, curl_socket_t fd)
{
    struct socket_watch *socket = find_socket(multi, fd);
    if (!socket)
        return;
    count_end(socket);
    unlist_just_idle(multi, socket);
    if (list_holds(&socket->again))
        list_remove(&socket->again);
    loop_unwatch(multi->loop, &socket->watch);
    multi->sockets[fd] = NULL;
    multi->socket_count -= socket->released ? 0 : 1;
    free(socket);
}

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer counts epoll_ctl() on a stale number as a race; see check_just_idle(). */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:check_just_idle\n";
}
#endif

/* Idle connections are watched for their end. To verify: some may be closed already,
 * and another thread may have the number by now; so nothing is done to it but what
 * epoll refuses for a file that is not in it. To end: the same, and shut down. */
static void check_just_idle(struct multi *multi, enum idle_check check)
{
    while (multi->just_idle) {
        struct socket_watch *socket = multi->just_idle;
        unlist_just_idle(multi, socket);
        if (socket->watch.active && check == IDLE_KNOWN && socket->events == EPOLLIN)
            continue;
        socket->events = EPOLLIN;
        if (!socket->watch.active || loop_rewatch(multi->loop, &socket->watch, EPOLLIN) != 0)
            forget_socket(multi, socket->fd);
        else if (check == IDLE_END)
            end_socket(socket);
    }
}

static int interest_changed(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct multi *multi = ctx;
    struct socket_watch *socket = find_socket(multi, fd);
    (void)easy;
    (void)unused;
    if (socket && socket->released)
        return 0;
    if (what == CURL_POLL_REMOVE) {
        if (!socket)
            return 0;
        set_idle(socket, true);
        if (!socket->is_just_idle) {
            socket->is_just_idle = true;
            socket->older = multi->just_idle;
            multi->just_idle = socket;
        }
        return 0;
    }
    if (!socket)
        socket = make_socket(multi, fd);
    if (socket->is_just_idle)
        unlist_just_idle(multi, socket);
    set_idle(socket, false);
    socket->frames = false;
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    /* To return -1 would end every transfer; this one ends when it next sends. */
    if (watch_socket(multi, socket, fd, events) != 0)
        shutdown(fd, SHUT_RDWR);
    return 0;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct multi *multi = ctx;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    forget_socket(multi, fd); /* it would be one that was closed unseen */
    return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    struct socket_watch *socket = find_socket(ctx, fd);
    bool released = socket && socket->released;
    forget_socket(ctx, fd);
    if (!released)
        close(fd);
    return 0;
}

int multi_release_socket(struct multi *multi, CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    if (rc != CURLE_OK || fd == CURL_SOCKET_BAD)
        return -1;
    forget_socket(multi, fd);
    make_socket(multi, fd)->released = true;
    multi->socket_count--;
    return fd;
}

/* ---- life ---- */

bool multi_adopt(struct multi *multi, CURL *easy)
{
    int rc = 0;
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, multi);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
    return rc == CURLE_OK;
}

bool multi_add(struct multi *multi, CURL *easy)
{
    multi->running++;
    if (curl_multi_add_handle(multi->curlm, easy) == CURLM_OK)
        return true;
    multi->running--;
    return false;
}

void multi_remove(struct multi *multi, CURL *easy)
{
    CURLMcode rc = curl_multi_remove_handle(multi->curlm, easy);
    assert(rc == CURLM_OK);
    assert(multi->running > 0);
    if (--multi->running == 0 && !multi->due)
        loop_clear(multi->loop, &multi->timer);
}

void multi_cancel(struct multi *multi, CURL *easy, bool stream)
{
    multi_remove(multi, easy);
    check_just_idle(multi, IDLE_END);
    if (!stream || multi->running == 0 || !multi->resets_late)
        return;
    multi->resets = true;
    loop_set(multi->loop, &multi->timer, loop_now(multi->loop), wake);
}

static struct socket_watch *socket_of(const struct multi *multi, CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLcode rc = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    return rc == CURLE_OK && fd != CURL_SOCKET_BAD ? find_socket(multi, fd) : NULL;
}

void multi_count(struct multi *multi, CURL *easy, struct upstream_tally *tally)
{
    struct socket_watch *socket = socket_of(multi, easy);
    if (!socket || socket->tally)
        return;
    socket->tally = tally;
    tally_add(&tally->known, 1);
    if (socket->idle)
        tally_add(&tally->rested, 1);
}

void multi_leave(struct multi *multi, CURL *easy, bool frames)
{
    struct socket_watch *socket = socket_of(multi, easy);
    if (!socket || !socket->idle)
        return;
    socket->frames = frames;
    if (frames || !socket->watch.active)
        return;
    unlist_just_idle(multi, socket);
    end_socket(socket);
}

int multi_new(struct loop *loop, long connections, multi_finished_fn *finished, void *ctx,
              struct multi **ret_multi)
{
    CURLM *curlm = curl_multi_init();
    if (!curlm)
        return -ENOMEM;
    struct multi *multi = mem_new(sizeof *multi);
    multi->curlm = curlm;
    multi->loop = loop;
    multi->finished = finished;
    multi->ctx = ctx;
    multi->resets_late = curl_version_info(CURLVERSION_NOW)->version_num < RESETS_AT_ONCE;
    list_init(&multi->again);
    CURLMcode rc = curl_multi_setopt(curlm, CURLMOPT_SOCKETFUNCTION, interest_changed);
    rc |= curl_multi_setopt(curlm, CURLMOPT_SOCKETDATA, multi);
    rc |= curl_multi_setopt(curlm, CURLMOPT_TIMERFUNCTION, timeout_wanted);
    rc |= curl_multi_setopt(curlm, CURLMOPT_TIMERDATA, multi);
    /* The default, four times the handles added NOW, closes good connections
     * when a burst ends. */
    rc |= curl_multi_setopt(curlm, CURLMOPT_MAXCONNECTS, connections);
    rc |= curl_multi_setopt(curlm, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    assert(rc == CURLM_OK);
    *ret_multi = multi;
    return 0;
}

struct multi *multi_free(struct multi *multi)
{
    if (!multi)
        return NULL;
    assert(multi->running == 0);
    curl_multi_cleanup(multi->curlm);
    for (size_t fd = 0; fd < multi->socket_room; fd++)
        forget_socket(multi, (curl_socket_t)fd);
    loop_clear(multi->loop, &multi->timer);
    free(multi->sockets);
    free(multi);
    return NULL;
}

size_t multi_open_sockets(const struct multi *multi)
{
    return multi->socket_count;
}
