/*
 * The items of `from` are records in a list, indexed by key, those of one key chained in
 * their order. The value of `into` is then copied once, item by item, with the member
 * put in behind an item's last one, or in place of one it has.
 *
 * With `many` the result can be far larger than what came in; the copy's cap holds it, and
 * nothing more is tried once that is reached.
 */
#include "core/join.h"

#include <errno.h>
#include <stdlib.h>

#include "core/key_index.h"
#include "json/write.h"

struct record {
    struct json_span key; /* first: key_index reads it there */
    struct json_span value;
    uint32_t next; /* with the same key; KEY_INDEX_NONE: no more */
    uint32_t last; /* of the first with a key */
};

struct joining {
    const struct join *join;
    enum conflict_kind conflict;
    struct buffer records, out;
    struct key_index keys;
    int status; /* 0, -ENOMEM or JOIN_FULL */
    bool conflicting;
};

static struct record *record_at(const struct joining *joining, uint32_t number)
{
    return (struct record *)(void *)joining->records.data + number;
}

/* Null, arrays and objects are no keys. */
static bool find_key(struct json_span item, const struct pointer *path, struct json_span *ret_key)
{
    if (json_span_type(item) != JSON_OBJECT || !pointer_find(item, path, ret_key))
        return false;
    enum json_type type = json_span_type(*ret_key);
    return type != JSON_NULL && type != JSON_ARRAY && type != JSON_OBJECT;
}

static void add_record(struct joining *joining, struct json_span item)
{
    size_t number = joining->records.len / sizeof(struct record);
    struct record record = {.value = item, .next = KEY_INDEX_NONE, .last = (uint32_t)number};
    uint32_t first;
    if (!find_key(item, &joining->join->by, &record.key))
        return;
    if (number >= KEY_INDEX_NONE ||
        key_index_find_or_add(&joining->keys, record.key, (uint32_t)number, &first) != 0) {
        joining->status = -ENOMEM;
        return;
    }
    if (first != KEY_INDEX_NONE && !joining->join->many)
        return;
    buffer_append(&joining->records, &record, sizeof record);
    if (buffer_status(&joining->records) != 0) {
        joining->status = -ENOMEM;
    } else if (first != KEY_INDEX_NONE) {
        record_at(joining, record_at(joining, first)->last)->next = (uint32_t)number;
        record_at(joining, first)->last = (uint32_t)number;
    }
}

static void read_records(struct joining *joining, struct json_span from)
{
    struct json_item item;
    if (json_span_type(from) == JSON_OBJECT)
        add_record(joining, from);
    struct json_cursor cursor = json_open(from);
    while (json_span_type(from) == JSON_ARRAY && joining->status == 0 && json_next(&cursor, &item))
        add_record(joining, item.value);
}

/* ---- Writing ---- */

static uint32_t find_record(struct joining *joining, struct json_span item)
{
    struct json_span key;
    uint32_t found = KEY_INDEX_NONE;
    if (find_key(item, &joining->join->key, &key) &&
        key_index_find(&joining->keys, key, &found) != 0)
        joining->status = -ENOMEM;
    return found;
}

static void put_match(struct joining *joining, uint32_t match)
{
    struct buffer *out = &joining->out;
    if (!joining->join->many) {
        json_splice(out, record_at(joining, match)->value);
        return;
    }
    buffer_byte(out, '[');
    for (uint32_t at = match; at != KEY_INDEX_NONE && buffer_status(out) == 0;
         at = record_at(joining, at)->next) {
        if (at != match)
            buffer_byte(out, ',');
        json_splice(out, record_at(joining, at)->value);
    }
    buffer_byte(out, ']');
}

/* The item with the match in place of the members it has of that name. */
static void put_replaced(struct joining *joining, struct json_span item, uint32_t match)
{
    const struct join *join = joining->join;
    struct json_cursor cursor = json_open(item);
    struct json_item member;
    const char *copied = item.data;
    bool replaced = false;
    for (const char *last = item.data; json_next(&cursor, &member);
         last = member.value.data + member.value.len) {
        if (!json_key_is(member.key, join->as, join->as_len))
            continue;
        const char *begin = replaced ? last : member.value.data;
        if (begin > copied)
            buffer_append(&joining->out, copied, (size_t)(begin - copied));
        if (!replaced)
            put_match(joining, match);
        replaced = true;
        copied = member.value.data + member.value.len;
    }
    buffer_append(&joining->out, copied, (size_t)(item.data + item.len - copied));
}

static void put_item(struct joining *joining, struct json_span item)
{
    const struct join *join = joining->join;
    struct json_cursor cursor = json_open(item);
    struct json_item member;
    const char *behind = item.data + 1; /* the last member */
    bool there = false, empty = true;
    uint32_t match =
        json_span_type(item) == JSON_OBJECT ? find_record(joining, item) : KEY_INDEX_NONE;
    if (json_span_type(item) != JSON_OBJECT || (match == KEY_INDEX_NONE && !join->many)) {
        json_splice(&joining->out, item);
        return;
    }
    for (; json_next(&cursor, &member); empty = false) {
        there = there || json_key_is(member.key, join->as, join->as_len);
        behind = member.value.data + member.value.len;
    }
    joining->conflicting = there && joining->conflict == CONFLICT_ERROR;
    if (there && joining->conflict == CONFLICT_FIRST) {
        json_splice(&joining->out, item);
    } else if (there) {
        put_replaced(joining, item, match);
    } else {
        buffer_append(&joining->out, item.data, (size_t)(behind - item.data));
        buffer_string(&joining->out, empty ? "" : ",");
        buffer_append(&joining->out, join->as_key, join->as_key_len);
        buffer_byte(&joining->out, ':');
        put_match(joining, match);
        buffer_append(&joining->out, behind, (size_t)(item.data + item.len - behind));
    }
}

static void put_items(struct joining *joining, struct json_span into)
{
    struct json_item item;
    const char *copied = into.data;
    if (json_span_type(into) == JSON_OBJECT) {
        put_item(joining, into);
        return;
    }
    struct json_cursor cursor = json_open(into);
    while (joining->status == 0 && !joining->conflicting && json_next(&cursor, &item)) {
        buffer_append(&joining->out, copied, (size_t)(item.value.data - copied));
        put_item(joining, item.value);
        copied = item.value.data + item.value.len;
        if (buffer_status(&joining->out) != 0)
            return;
    }
    buffer_append(&joining->out, copied, (size_t)(into.data + into.len - copied));
}

static void put_value(struct joining *joining, struct json_span value, struct json_span items)
{
    const char *behind = items.data + items.len;
    buffer_append(&joining->out, value.data, (size_t)(items.data - value.data));
    put_items(joining, items);
    buffer_append(&joining->out, behind, (size_t)(value.data + value.len - behind));
}

/* ---- The whole ---- */

static int reject(struct job *job, size_t index, enum outcome_code code, const char *detail)
{
    job_reject(job, index, code, detail);
    return JOIN_REJECTED;
}

static bool joinable(struct json_span value)
{
    enum json_type type = json_span_type(value);
    return type == JSON_NONE || type == JSON_NULL || type == JSON_ARRAY || type == JSON_OBJECT;
}

/* The copy becomes the part's value; what it was before is not needed any more. */
static void take_value(struct job *job, struct part *part, struct buffer *out)
{
    size_t len;
    char *bytes = buffer_take(out, &len);
    if (len > part->value.len)
        job->grown += len - part->value.len;
    free(part->shaped);
    part->shaped = bytes;
    part->value = (struct json_span){bytes, len};
}

static int apply(struct job *job, const struct join *join)
{
    struct part *into = &job->parts[join->into];
    struct json_span from = part_contents(&job->parts[join->from]), items;
    if (into->state != PART_OK || into->value.len == 0 ||
        !pointer_find(into->value, &join->at, &items))
        return 0;
    if (!joinable(items))
        return reject(job, join->into, OUTCOME_MERGE_TYPE, "join: needs an array or an object");
    if (!joinable(from))
        return reject(job, join->from, OUTCOME_MERGE_TYPE, "join: needs an array or an object");
    if (json_span_type(items) == JSON_NULL)
        return 0;
    struct joining joining = {.join = join, .conflict = (enum conflict_kind)job->batch->conflict};
    buffer_init(&joining.records, SIZE_MAX / 2);
    buffer_init(&joining.out, into->value.len + (job->config->limits.merged - job->grown));
    key_index_init(&joining.keys, &joining.records, sizeof(struct record));
    read_records(&joining, from);
    if (joining.status == 0)
        put_value(&joining, into->value, items);
    if (joining.status == 0)
        joining.status =
            buffer_status(&joining.out) == BUFFER_FULL ? JOIN_FULL : buffer_status(&joining.out);
    if (joining.status == 0 && !joining.conflicting)
        take_value(job, into, &joining.out);
    key_index_done(&joining.keys);
    buffer_done(&joining.records);
    buffer_done(&joining.out);
    if (joining.status == 0 && joining.conflicting)
        return reject(
            job, join->into, OUTCOME_MERGE_CONFLICT,
            arena_printf(job->arena, "join: an item has a member \"%s\" already", join->as));
    return joining.status;
}

int join_apply(struct job *job)
{
    for (size_t i = 0; i < job->batch->join_count; i++) {
        int status = apply(job, &job->batch->joins[i]);
        if (status != 0)
            return status;
    }
    return 0;
}
