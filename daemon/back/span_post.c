/*
 * The status decides as soon as there is one: a collector that said 2xx and then broke off
 * may have taken the spans, and would have them twice.
 */
#include "back/span_post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "json/span.h"

/* What is kept of a reply: enough for a sentence. */
enum { REPLY_MAX = 4096, REPLY_DEPTH = 16 };

#define CA_TIME 60L /* seconds that certificates are kept, as for upstreams */

enum { WAIT_MOST = 60 }; /* seconds that a collector may ask for */

struct span_post {
    CURL *easy;
    struct curl_slist *headers;
    const struct tracing_options *options;
    bool (*interrupt)(void *ctx);
    void *ctx;
    char reply[REPLY_MAX];
    size_t reply_len;
};

/* ---- the handle ---- */

static size_t keep_reply(char *data, size_t size, size_t count, void *ctx)
{
    struct span_post *post = ctx;
    size_t room = REPLY_MAX - post->reply_len, len = size * count;
    memcpy(post->reply + post->reply_len, data, len < room ? len : room);
    post->reply_len += len < room ? len : room;
    return len;
}

static int check_time(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total,
                      curl_off_t up_now)
{
    struct span_post *post = ctx;
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    return post->interrupt(post->ctx);
}

static bool add_header(struct span_post *post, const char *line)
{
    struct curl_slist *list = curl_slist_append(post->headers, line);
    post->headers = list ? list : post->headers;
    return list;
}

static bool make_headers(struct span_post *post)
{
    const struct header_list *list = &post->options->headers;
    bool made = add_header(post, "Content-Type: application/json") && add_header(post, "Expect:");
    for (size_t i = 0; i < list->count && made; i++) {
        const struct header *header = &list->items[i];
        struct buffer line scope_buffer;
        buffer_init(&line, SIZE_MAX);
        /* libcurl's way to write an empty one */
        buffer_printf(&line, header->value[0] ? "%s: %s" : "%s;", header->name, header->value);
        made = buffer_status(&line) == 0 && add_header(post, line.data);
    }
    return made;
}

/* See lane.c: a directory of the system's would be trusted besides the file. */
static int trust(CURL *easy, const char *ca_file)
{
    int rc = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_TIME);
    if (ca_file)
        rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) |
              curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return rc;
}

static bool prepare(struct span_post *post)
{
    const struct tracing_options *options = post->options;
    CURL *easy = post->easy = curl_easy_init();
    if (!easy || !make_headers(post))
        return false;
    long timeout = (long)((options->timeout + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
    int rc = curl_easy_setopt(easy, CURLOPT_URL, options->otlp);
    rc |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers);
    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "gatherd/" GATHERD_VERSION);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_reply);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    rc |= curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, 1L << 20);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_time);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFODATA, post);
    rc |= trust(easy, options->ca_file);
    return rc == CURLE_OK;
}

struct span_post *span_post_new(const struct tracing_options *options, bool (*interrupt)(void *ctx),
                                void *ctx)
{
    struct span_post *post = mem_new(sizeof *post);
    post->options = options;
    post->interrupt = interrupt;
    post->ctx = ctx;
    return prepare(post) ? post : span_post_free(post);
}

struct span_post *span_post_free(struct span_post *post)
{
    if (!post)
        return NULL;
    curl_easy_cleanup(post->easy);
    curl_slist_free_all(post->headers);
    free(post);
    return NULL;
}

/* ---- what a collector says ---- */

static struct json_span member_of(struct json_span object, const char *name)
{
    struct json_cursor cursor = json_open(object);
    struct json_item item;
    while (cursor.object && json_next(&cursor, &item))
        if (json_key_is(item.key, name, strlen(name)))
            return item.value;
    return (struct json_span){NULL, 0};
}

/* A number of 64 bits is a string in OTLP's JSON, and some write it as a number. */
static uint64_t number_of(struct json_span value)
{
    char text[24] = "";
    size_t quote = json_span_type(value) == JSON_STRING;
    if (value.len > 2 * quote && value.len - 2 * quote < sizeof text)
        memcpy(text, value.data + quote, value.len - 2 * quote);
    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

static void read_partial_success(const struct span_post *post, struct post_result *result)
{
    char message[POST_REASON - 40] = "";
    struct json_verdict verdict = json_validate(post->reply, post->reply_len, REPLY_DEPTH);
    if (verdict.fault != JSON_VALID || verdict.type != JSON_OBJECT)
        return;
    struct json_span whole = {post->reply + verdict.start, verdict.end - verdict.start};
    struct json_span partial = member_of(whole, "partialSuccess");
    if (json_span_type(partial) != JSON_OBJECT)
        return;
    result->rejected = number_of(member_of(partial, "rejectedSpans"));
    struct json_span said = member_of(partial, "errorMessage");
    if (json_span_type(said) == JSON_STRING)
        (void)json_decode(said, message, sizeof message - 1);
    snprintf(result->reason, sizeof result->reason, "the collector rejected them%s%s",
             message[0] ? ": " : "", message);
}

static bool is_worth_another_try(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static usec_t asked_wait(CURL *easy)
{
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0)
        return 0;
    return (usec_t)(seconds < WAIT_MOST ? seconds : WAIT_MOST) * USEC_PER_SEC;
}

static void judge(struct span_post *post, CURLcode rc, struct post_result *result)
{
    long status = 0;
    (void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 2) {
        result->end = POST_TAKEN;
        if (rc == CURLE_OK)
            read_partial_success(post, result);
    } else if (status >= 200) {
        result->end = is_worth_another_try(status) ? POST_AGAIN : POST_REFUSED;
        result->wait = result->end == POST_AGAIN ? asked_wait(post->easy) : 0;
        snprintf(result->reason, sizeof result->reason, "the collector answered %ld", status);
    } else {
        result->end = POST_AGAIN;
        snprintf(result->reason, sizeof result->reason, "%s",
                 rc == CURLE_ABORTED_BY_CALLBACK ? "the daemon was stopping"
                                                 : curl_easy_strerror(rc));
    }
}

void span_post_send(struct span_post *post, const char *body, size_t len,
                    struct post_result *ret_result)
{
    *ret_result = (struct post_result){.end = POST_AGAIN};
    post->reply_len = 0;
    int rc = curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body);
    rc |= curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    judge(post, rc == CURLE_OK ? curl_easy_perform(post->easy) : CURLE_OUT_OF_MEMORY, ret_result);
}
