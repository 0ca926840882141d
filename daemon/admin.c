/*
 * Figures are gathered when somebody asks, into a struct of values from which core writes
 * the pages. Everything here may be called without admin pages: then `admin` is NULL.
 */
#include "admin.h"

#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "back/curl_global.h"
#include "back/span_export.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/config_print.h"
#include "core/explain.h"
#include "core/metrics.h"
#include "core/metrics_text.h"
#include "core/reach.h"
#include "front/admin_server.h"
#include "front/api.h"
#include "front/server.h"
#include "heartbeat.h"
#include "sys/process.h"

#define PAGE_MAX ((size_t)256 * 1024 * 1024)

struct admin {
    struct admin_server *server;
    const struct crew *crew;
    const struct heartbeat *heartbeat;
    const struct config *config;
    enum admin_state state;
    uint64_t started, configured, generation;
    bool reload_failed, restart_needed;
};

static const char index_page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>gatherd</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><style>\n"
    ":root { color-scheme: light dark }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 3em auto; "
    "padding: 0 1em }\n"
    "h1 { font-size: 1.4em } small { font-weight: normal; opacity: .7 }\n"
    "dl { display: grid; grid-template-columns: max-content auto; gap: .6em 1.5em }\n"
    "dt { font-family: ui-monospace, monospace } dd { margin: 0 }\n"
    "</style></head><body>\n"
    "<h1>gatherd <small>" GATHERD_VERSION "</small></h1>\n"
    "<dl>\n"
    "<dt><a href=\"/-/healthy\">/-/healthy</a></dt><dd>200 while the process lives</dd>\n"
    "<dt><a href=\"/-/ready\">/-/ready</a></dt><dd>200 when it serves, otherwise 503 and why</dd>\n"
    "<dt><a href=\"/-/upstreams\">/-/upstreams</a></dt>"
    "<dd>the upstreams and their calls, as JSON</dd>\n"
    "<dt><a href=\"/-/config\">/-/config</a></dt><dd>the configuration in force, as YAML</dd>\n"
    "<dt><a href=\"/metrics\">/metrics</a></dt><dd>figures for Prometheus</dd>\n"
    "<dt>/PATH?explain</dt>"
    "<dd>what a request for an endpoint or /batch would do, as JSON</dd>\n"
    "</dl>\n"
    "</body></html>\n";

/* ---- gathering ---- */

static const struct tally **gather_tallies(const struct crew *crew)
{
    const struct tally **tallies = mem_new(crew->count * sizeof *tallies);
    for (size_t i = 0; i < crew->count; i++)
        tallies[i] = crew->seats[i].tally;
    return tallies;
}

static struct metrics_worker *gather_workers(const struct admin *admin, usec_t now)
{
    const struct crew *crew = admin->crew;
    struct metrics_worker *workers = mem_new(crew->count * sizeof *workers);
    for (size_t i = 0; i < crew->count; i++) {
        const struct seat *seat = &crew->seats[i];
        workers[i].connections = atomic_load(&seat->connections);
        workers[i].silent = heartbeat_silence(admin->heartbeat, i, now);
        workers[i].mailbox_messages = mailbox_waiting(seat->mailbox);
        workers[i].mailbox_full = mailbox_refusals(seat->mailbox);
        struct process_thread use;
        workers[i].scheduled = process_look_at_thread(atomic_load(&seat->thread), &use);
        if (workers[i].scheduled) {
            workers[i].cpu = use.cpu;
            workers[i].run_delay = use.run_delay;
        }
        workers[i].busy = loop_account_busy(&seat->tally->loop, now, &workers[i].turn);
    }
    return workers;
}

static const char *missing_upstream(const struct admin *admin, const struct tally *const *tallies,
                                    usec_t now)
{
    const struct config *config = admin->config;
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        if (upstreams[i].required &&
            reach_is_missed_lately(tallies, admin->crew->count, upstreams[i].slot, now,
                                   config->unready_after))
            return upstreams[i].name;
    return NULL;
}

/* Ready, or writes why not. */
static bool is_ready(const struct admin *admin, const struct tally *const *tallies, usec_t now,
                     struct buffer *out)
{
    size_t silent;
    if (admin->state != ADMIN_SERVING) {
        buffer_string(out, admin->state == ADMIN_STARTING ? "starting\n" : "draining\n");
        return false;
    }
    if (heartbeat_is_silent(admin->heartbeat, now, &silent)) {
        buffer_printf(out, "worker %zu does not answer\n", silent);
        return false;
    }
    const char *missing = missing_upstream(admin, tallies, now);
    if (missing)
        buffer_printf(out, "upstream %s cannot be reached\n", missing);
    return !missing;
}

static struct metrics_process gather_process(const struct admin *admin)
{
    struct process_use use;
    process_look(&use);
    return (struct metrics_process){
        .cpu = use.cpu,
        .memory = use.memory,
        .open_files = use.files,
        .max_files = use.files_most,
        .started = admin->started,
    };
}

typedef void writer_fn(const struct metrics_source *source, struct buffer *out);

static void write_figures(const struct admin *admin, writer_fn *write, struct buffer *out)
{
    const struct tally **tallies scope_free = gather_tallies(admin->crew);
    usec_t now = clock_now();
    struct metrics_worker *workers scope_free = gather_workers(admin, now);
    scope_buffer struct buffer reason;
    buffer_init(&reason, PAGE_MAX);
    const struct metrics_source source = {
        .config = admin->config,
        .now = now,
        .ready = is_ready(admin, tallies, now, &reason),
        .tallies = tallies,
        .workers = workers,
        .count = admin->crew->count,
        .process = gather_process(admin),
        .generation = admin->generation,
        .configured = admin->configured,
        .reload_failed = admin->reload_failed,
        .restart_needed = admin->restart_needed,
        .lines_dropped = access_log_dropped(admin->crew->access_log),
        .spans_dropped = span_export_dropped(admin->crew->span_export),
        .version = GATHERD_VERSION,
        .libmicrohttpd = server_library_version(),
        .libcurl = curl_global_version(),
    };
    write(&source, out);
}

/* ---- pages ---- */

/* Takes the buffer's bytes. */
static struct answer *page(unsigned status, const char *media, struct buffer *body)
{
    if (buffer_status(body) != 0)
        return answer_problem(503, "there is no memory for this page");
    struct answer *answer = mem_new(sizeof *answer);
    answer->status = status;
    answer->arena = arena_new();
    answer->body = buffer_take(body, &answer->body_len);
    answer_add_header(answer, "Content-Type", media);
    answer_add_header(answer, "Cache-Control", "no-store");
    answer_add_header(answer, "X-Content-Type-Options", "nosniff");
    return answer;
}

static unsigned write_readiness(const struct admin *admin, struct buffer *out)
{
    const struct tally **tallies scope_free = gather_tallies(admin->crew);
    if (!is_ready(admin, tallies, clock_now(), out))
        return 503;
    buffer_string(out, "ready\n");
    return 200;
}

static struct answer *answer_page(const struct admin *admin, const char *path)
{
    static const char text[] = "text/plain; charset=utf-8";
    scope_buffer struct buffer out;
    buffer_init(&out, PAGE_MAX);
    if (strcmp(path, "/") == 0) {
        buffer_string(&out, index_page);
        return page(200, "text/html; charset=utf-8", &out);
    }
    if (strcmp(path, "/-/healthy") == 0) {
        buffer_string(&out, "healthy\n");
        return page(200, text, &out);
    }
    if (strcmp(path, "/-/ready") == 0) {
        unsigned status = write_readiness(admin, &out);
        return page(status, text, &out);
    }
    if (strcmp(path, "/-/config") == 0) {
        config_print(admin->config, &out);
        return page(200, "application/yaml", &out);
    }
    if (strcmp(path, "/-/upstreams") == 0) {
        write_figures(admin, metrics_write_upstreams, &out);
        return page(200, "application/json", &out);
    }
    if (strcmp(path, "/metrics") == 0) {
        write_figures(admin, metrics_write, &out);
        return page(200, METRICS_MEDIA_TYPE, &out);
    }
    return NULL;
}

/* Whoever reaches these pages may see the plan of anything: no option is asked. */
static struct answer *answer(void *ctx, struct inbound *inbound, const char *path,
                             struct arena *arena)
{
    const struct admin *admin = ctx;
    if (explain_wish(arena, inbound) == EXPLAIN_YES)
        return api_explain(admin->config, inbound, admin->crew->identity, arena);
    if (strcmp(inbound->method, "GET") != 0 && strcmp(inbound->method, "HEAD") != 0)
        return NULL;
    return answer_page(admin, path);
}

/* ---- life ---- */

int admin_new(struct loop *loop, const struct listeners *listeners, struct admin **ret_admin)
{
    struct admin *admin = mem_new(sizeof *admin);
    admin->started = admin->configured = process_wall_clock();
    admin->generation = 1;
    int rc = admin_server_new(loop, listeners,
                              "/, /-/healthy, /-/ready, /-/upstreams, /-/config and /metrics",
                              answer, admin, &admin->server);
    if (rc != 0) {
        free(admin);
        return rc;
    }
    *ret_admin = admin;
    return 0;
}

struct admin *admin_free(struct admin *admin)
{
    if (!admin)
        return NULL;
    admin_server_free(admin->server);
    free(admin);
    return NULL;
}

void admin_watch(struct admin *admin, const struct crew *crew, const struct heartbeat *heartbeat,
                 const struct config *config)
{
    if (!admin)
        return;
    admin->crew = crew;
    admin->heartbeat = heartbeat;
    admin->config = config;
    admin_server_answer_to(admin->server, &config->admin_hosts);
}

void admin_enter(struct admin *admin, enum admin_state state)
{
    if (admin)
        admin->state = state;
}

void admin_reloaded(struct admin *admin, const struct config *config, bool restart_needed)
{
    if (!admin)
        return;
    admin->reload_failed = !config;
    if (!config)
        return;
    admin->config = config;
    admin_server_answer_to(admin->server, &config->admin_hosts);
    admin->restart_needed = restart_needed;
    admin->configured = process_wall_clock();
    admin->generation++;
}

usec_t admin_turn(struct admin *admin)
{
    return admin ? admin_server_turn(admin->server) : USEC_NEVER;
}
