/*
 * The members of the objects that are being put together are entries in one list,
 * chained in the order they have in their object, and indexed by object and key. A
 * value is a span of its part until another part has the same key and both values
 * are objects; only then it is opened, its members become entries of a new object.
 *
 * The first entry of a key is its head and stands for it once another part has had a
 * word on it (`shared`). Until then the entries of a key that one object has twice
 * stay beside their head; when the word falls, the last of them is the value that
 * counts and the others are gone.
 *
 * Invariant: head <= number of the entry; an entry with a shared head is only alive
 * when it is that head. Recursion is bounded by MERGE_LEVELS_MAX.
 */
#include "core/merge_tree.h"

#include <errno.h>

#include "core/key_index.h"
#include "core/without_nulls.h"
#include "json/write.h"

#define NONE UINT32_MAX
_Static_assert(MERGE_LEVELS_MAX == 64, "as MERGE_TOO_DEEP says");

struct entry {
    struct json_span key; /* first: key_index reads it there */
    uint32_t object;      /* the one it is a member of */
    uint32_t part;
    struct json_span value;
    uint32_t opened;     /* the object its value has become; NONE: the span */
    uint32_t next;       /* in its object */
    uint32_t head, last; /* of the same key; last: of a head that is not shared */
    bool shared, removed;
    bool without_nulls; /* the value came from a patch: null members are left out */
};

struct object {
    uint32_t first, last; /* entries */
};

struct tree {
    struct buffer entries, objects;
    struct key_index keys;
    bool patch;
    enum conflict_kind conflict;
    int status;                /* 0 or -ENOMEM */
    enum outcome_code refused; /* OUTCOME_NONE, or why a part cannot be merged: */
    const char *refused_at;    /* where in it, */
    uint32_t refused_earlier;  /* and whose the key is */
};

/* How the members of an object come in. */
struct source {
    uint32_t part;
    bool patch;         /* one after the other, null removes */
    bool without_nulls; /* the object was in a patch before it was opened */
    unsigned level;
};

static struct entry *entry_at(const struct tree *tree, uint32_t number)
{
    return (struct entry *)(void *)tree->entries.data + number;
}

static struct object *object_at(const struct tree *tree, uint32_t number)
{
    return (struct object *)(void *)tree->objects.data + number;
}

static uint32_t new_object(struct tree *tree)
{
    struct object object = {NONE, NONE};
    size_t number = tree->objects.len / sizeof object;
    buffer_append(&tree->objects, &object, sizeof object);
    if (number >= NONE || buffer_status(&tree->objects) != 0)
        tree->status = -ENOMEM;
    return (uint32_t)number;
}

static void append_entry(struct tree *tree, struct entry *entry, uint32_t number)
{
    buffer_append(&tree->entries, entry, sizeof *entry);
    if (buffer_status(&tree->entries) != 0) {
        tree->status = -ENOMEM;
        return;
    }
    struct object *object = object_at(tree, entry->object);
    if (object->first == NONE)
        object->first = number;
    else
        entry_at(tree, object->last)->next = number;
    object->last = number;
}

static void add_members(struct tree *tree, uint32_t object, struct json_span text,
                        const struct source *source);

/* Makes an object of the value that a head has now, whose last word was its part's. */
static void open_value(struct tree *tree, uint32_t head, unsigned level)
{
    struct entry *entry = entry_at(tree, head);
    const struct entry *last = entry_at(tree, entry->shared ? head : entry->last);
    struct source source = {entry->part, false, last->without_nulls, level};
    struct json_span text = last->value;
    uint32_t object = new_object(tree);
    if (tree->status != 0)
        return;
    entry->opened = object;
    add_members(tree, object, text, &source);
}

static bool is_object(const struct tree *tree, const struct entry *head)
{
    if (head->removed)
        return false;
    const struct entry *last = head->shared ? head : entry_at(tree, head->last);
    return head->opened != NONE || json_span_type(last->value) == JSON_OBJECT;
}

static void refuse(struct tree *tree, enum outcome_code why, const struct json_item *item,
                   uint32_t earlier)
{
    tree->refused = why;
    tree->refused_at = item->value.data;
    tree->refused_earlier = earlier;
}

static void merge_objects(struct tree *tree, uint32_t head, const struct json_item *item,
                          const struct source *source)
{
    struct source below = *source;
    if (++below.level > MERGE_LEVELS_MAX) {
        refuse(tree, OUTCOME_MERGE_TYPE, item, entry_at(tree, head)->part);
        return;
    }
    if (entry_at(tree, head)->opened == NONE)
        open_value(tree, head, below.level);
    if (tree->status != 0)
        return;
    struct entry *entry = entry_at(tree, head);
    entry->shared = true;
    entry->part = source->part;
    add_members(tree, entry->opened, item->value, &below);
}

/* Another part has a member of a key that is there. */
static void meet(struct tree *tree, uint32_t head, const struct json_item *item,
                 const struct source *source)
{
    struct entry *entry = entry_at(tree, head);
    enum json_type type = json_span_type(item->value);
    if (type == JSON_OBJECT && is_object(tree, entry)) {
        merge_objects(tree, head, item, source);
        return;
    }
    if (!source->patch && tree->conflict == CONFLICT_ERROR) {
        refuse(tree, OUTCOME_MERGE_CONFLICT, item, entry->part);
        return;
    }
    if (!source->patch && tree->conflict == CONFLICT_FIRST)
        return;
    entry->key = item->key;
    entry->value = item->value;
    entry->part = source->part;
    entry->opened = NONE;
    entry->shared = true;
    entry->removed = source->patch && type == JSON_NULL;
    entry->without_nulls = source->patch;
}

static void add_member(struct tree *tree, uint32_t object, const struct json_item *item,
                       const struct source *source)
{
    size_t number = tree->entries.len / sizeof(struct entry);
    bool null = json_span_type(item->value) == JSON_NULL;
    uint32_t found;
    if (source->without_nulls && null)
        return;
    int status = number < NONE ? key_index_find_or_add_in(&tree->keys, object, item->key,
                                                          (uint32_t)number, &found)
                               : -ENOMEM;
    if (status != 0) {
        tree->status = status;
        return;
    }
    const struct entry *head = found == NONE ? NULL : entry_at(tree, found);
    if (head && (source->patch || head->shared || head->part != source->part)) {
        meet(tree, found, item, source);
        return;
    }
    if (head)
        entry_at(tree, found)->last = (uint32_t)number;
    struct entry entry = {
        .key = item->key,
        .value = item->value,
        .object = object,
        .part = source->part,
        .opened = NONE,
        .next = NONE,
        .head = head ? found : (uint32_t)number,
        .last = (uint32_t)number,
        .removed = source->patch && null,
        .without_nulls = source->patch || source->without_nulls,
    };
    append_entry(tree, &entry, (uint32_t)number);
}

static void add_members(struct tree *tree, uint32_t object, struct json_span text,
                        const struct source *source)
{
    struct json_cursor cursor = json_open(text);
    struct json_item item;
    while (tree->status == 0 && tree->refused == OUTCOME_NONE && json_next(&cursor, &item))
        add_member(tree, object, &item, source);
}

/* ---- Writing ---- */

static bool is_alive(const struct tree *tree, const struct entry *entry, uint32_t number)
{
    return !entry->removed && (entry->head == number || !entry_at(tree, entry->head)->shared);
}

/* The members, without the braces; true when there was none. */
static bool write_members(const struct tree *tree, uint32_t object, struct buffer *out)
{
    bool empty = true;
    for (uint32_t at = object_at(tree, object)->first; at != NONE; at = entry_at(tree, at)->next) {
        const struct entry *entry = entry_at(tree, at);
        if (!is_alive(tree, entry, at))
            continue;
        if (!empty)
            buffer_byte(out, ',');
        empty = false;
        json_splice(out, entry->key);
        buffer_byte(out, ':');
        if (entry->opened != NONE) {
            buffer_byte(out, '{');
            (void)write_members(tree, entry->opened, out);
            buffer_byte(out, '}');
        } else if (entry->without_nulls && json_span_type(entry->value) == JSON_OBJECT) {
            without_nulls_put(out, entry->value);
        } else {
            json_splice(out, entry->value);
        }
    }
    return empty;
}

static bool has_meta(const struct tree *tree)
{
    for (uint32_t at = object_at(tree, 0)->first; at != NONE; at = entry_at(tree, at)->next) {
        const struct entry *entry = entry_at(tree, at);
        if (is_alive(tree, entry, at) && json_key_is(entry->key, "_meta", strlen("_meta")))
            return true;
    }
    return false;
}

/* ---- The whole ---- */

/* Returns the part that cannot be merged, or NULL. */
static const struct part *add_parts(const struct job *job, struct tree *tree)
{
    bool first = true;
    uint32_t root = new_object(tree);
    for (size_t i = 0; i < job->count && tree->status == 0; i++) {
        struct json_span value = part_value(&job->parts[i]);
        if (json_span_type(value) != JSON_OBJECT)
            continue;
        struct source source = {(uint32_t)i, tree->patch && !first, false, 1};
        add_members(tree, root, value, &source);
        if (tree->refused != OUTCOME_NONE)
            return &job->parts[i];
        first = false;
    }
    return NULL;
}

enum outcome_code merge_tree_members(const struct job *job, bool look_for_meta, struct buffer *out,
                                     struct merged_object *ret_object,
                                     struct merge_refusal *ret_refusal)
{
    if (merge_object_alone(job, look_for_meta, out, ret_object))
        return OUTCOME_NONE;
    struct tree tree = {.patch = job->batch->merge == MERGE_PATCH,
                        .conflict = (enum conflict_kind)job->batch->conflict,
                        .refused = OUTCOME_NONE};
    buffer_init(&tree.entries, SIZE_MAX / 2);
    buffer_init(&tree.objects, SIZE_MAX / 2);
    key_index_init(&tree.keys, &tree.entries, sizeof(struct entry));
    key_index_set_owner(&tree.keys, offsetof(struct entry, object));
    const struct part *refused = add_parts(job, &tree);
    if (tree.status != 0) {
        out->status = -ENOMEM;
    } else if (!refused) {
        ret_object->empty = write_members(&tree, 0, out);
        ret_object->has_meta = look_for_meta && has_meta(&tree);
    }
    key_index_done(&tree.keys);
    buffer_done(&tree.entries);
    buffer_done(&tree.objects);
    if (refused)
        *ret_refusal =
            (struct merge_refusal){refused, tree.refused_at, &job->parts[tree.refused_earlier]};
    return refused ? tree.refused : OUTCOME_NONE;
}
