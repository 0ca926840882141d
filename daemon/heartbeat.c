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

static void ask_all(const struct heartbeat *heartbeat)
{
    for (size_t i = 0; i < heartbeat->crew->count; i++)
        worker_ask(heartbeat->workers[i]);
}

static bool all_answered(const struct heartbeat *heartbeat)
{
    bool all = true;
    for (size_t i = 0; i < heartbeat->crew->count; i++)
        if (!worker_answered(heartbeat->workers[i])) {
            struct log_fields fields = {.count = 0};
            log_add_text(&fields, LOG_MESSAGE_ID, EVENT_WORKER_SILENT);
            log_event(LOG_LEVEL_WARNING, &fields, "worker %zu does not answer", i);
            all = false;
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
    if (!notify_is_managed())
        heartbeat->interval = 0;
    if (heartbeat->interval == 0)
        return;
    heartbeat->next = clock_now() + heartbeat->interval;
    ask_all(heartbeat);
    show_status(heartbeat);
}

usec_t heartbeat_turn(struct heartbeat *heartbeat)
{
    if (heartbeat->interval == 0)
        return USEC_NEVER;
    usec_t now = clock_now();
    if (now < heartbeat->next)
        return heartbeat->next;
    heartbeat->next = now + heartbeat->interval;
    bool alive = heartbeat->stopping || all_answered(heartbeat);
    if (alive && heartbeat->watched)
        notify_watchdog();
    show_status(heartbeat);
    if (!heartbeat->stopping)
        ask_all(heartbeat);
    return heartbeat->next;
}

void heartbeat_note(struct heartbeat *heartbeat, const char *note)
{
    snprintf(heartbeat->note, sizeof heartbeat->note, "%s", note);
    if (heartbeat->interval > 0)
        show_status(heartbeat);
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
    heartbeat->stopping = true;
    if (heartbeat->interval > 0)
        show_status(heartbeat);
}
