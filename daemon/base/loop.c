/*
 * epoll for descriptors, a binary heap for deadlines.
 *
 * The slot of a watch is its descriptor number, and the table of slots says who
 * watches which number now. A slot's generation grows whenever its owner
 * changes and travels in the epoll entry, so an event read before the change is
 * recognised and dropped. A watch whose descriptor was closed behind its back,
 * and whose number another watch got since, finds itself replaced in the table
 * and leaves the kernel's entry, which belongs to the other, alone.
 *
 * A deadline set during a turn for a moment that has passed waits in `late`
 * until the turn is over; else a callback that sets itself again at once would
 * keep the turn from ending.
 *
 * Invariants: heap.items[i]->position == i + 1, late.items[i]->position ==
 * LATE | (i + 1); between two turns `late` is empty.
 */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

enum { BATCH = 256, FIRST_SLOTS = 64, FIRST_TIMERS = 64 };

#define LATE (UINT32_C(1) << 31)

struct slot {
    struct watch *watch; /* NULL: free */
    uint32_t generation;
    uint32_t events;
};

struct timers {
    struct timer **items;
    uint32_t count;
    uint32_t room;
};

struct loop {
    int epoll_fd;
    bool turning;
    usec_t now;
    struct slot *slots; /* by descriptor number */
    uint32_t slot_count;
    uint32_t watching;
    struct loop_account *account; /* or NULL */
    struct timers heap;
    struct timers late;
};

int loop_new(struct loop **ret_loop)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return -errno;
    struct loop *loop = mem_new(sizeof *loop);
    loop->epoll_fd = epoll_fd;
    loop->now = clock_now();
    *ret_loop = loop;
    return 0;
}

struct loop *loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    assert(!loop->turning);
    assert(loop->watching == 0);
    assert(loop->heap.count == 0 && loop->late.count == 0);
    close(loop->epoll_fd);
    free(loop->slots);
    free(loop->heap.items);
    free(loop->late.items);
    free(loop);
    return NULL;
}

usec_t loop_now(const struct loop *loop)
{
    return loop->now;
}

/* ---- descriptors ---- */

static void make_slot(struct loop *loop, uint32_t number)
{
    if (number < loop->slot_count)
        return;
    uint32_t count = loop->slot_count > 0 ? loop->slot_count : FIRST_SLOTS;
    while (count <= number)
        count *= 2;
    loop->slots = mem_resize(loop->slots, count, sizeof *loop->slots);
    for (uint32_t i = loop->slot_count; i < count; i++)
        loop->slots[i] = (struct slot){.watch = NULL};
    loop->slot_count = count;
}

static int control(const struct loop *loop, int operation, uint32_t number, uint32_t generation,
                   uint32_t events)
{
    struct epoll_event event = {
        .events = events,
        .data.u64 = (uint64_t)generation << 32 | number,
    };
    return epoll_ctl(loop->epoll_fd, operation, (int)number, &event) == 0 ? 0 : -errno;
}

int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *ready)
{
    assert(!watch->active);
    if (fd < 0)
        return -EBADF;
    uint32_t number = (uint32_t)fd;
    make_slot(loop, number);
    /* On failure the slot stays as it is: it may belong to somebody. */
    uint32_t generation = loop->slots[number].generation + 1;
    int rc = control(loop, EPOLL_CTL_ADD, number, generation, events);
    if (rc != 0)
        return rc;
    loop->slots[number] = (struct slot){.watch = watch, .generation = generation, .events = events};
    *watch = (struct watch){.ready = ready, .fd = fd, .slot = number, .active = true};
    loop->watching++;
    return 0;
}

int loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events)
{
    assert(watch->active);
    struct slot *slot = &loop->slots[watch->slot];
    if (slot->watch != watch)
        return -EBADF;
    int operation = EPOLL_CTL_MOD;
    if ((slot->events | events) & EPOLLEXCLUSIVE) {
        /* The kernel modifies no exclusive entry. */
        int rc = control(loop, EPOLL_CTL_DEL, watch->slot, 0, 0);
        if (rc != 0 && rc != -ENOENT)
            return rc;
        operation = EPOLL_CTL_ADD;
    }
    int rc = control(loop, operation, watch->slot, slot->generation, events);
    if (rc == 0)
        slot->events = events;
    return rc;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    if (!watch->active)
        return;
    struct slot *slot = &loop->slots[watch->slot];
    if (slot->watch == watch) {
        /* Fails if the descriptor was closed: then the entry went with it. */
        (void)control(loop, EPOLL_CTL_DEL, watch->slot, 0, 0);
        slot->watch = NULL;
    }
    watch->active = false;
    loop->watching--;
}

static void dispatch(struct loop *loop, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t number = (uint32_t)events[i].data.u64;
        uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);
        struct slot *slot = &loop->slots[number]; /* a callback may move the table */
        if (!slot->watch || slot->generation != generation)
            continue;
        /* A callback before this one may have asked for less. */
        uint32_t wanted = events[i].events & (slot->events | EPOLLERR | EPOLLHUP);
        if (wanted != 0)
            slot->watch->ready(slot->watch, wanted);
    }
}

/* ---- deadlines ---- */

static void place(struct timers *heap, uint32_t index, struct timer *timer)
{
    heap->items[index] = timer;
    timer->position = index + 1;
}

static void sift_up(struct timers *heap, uint32_t index, struct timer *timer)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (heap->items[parent]->at <= timer->at)
            break;
        place(heap, index, heap->items[parent]);
        index = parent;
    }
    place(heap, index, timer);
}

static void sift_down(struct timers *heap, uint32_t index, struct timer *timer)
{
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->items[child + 1]->at < heap->items[child]->at)
            child++;
        if (timer->at <= heap->items[child]->at)
            break;
        place(heap, index, heap->items[child]);
        index = child;
    }
    place(heap, index, timer);
}

static void make_room(struct timers *timers)
{
    if (timers->count < timers->room)
        return;
    assert(timers->room < LATE / 2);
    timers->room = timers->room > 0 ? 2 * timers->room : FIRST_TIMERS;
    timers->items = mem_resize(timers->items, timers->room, sizeof *timers->items);
}

static void heap_insert(struct timers *heap, struct timer *timer)
{
    make_room(heap);
    sift_up(heap, heap->count++, timer);
}

static void heap_remove(struct timers *heap, uint32_t index)
{
    struct timer *last = heap->items[--heap->count];
    if (index == heap->count)
        return;
    if (index > 0 && last->at < heap->items[(index - 1) / 2]->at)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

static void late_insert(struct timers *late, struct timer *timer)
{
    make_room(late);
    late->items[late->count++] = timer;
    timer->position = LATE | late->count;
}

static void late_remove(struct timers *late, uint32_t index)
{
    struct timer *last = late->items[--late->count];
    late->items[index] = last;
    last->position = LATE | (index + 1);
}

void loop_clear(struct loop *loop, struct timer *timer)
{
    if (timer->position == 0)
        return;
    uint32_t index = (timer->position & ~LATE) - 1;
    if (timer->position & LATE)
        late_remove(&loop->late, index);
    else
        heap_remove(&loop->heap, index);
    timer->position = 0;
}

void loop_set(struct loop *loop, struct timer *timer, usec_t at, timer_fn *expired)
{
    loop_clear(loop, timer);
    timer->at = at;
    timer->expired = expired;
    if (loop->turning && at <= loop->now)
        late_insert(&loop->late, timer);
    else
        heap_insert(&loop->heap, timer);
}

static void run_due(struct loop *loop)
{
    while (loop->heap.count > 0 && loop->heap.items[0]->at <= loop->now) {
        struct timer *timer = loop->heap.items[0];
        loop_clear(loop, timer);
        timer->expired(timer);
    }
}

static void admit_late(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->late.count; i++)
        heap_insert(&loop->heap, loop->late.items[i]);
    loop->late.count = 0;
}

/* ---- the turn ---- */

static void set(_Atomic(uint64_t) *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

void loop_keep_account(struct loop *loop, struct loop_account *account)
{
    usec_t now = clock_now();
    loop->account = account;
    set(&account->work, LOOP_AT_WORK | now);
    set(&account->turn, now);
}

/* A loop that stopped its clock before `now` may say so only after it was asked, and `now`
 * may be before it began: what was told is then more than its word says, until it catches
 * up. A sequence number would do as well, but who asks would wait for a thread that was
 * stopped between its two halves. */
uint64_t loop_account_busy(struct loop_account *account, usec_t now, usec_t *ret_turn)
{
    uint64_t turn = atomic_load_explicit(&account->turn, memory_order_relaxed);
    uint64_t work = atomic_load_explicit(&account->work, memory_order_relaxed);
    uint64_t told = atomic_load_explicit(&account->told, memory_order_relaxed);
    if (work & LOOP_AT_WORK) {
        usec_t began = work & ~LOOP_AT_WORK;
        work = began < now ? now - began : 0;
    }
    *ret_turn = turn > 0 && turn < now ? now - turn : 0;
    while (told < work)
        if (atomic_compare_exchange_weak_explicit(&account->told, &told, work, memory_order_relaxed,
                                                  memory_order_relaxed))
            return work;
    return told;
}

/* Between two waits there may be several turns that did not wait. */
static void begin_waiting(struct loop_account *account, usec_t now)
{
    uint64_t work = atomic_load_explicit(&account->work, memory_order_relaxed);
    if (work & LOOP_AT_WORK) /* else the last wait has failed */
        set(&account->work, now - (work & ~LOOP_AT_WORK));
    set(&account->turn, 0);
}

static void begin_turn(struct loop_account *account, usec_t now)
{
    uint64_t work = atomic_load_explicit(&account->work, memory_order_relaxed);
    if (!(work & LOOP_AT_WORK))
        set(&account->work, LOOP_AT_WORK | (now - work));
    set(&account->turn, now);
}

/* Milliseconds for epoll_wait(), rounded up: waking early would be for nothing. */
static int wait_time(const struct loop *loop, usec_t until, usec_t *ret_now)
{
    usec_t at = until;
    if (loop->heap.count > 0 && loop->heap.items[0]->at < at)
        at = loop->heap.items[0]->at;
    usec_t now = at > 0 ? clock_now() : 0;
    *ret_now = now;
    if (at == USEC_NEVER)
        return -1;
    if (at <= now)
        return 0;
    usec_t msecs = (at - now - 1) / USEC_PER_MSEC + 1;
    return msecs < INT_MAX ? (int)msecs : INT_MAX;
}

int loop_turn(struct loop *loop, usec_t until)
{
    struct epoll_event events[BATCH];
    assert(!loop->turning);
    usec_t began;
    int wait = wait_time(loop, until, &began);
    if (wait != 0 && loop->account)
        begin_waiting(loop->account, began);
    int count = epoll_wait(loop->epoll_fd, events, BATCH, wait);
    if (count < 0 && errno != EINTR)
        return -errno;
    loop->now = clock_now();
    if (loop->account)
        begin_turn(loop->account, loop->now);
    loop->turning = true;
    dispatch(loop, events, count);
    run_due(loop);
    admit_late(loop);
    loop->turning = false;
    return 0;
}
