/*
 * A beat reads the answers to the questions of the beat before and asks again. The
 * question travels by mail, so a worker answers it only where it serves, between two
 * turns of its loop, and the figures it gives cost its requests nothing.
 */
#include "heartbeat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "events.h"
#include "sys/notify.h"

static void ask_all(const struct heartbeat *heartbeat, usec_t now)
{
    for (size_t i = 0; i < heartbeat->crew->count; i++)
        worker_ask(heartbeat->workers[i], now);
}

/* Named at once, and again each time that it has lasted twice as long: there may be nobody to
 * end it, and then it may last for days. */
static bool is_to_be_named(const struct heartbeat *heartbeat, usec_t silence, usec_t now)
{
    usec_t passed = now - heartbeat->last, mark = heartbeat->interval;
    while (mark + passed <= silence)
        mark *= 2;
    return silence >= mark;
}

static bool all_answered(const struct heartbeat *heartbeat, usec_t now)
{
    bool all = true;
    for (size_t i = 0; i < heartbeat->crew->count; i++) {
        usec_t silence = heartbeat_silence(heartbeat, i, now);
        all = all && silence == 0;
        if (!is_to_be_named(heartbeat, silence, now))
            continue;
        struct log_fields fields = {.count = 0};
        log_add_text(&fields, LOG_MESSAGE_ID, EVENT_WORKER_SILENT);
        log_event(LOG_LEVEL_WARNING, &fields, "worker %zu does not answer", i);
    }
    return all;
}

static void write_status(const struct heartbeat *heartbeat, char *out, size_t size)
{
    const struct crew *crew = heartbeat->crew;
    uint64_t served = 0, in_flight = 0, connections = atomic_load(&crew->connections);
    for (size_t i = 0; i < crew->count; i++) {
        served += atomic_load(&crew->seats[i].served);
        in_flight += atomic_load(&crew->seats[i].in_flight);
    }
    if (heartbeat->stopping)
        snprintf(out, size, "Stopping: %" PRIu64 " connections are still open", connections);
    else
        snprintf(out, size,
                 "Serving with %zu workers: %" PRIu64 " requests served, %" PRIu64
                 " in flight, %" PRIu64 " connections%s%s",
                 crew->count, served, in_flight, connections, heartbeat->note[0] ? "; " : "",
                 heartbeat->note);
}

static void show_status(struct heartbeat *heartbeat)
{
    char status[sizeof heartbeat->status];
    write_status(heartbeat, status, sizeof status);
    if (strcmp(status, heartbeat->status) == 0)
        return;
    memcpy(heartbeat->status, status, sizeof status);
    notify_status("%s", status);
}

void heartbeat_start(struct heartbeat *heartbeat, const struct crew *crew,
                     struct worker *const *workers, usec_t every)
{
    usec_t half = notify_watchdog_interval() / 2;
    *heartbeat = (struct heartbeat){
        .crew = crew,
        .workers = workers,
        .interval = half > 0 && half < every ? half : every,
        .watched = half > 0,
    };
    heartbeat->last = clock_now();
    heartbeat->next = heartbeat->last + heartbeat->interval;
    ask_all(heartbeat, heartbeat->last);
    show_status(heartbeat);
}

usec_t heartbeat_turn(struct heartbeat *heartbeat)
{
    usec_t now = clock_now();
    if (now < heartbeat->next)
        return heartbeat->next;
    bool alive = heartbeat->stopping || all_answered(heartbeat, now);
    heartbeat->last = now;
    heartbeat->next = now + heartbeat->interval;
    if (alive && heartbeat->watched)
        notify_watchdog();
    show_status(heartbeat);
    if (!heartbeat->stopping)
        ask_all(heartbeat, now);
    return heartbeat->next;
}

usec_t heartbeat_silence(const struct heartbeat *heartbeat, size_t seat, usec_t now)
{
    if (!heartbeat->workers || heartbeat->stopping)
        return 0;
    return worker_silence(heartbeat->workers[seat], now);
}

bool heartbeat_is_silent(const struct heartbeat *heartbeat, usec_t now, size_t *ret_seat)
{
    for (size_t i = 0; heartbeat->workers && i < heartbeat->crew->count; i++)
        if (heartbeat_silence(heartbeat, i, now) >= heartbeat->interval) {
            *ret_seat = i;
            return true;
        }
    return false;
}

void heartbeat_note(struct heartbeat *heartbeat, const char *note)
{
    snprintf(heartbeat->note, sizeof heartbeat->note, "%s", note);
    show_status(heartbeat);
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
    heartbeat->stopping = true;
    show_status(heartbeat);
}
