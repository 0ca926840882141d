/*
 * All workers watch all listeners; EPOLLEXCLUSIVE wakes few of them per
 * connection, and whoever accepts passes it on to the least-loaded one. A place
 * under limits.connections is taken before accepting, so that the limit is
 * never passed; what finds no place waits in the kernel's backlog while the
 * listeners go unwatched for a moment.
 *
 * The same pause follows a lack of descriptors: one client is shed, so that
 * somebody learns of it, and the rest gets the chance that descriptors come free.
 */
#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { ACCEPTS_PER_EVENT = 128 }; /* fewer, and newcomers starve while many others are served */

#define PAUSE          (10 * USEC_PER_MSEC)
#define COMPLAIN_EVERY (60 * USEC_PER_SEC)

struct acceptor;

struct door {
    struct watch watch;
    struct acceptor *acceptor;
    const struct listener *listener;
};

struct acceptor {
    struct loop *loop;
    struct crew *crew;
    size_t seat;
    accepted_fn *accepted;
    void *receiver;
    uint64_t limit;
    int reserve; /* a descriptor to give up when there is no other */
    bool stopped;
    struct timer pause;
    struct door *doors; /* one per listener */
};

struct arrival { /* a connection on its way to another worker */
    struct mail mail;
    accepted_fn *accepted;
    int fd;
    struct sockaddr_storage peer;
    socklen_t len;
};

static void listener_ready(struct watch *watch, uint32_t events);

static void unwatch_all(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->crew->listeners->count; i++)
        loop_unwatch(acceptor->loop, &acceptor->doors[i].watch);
}

static int watch_all(struct acceptor *acceptor)
{
    int rc = 0;
    for (size_t i = 0; i < acceptor->crew->listeners->count && rc == 0; i++) {
        struct door *door = &acceptor->doors[i];
        if (!door->watch.active)
            rc = loop_watch(acceptor->loop, &door->watch, door->listener->fd,
                            EPOLLIN | EPOLLEXCLUSIVE, listener_ready);
    }
    return rc;
}

static void pause_over(struct timer *timer)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, pause);
    bool full = atomic_load(&acceptor->crew->connections) >= acceptor->limit;
    if (full || watch_all(acceptor) != 0)
        loop_set(acceptor->loop, timer, loop_now(acceptor->loop) + PAUSE, pause_over);
}

static void pause_accepting(struct acceptor *acceptor)
{
    unwatch_all(acceptor);
    loop_set(acceptor->loop, &acceptor->pause, loop_now(acceptor->loop) + PAUSE, pause_over);
}

static bool take_place(struct acceptor *acceptor)
{
    if (atomic_fetch_add(&acceptor->crew->connections, 1) < acceptor->limit)
        return true;
    atomic_fetch_sub(&acceptor->crew->connections, 1);
    return false;
}

void acceptor_release(struct crew *crew, size_t seat, uint64_t count)
{
    atomic_fetch_sub(&crew->seats[seat].connections, count);
    atomic_fetch_sub(&crew->connections, count);
}

/* ---- passing on ---- */

static size_t least_loaded(const struct acceptor *acceptor)
{
    const struct crew *crew = acceptor->crew;
    size_t best = acceptor->seat;
    uint64_t fewest = atomic_load_explicit(&crew->seats[best].connections, memory_order_relaxed);
    for (size_t i = 0; i < crew->count; i++) {
        uint64_t load = atomic_load_explicit(&crew->seats[i].connections, memory_order_relaxed);
        if (load < fewest) {
            fewest = load;
            best = i;
        }
    }
    return best;
}

static void arrive(struct mail *mail, void *receiver)
{
    struct arrival *arrival = container_of(mail, struct arrival, mail);
    arrival->accepted(receiver, arrival->fd, (const struct sockaddr *)&arrival->peer, arrival->len);
    free(arrival);
}

static bool pass_on(struct acceptor *acceptor, size_t seat, int fd,
                    const struct sockaddr_storage *peer, socklen_t len)
{
    struct mailbox *mailbox = acceptor->crew->seats[seat].mailbox;
    if (mailbox_reserve(mailbox) != 0)
        return false;
    struct arrival *arrival = mem_new(sizeof *arrival);
    *arrival = (struct arrival){
        .mail.deliver = arrive,
        .accepted = acceptor->accepted,
        .fd = fd,
        .peer = *peer,
        .len = len,
    };
    mailbox_post_reserved(mailbox, &arrival->mail);
    return true;
}

static void hand_over(struct acceptor *acceptor, int fd, const struct sockaddr_storage *peer,
                      socklen_t len)
{
    struct seat *seats = acceptor->crew->seats;
    size_t seat = least_loaded(acceptor);
    atomic_fetch_add(&seats[seat].connections, 1);
    if (seat != acceptor->seat) {
        if (pass_on(acceptor, seat, fd, peer, len))
            return;
        atomic_fetch_sub(&seats[seat].connections, 1);
        atomic_fetch_add(&seats[acceptor->seat].connections, 1);
    }
    acceptor->accepted(acceptor->receiver, fd, (const struct sockaddr *)peer, len);
}

/* ---- accepting ---- */

static void complain(struct acceptor *acceptor, const struct listener *listener, int error)
{
    usec_t now = clock_now();
    usec_t last = atomic_load(&acceptor->crew->complained);
    if (last != 0 && now - last < COMPLAIN_EVERY)
        return;
    if (atomic_compare_exchange_strong(&acceptor->crew->complained, &last, now))
        log_error("cannot accept connections on %s: %s", listener->name, strerror(-error));
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct acceptor *acceptor, const struct listener *listener)
{
    struct sockaddr_storage peer;
    socklen_t len;
    if (!take_place(acceptor)) {
        tally_limit(acceptor->crew->seats[acceptor->seat].tally, TALLY_CONNECTIONS);
        pause_accepting(acceptor);
        return false;
    }
    int fd = listen_accept(listener, &peer, &len);
    if (fd >= 0) {
        hand_over(acceptor, fd, &peer, len);
        return true;
    }
    atomic_fetch_sub(&acceptor->crew->connections, 1);
    if (fd == -EAGAIN)
        return false;
    complain(acceptor, listener, fd);
    if (fd == -EMFILE || fd == -ENFILE)
        listen_shed(listener, &acceptor->reserve);
    pause_accepting(acceptor);
    return false;
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct door *door = container_of(watch, struct door, watch);
    for (int i = 0; i < ACCEPTS_PER_EVENT && accept_one(door->acceptor, door->listener); i++)
        ;
}

int acceptor_new(struct loop *loop, struct crew *crew, size_t seat, accepted_fn *accepted,
                 void *receiver, struct acceptor **ret_acceptor)
{
    struct acceptor *acceptor = mem_new(sizeof *acceptor);
    *acceptor = (struct acceptor){
        .loop = loop,
        .crew = crew,
        .seat = seat,
        .accepted = accepted,
        .receiver = receiver,
        .limit = UINT64_MAX,
        .reserve = open("/dev/null", O_RDONLY | O_CLOEXEC),
        .doors = mem_new(crew->listeners->count * sizeof(struct door)),
    };
    for (size_t i = 0; i < crew->listeners->count; i++) {
        acceptor->doors[i].acceptor = acceptor;
        acceptor->doors[i].listener = &crew->listeners->items[i];
    }
    atomic_fetch_add(&crew->accepting, 1);
    int rc = watch_all(acceptor);
    if (rc != 0) {
        acceptor_free(acceptor);
        return rc;
    }
    *ret_acceptor = acceptor;
    return 0;
}

void acceptor_limit(struct acceptor *acceptor, uint64_t most)
{
    acceptor->limit = most;
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (acceptor->stopped)
        return;
    acceptor->stopped = true;
    unwatch_all(acceptor);
    loop_clear(acceptor->loop, &acceptor->pause);
    atomic_fetch_sub(&acceptor->crew->accepting, 1);
}

struct acceptor *acceptor_free(struct acceptor *acceptor)
{
    if (!acceptor)
        return NULL;
    acceptor_stop(acceptor);
    if (acceptor->reserve >= 0)
        close(acceptor->reserve);
    free(acceptor->doors);
    free(acceptor);
    return NULL;
}
