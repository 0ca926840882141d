/* The figures that pages are written from, gathered by whoever watches the daemon. */
#ifndef CORE_METRICS_SOURCE_H
#define CORE_METRICS_SOURCE_H

#include "core/tally.h"

struct metrics_worker { /* beside its tally; times in microseconds */
    uint64_t connections, mailbox_messages, mailbox_full;
    uint64_t busy, turn; /* of its loop: loop_account_busy() */
    uint64_t silent;     /* it has owed an answer */
    bool scheduled;      /* the kernel tells of its thread: */
    uint64_t cpu, run_delay;
};

struct metrics_process {
    uint64_t cpu, memory, open_files, max_files; /* microseconds, bytes, descriptors */
    uint64_t started;                            /* microseconds since 1970 */
};

struct metrics_source {
    const struct config *config; /* in force */
    usec_t now;
    bool ready;
    const struct tally *const *tallies; /* one per worker */
    const struct metrics_worker *workers;
    size_t count; /* of workers */
    struct metrics_process process;
    uint64_t generation, configured; /* of configurations; when, microseconds since 1970 */
    bool reload_failed, restart_needed;
    uint64_t lines_dropped, spans_dropped; /* of the access log and of traces */
    const char *version, *libmicrohttpd, *libcurl;
};

#endif
