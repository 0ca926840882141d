/*
 * libcurl 7.88 walks a whole connection cache for every call that ends, so one
 * cache for all connections makes n calls cost n squared. A CURLSH per group of
 * handles keeps the walk short; it is used by one thread, hence without locks.
 *
 * HTTP/2 needs the opposite: whoever is to share a connection must look into the same
 * cache. There are few connections then, and the walk is short again.
 *
 * A handle is tied to one origin. Were it not, a call to X would often meet a
 * handle whose group has connections to Y only, and open one more.
 *
 * Invariants: a handle is taken or in its lane's idle stack; group->taken counts
 * its taken handles; a lane has a group as long as it has a handle. Lanes are
 * kept in order of use; beyond LANES_MOST the least recently used idle one goes.
 */
#include "back/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "back/curl_global.h"
#include "base/mem.h"

#define IDLE_TIME  (55 * USEC_PER_SEC)
#define SWEEP_TIME (10 * USEC_PER_SEC)

#define CA_TIME 60L /* seconds until a changed file of certificates is noticed */

/* libcurl 7.88 reads 32 KiB of HTTP/2 at once. What does not fit into the buffer of the
 * stream it is for makes nghttp2 pause, and the end of a stream in it may be overlooked
 * until something else arrives. */
#define BUFFER_SIZE 65536L

enum { LANES_MOST = 256, BUCKETS = 256 };

struct lane_group {
    CURLSH *share;
    struct handle *handles; /* all */
    size_t count, taken;
    usec_t used; /* when a handle was last given back */
    struct lane_group *next;
};

struct lane {
    char *authority, *ca_file, *proxy;
    bool tls;
    enum http_version http;
    struct entry entry;
    CURLU *url;
    struct lane_group *groups; /* only the first may have room */
    struct handle *idle;
    size_t taken;
    struct lane *bucket_next;
    struct lane *newer, *older;
};

struct lanes {
    struct loop *loop;
    struct timer sweep;
    struct lane *buckets[BUCKETS];
    struct lane *newest, *oldest;
    size_t count;
    lane_prepare_fn *prepare;
    void *ctx;
};

struct lanes *lanes_new(struct loop *loop, lane_prepare_fn *prepare, void *ctx)
{
    struct lanes *lanes = mem_new(sizeof *lanes);
    lanes->loop = loop;
    lanes->prepare = prepare;
    lanes->ctx = ctx;
    return lanes;
}

/* ---- groups ---- */

static void free_handle(struct handle *handle)
{
    curl_easy_cleanup(handle->easy);
    free(handle->header_nodes);
    free(handle->header_text);
    free(handle);
}

static void free_group(struct lane *lane, struct lane_group *group)
{
    assert(group->taken == 0);
    struct handle **place = &lane->idle;
    while (*place) {
        if ((*place)->group == group)
            *place = (*place)->next_idle;
        else
            place = &(*place)->next_idle;
    }
    while (group->handles) {
        struct handle *handle = group->handles;
        group->handles = handle->next_of_group;
        free_handle(handle);
    }
    CURLSHcode rc = curl_share_cleanup(group->share);
    assert(rc == CURLSHE_OK);
    free(group);
}

static struct lane_group *group_with_room(struct lane *lane)
{
    if (lane->groups && (lane->http != HTTP_1 || lane->groups->count < LANE_CONNECTIONS))
        return lane->groups;
    CURLSH *share = curl_share_init();
    if (!share)
        return NULL;
    CURLSHcode rc = curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    if (lane->tls)
        rc |= curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (rc != CURLSHE_OK) {
        curl_share_cleanup(share);
        return NULL;
    }
    struct lane_group *group = mem_new(sizeof *group);
    group->share = share;
    group->next = lane->groups;
    return lane->groups = group;
}

/* Prior knowledge is only for whoever makes a connection: see transfer_options_join(). */
static long version_option(const struct lane *lane)
{
    if (lane->http == HTTP_1)
        return CURL_HTTP_VERSION_1_1;
    return lane->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

/* libcurl trusts a directory besides the file when it was built with one. Then another
 * file would be added to the system's certificates instead of taking their place; and
 * libcurl parses the file for each connection, where with a file alone it keeps what it
 * parsed (the system's bundle takes 40 ms). */
static int trust_file_only(CURL *easy, const char *ca_file)
{
    char *file = NULL;
    int rc = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_TIME);
    if (ca_file)
        rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &file) == CURLE_OK && (ca_file || file))
        rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return rc;
}

static struct handle *new_handle(struct lanes *lanes, struct lane *lane)
{
    struct lane_group *group = group_with_room(lane);
    CURL *easy = group ? curl_easy_init() : NULL;
    if (!easy)
        return NULL;
    struct handle *handle = mem_new(sizeof *handle);
    *handle = (struct handle){.easy = easy, .entry = &lane->entry, .lane = lane, .group = group};
    int rc = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version_option(lane));
    if (lane->http != HTTP_1)
        rc |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    rc |= curl_easy_setopt(easy, CURLOPT_SHARE, group->share);
    rc |= curl_easy_setopt(easy, CURLOPT_CURLU, lane->url);
    if (lane->tls)
        rc |= trust_file_only(easy, lane->ca_file);
    if (rc != CURLE_OK || !lanes->prepare(lanes->ctx, handle)) {
        free_handle(handle);
        return NULL;
    }
    handle->next_of_group = group->handles;
    group->handles = handle;
    group->count++;
    return handle;
}

/* ---- lanes ---- */

static size_t bucket_index(const char *authority)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
    for (; *authority; authority++)
        hash = (hash ^ (unsigned char)*authority) * UINT32_C(16777619);
    return hash % BUCKETS;
}

static struct lane **bucket_of(struct lanes *lanes, const char *authority)
{
    return &lanes->buckets[bucket_index(authority)];
}

static void unlink_lane(struct lanes *lanes, struct lane *lane)
{
    if (lane->newer)
        lane->newer->older = lane->older;
    else
        lanes->newest = lane->older;
    if (lane->older)
        lane->older->newer = lane->newer;
    else
        lanes->oldest = lane->newer;
}

static void push_lane(struct lanes *lanes, struct lane *lane)
{
    lane->newer = NULL;
    lane->older = lanes->newest;
    if (lanes->newest)
        lanes->newest->newer = lane;
    else
        lanes->oldest = lane;
    lanes->newest = lane;
}

static void free_lane(struct lanes *lanes, struct lane *lane)
{
    assert(lane->taken == 0);
    unlink_lane(lanes, lane);
    struct lane **place = bucket_of(lanes, lane->authority);
    while (*place != lane)
        place = &(*place)->bucket_next;
    *place = lane->bucket_next;
    lanes->count--;
    while (lane->groups) {
        struct lane_group *group = lane->groups;
        lane->groups = group->next;
        free_group(lane, group);
    }
    curl_url_cleanup(lane->url);
    free(lane->authority);
    free(lane->ca_file);
    free(lane->proxy);
    free(lane);
}

static void make_room(struct lanes *lanes)
{
    struct lane *newer;
    for (struct lane *lane = lanes->oldest; lane && lanes->count >= LANES_MOST; lane = newer) {
        newer = lane->newer;
        if (lane->taken == 0)
            free_lane(lanes, lane);
    }
}

static struct lane *new_lane(struct lanes *lanes, const struct lane_name *name)
{
    const struct origin *origin = name->origin;
    make_room(lanes);
    CURLU *url = curl_url();
    if (!url)
        return NULL;
    struct lane *lane = mem_new(sizeof *lane);
    size_t room = strlen(origin->authority) + sizeof "https:///";
    scope_free char *text = mem_new(room);
    snprintf(text, room, "%s://%s/", origin->tls ? "https" : "http", origin->authority);
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(url);
        free(lane);
        return NULL;
    }
    lane->url = url;
    lane->tls = origin->tls;
    lane->authority = mem_string(origin->authority);
    lane->ca_file = name->ca_file ? mem_string(name->ca_file) : NULL;
    lane->proxy = name->proxy ? mem_string(name->proxy) : NULL;
    lane->http = name->http;
    entry_init(&lane->entry, lanes->loop, !origin->tls && curl_global_joins_late());
    struct lane **bucket = bucket_of(lanes, lane->authority);
    lane->bucket_next = *bucket;
    *bucket = lane;
    push_lane(lanes, lane);
    lanes->count++;
    return lane;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct lane *find_lane(const struct lanes *lanes, const struct lane_name *name)
{
    const struct origin *origin = name->origin;
    struct lane *lane = lanes->buckets[bucket_index(origin->authority)];
    while (lane &&
           !(lane->tls == origin->tls && lane->http == name->http &&
             strcmp(lane->authority, origin->authority) == 0 &&
             same_text(lane->ca_file, name->ca_file) && same_text(lane->proxy, name->proxy)))
        lane = lane->bucket_next;
    return lane;
}

const struct entry *lanes_entry(const struct lanes *lanes, const struct lane_name *name)
{
    const struct lane *lane = find_lane(lanes, name);
    return lane ? &lane->entry : NULL;
}

struct handle *lanes_take(struct lanes *lanes, const struct lane_name *name)
{
    struct lane *lane = find_lane(lanes, name);
    if (!lane)
        lane = new_lane(lanes, name);
    if (!lane)
        return NULL;
    if (lane != lanes->newest) {
        unlink_lane(lanes, lane);
        push_lane(lanes, lane);
    }
    struct handle *handle = lane->idle;
    if (handle)
        lane->idle = handle->next_idle;
    else
        handle = new_handle(lanes, lane);
    if (!handle)
        return NULL;
    lane->taken++;
    handle->group->taken++;
    return handle;
}

const char *lane_ca_file(const struct handle *handle)
{
    return handle->lane->ca_file;
}

static void sweep_lane(struct lane *lane, usec_t before)
{
    struct lane_group **place = &lane->groups;
    while (*place) {
        struct lane_group *group = *place;
        if (group->taken > 0 || group->used >= before) {
            place = &group->next;
            continue;
        }
        *place = group->next;
        free_group(lane, group);
    }
}

static void sweep(struct timer *timer)
{
    struct lanes *lanes = container_of(timer, struct lanes, sweep);
    usec_t now = loop_now(lanes->loop);
    usec_t before = now > IDLE_TIME ? now - IDLE_TIME : 0;
    struct lane *newer;
    for (struct lane *lane = lanes->oldest; lane; lane = newer) {
        newer = lane->newer;
        sweep_lane(lane, before);
        if (!lane->groups)
            free_lane(lanes, lane);
    }
    if (lanes->count > 0)
        loop_set(lanes->loop, timer, now + SWEEP_TIME, sweep);
}

void lanes_give(struct lanes *lanes, struct handle *handle)
{
    struct lane *lane = handle->lane;
    usec_t now = loop_now(lanes->loop);
    handle->user = NULL;
    handle->next_idle = lane->idle;
    lane->idle = handle;
    lane->taken--;
    handle->group->taken--;
    handle->group->used = now;
    if (lanes->sweep.position == 0)
        loop_set(lanes->loop, &lanes->sweep, now + SWEEP_TIME, sweep);
}

struct lanes *lanes_free(struct lanes *lanes)
{
    if (!lanes)
        return NULL;
    loop_clear(lanes->loop, &lanes->sweep);
    while (lanes->newest)
        free_lane(lanes, lanes->newest);
    free(lanes);
    return NULL;
}
