/*
 * Fields that strangers write: Cache-Control and Age of upstreams, Accept-Encoding and
 * If-None-Match of clients. Input: a line of one of them. What is written of a
 * Cache-Control must be read as the same, and a tag is found in every list that begins with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/accept_encoding.h"
#include "core/cache_control.h"
#include "core/entity_tag.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_cache_control(struct field_text line)
{
    struct cache_control control = {.present = false};
    uint32_t age = 0;
    cache_control_read(&control, line);
    (void)field_seconds(line, &age);
    assert(age <= FIELD_SECONDS_MAX);
    struct freshness one = cache_control_freshness(&control, age, line.len % 2 == 0);
    struct freshness all = one;
    freshness_limit(&all, &one);
    assert(all.own == one.own && all.shared == one.shared && all.no_store == one.no_store);
    scope_buffer struct buffer out;
    buffer_init(&out, FRESHNESS_TEXT_MAX);
    freshness_write(&all, &out);
    assert(buffer_status(&out) == 0 && out.len > 0);
    /* What was written says the same when it is read. */
    struct cache_control again = {.present = false};
    cache_control_read(&again, (struct field_text){out.data, out.len});
    struct freshness read = cache_control_freshness(&again, 0, false);
    assert(read.no_store == all.no_store);
    if (!read.no_store && !read.no_cache && !read.is_private)
        assert(read.own == all.own && read.shared == all.shared);
}

static void check_tags(struct field_text line)
{
    char tag[ENTITY_TAG_MAX];
    entity_tag_make(line.data, line.len, tag);
    (void)entity_tag_matches(line, tag);
    char *list = mem_new(line.len + ENTITY_TAG_MAX + 2);
    int len = snprintf(list, ENTITY_TAG_MAX + 2, "%s, ", tag);
    memcpy(list + len, line.data, line.len);
    assert(entity_tag_matches((struct field_text){list, (size_t)len + line.len}, tag));
    free(list);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    /* A copy of its own, so that a byte too far is seen. */
    scope_free char *copy = malloc(size > 0 ? size : 1);
    if (size > 0)
        memcpy(copy, data, size);
    struct field_text line = {copy, size};
    struct accept_encoding accept = ACCEPT_ENCODING_NONE;
    accept_encoding_read(&accept, line);
    assert(accept.gzip <= 1000 && accept.identity <= 1000 && accept.any <= 1000);
    (void)accept_encoding_gzip(&accept);
    check_cache_control(line);
    check_tags(line);
    return 0;
}
