/*
 * Members are collected part by part into one list and indexed by key. The
 * first member of a key is its head; when a later part wins, the head is
 * overwritten in place, and members of the losing part that still stand for
 * that key are dead. When only one part has an object, its bytes are copied as a
 * whole, white space and all.
 *
 * Invariant: a member is alive exactly when it comes from the part that its
 * head comes from.
 */
#include "core/merge_object.h"

#include <errno.h>

#include "core/key_index.h"
#include "json/write.h"

struct member {
    struct json_span key; /* first: key_index reads it there */
    struct json_span value;
    uint32_t part;
    uint32_t head; /* number of the member that its key found first; itself when none */
};

struct collection {
    struct buffer members; /* of struct member */
    struct key_index keys;
    enum conflict_kind conflict;
    int status;               /* 0 or -ENOMEM */
    const char *refused;      /* the value of a key that may not be there again, or NULL */
    uint32_t refused_earlier; /* whose the key is */
};

static struct member *member_at(const struct collection *collection, size_t number)
{
    return (struct member *)(void *)collection->members.data + number;
}

static size_t member_count(const struct collection *collection)
{
    return collection->members.len / sizeof(struct member);
}

/* Another part has the key already. */
static void meet(struct collection *collection, struct member *head, const struct member *member)
{
    if (collection->conflict == CONFLICT_ERROR) {
        collection->refused = member->value.data;
        collection->refused_earlier = head->part;
    } else if (collection->conflict == CONFLICT_LAST) {
        *head = *member;
    }
}

/* Adds one member, unless it is refused. */
static void collect_member(struct collection *collection, const struct json_item *item,
                           uint32_t part)
{
    size_t number = member_count(collection);
    struct member member = {item->key, item->value, part, (uint32_t)number};
    uint32_t found;
    int status = number < KEY_INDEX_NONE
                     ? key_index_find_or_add(&collection->keys, item->key, member.head, &found)
                     : -ENOMEM;
    if (status != 0) {
        collection->status = status;
        return;
    }
    if (found != KEY_INDEX_NONE) {
        struct member *head = member_at(collection, found);
        member.head = found;
        if (head->part != part) {
            meet(collection, head, &member);
            return;
        }
    }
    buffer_append(&collection->members, &member, sizeof member);
    if (buffer_status(&collection->members) != 0)
        collection->status = -ENOMEM;
}

static void collect_object(struct collection *collection, struct json_span object, uint32_t part)
{
    struct json_cursor cursor = json_open(object);
    struct json_item item;
    while (collection->status == 0 && !collection->refused && json_next(&cursor, &item))
        collect_member(collection, &item, part);
}

static bool is_meta(struct json_span key)
{
    return json_key_is(key, "_meta", strlen("_meta"));
}

static void write_members(const struct collection *collection, bool look_for_meta,
                          struct buffer *out, struct merged_object *object)
{
    size_t count = member_count(collection);
    for (size_t i = 0; i < count; i++) {
        const struct member *member = member_at(collection, i);
        if (member->part != member_at(collection, member->head)->part)
            continue;
        if (!object->empty)
            buffer_byte(out, ',');
        object->empty = false;
        json_splice(out, member->key);
        buffer_byte(out, ':');
        json_splice(out, member->value);
        object->has_meta = object->has_meta || (look_for_meta && is_meta(member->key));
    }
}

/* One object alone: nothing can conflict. */
static void copy_members(struct json_span span, bool look_for_meta, struct buffer *out,
                         struct merged_object *object)
{
    struct json_cursor cursor = json_open(span);
    struct json_item item;
    object->empty = !json_next(&cursor, &item);
    if (object->empty)
        return;
    if (look_for_meta) {
        do
            object->has_meta = is_meta(item.key);
        while (!object->has_meta && json_next(&cursor, &item));
    }
    buffer_append(out, span.data + 1, span.len - 2);
}

static bool contributes(const struct part *part)
{
    return json_span_type(part_value(part)) == JSON_OBJECT;
}

/* Collects every part's members; the part where a conflict that may not be shows, or NULL. */
static const struct part *collect(const struct job *job, struct collection *collection)
{
    for (size_t i = 0; i < job->count && collection->status == 0; i++) {
        const struct part *part = &job->parts[i];
        if (!contributes(part))
            continue;
        collect_object(collection, part_value(part), (uint32_t)i);
        if (collection->refused)
            return part;
    }
    return NULL;
}

bool merge_object_alone(const struct job *job, bool look_for_meta, struct buffer *out,
                        struct merged_object *ret_object)
{
    size_t objects = 0;
    const struct part *last = NULL;
    for (size_t i = 0; i < job->count; i++) {
        if (!contributes(&job->parts[i]))
            continue;
        objects++;
        last = &job->parts[i];
    }
    *ret_object = (struct merged_object){.empty = true};
    if (objects == 1)
        copy_members(part_value(last), look_for_meta, out, ret_object);
    return objects < 2;
}

enum outcome_code merge_object_members(const struct job *job, bool look_for_meta,
                                       struct buffer *out, struct merged_object *ret_object,
                                       struct merge_refusal *ret_refusal)
{
    if (merge_object_alone(job, look_for_meta, out, ret_object))
        return OUTCOME_NONE;
    struct collection collection = {.conflict = (enum conflict_kind)job->batch->conflict};
    buffer_init(&collection.members, SIZE_MAX / 2);
    key_index_init(&collection.keys, &collection.members, sizeof(struct member));
    const struct part *conflicting = collect(job, &collection);
    if (collection.status != 0)
        out->status = -ENOMEM;
    else if (!conflicting)
        write_members(&collection, look_for_meta, out, ret_object);
    key_index_done(&collection.keys);
    buffer_done(&collection.members);
    if (!conflicting)
        return OUTCOME_NONE;
    *ret_refusal = (struct merge_refusal){conflicting, collection.refused,
                                          &job->parts[collection.refused_earlier]};
    return OUTCOME_MERGE_CONFLICT;
}
