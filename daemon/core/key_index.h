/*
 * Finds the members of an object that is being put together by the decoded
 * value of their keys. Whoever chooses the keys cannot make it slow: the hash
 * is keyed with the process's random bytes.
 */
#ifndef CORE_KEY_INDEX_H
#define CORE_KEY_INDEX_H

#include <stdint.h>

#include "base/buffer.h"
#include "json/span.h"

struct key_index {
    const struct buffer *records; /* items of record_size bytes that begin with their key */
    size_t record_size;
    size_t owner_offset;    /* of a uint32_t in the record that is part of its key; 0: none */
    struct key_slot *slots; /* a power of two of them; NULL while empty */
    size_t slot_count, used;
    struct buffer scratch; /* decoded keys */
    uint64_t seed[2];
};

#define KEY_INDEX_NONE UINT32_MAX

/* `records` (borrowed) is the caller's list, each record beginning with a struct
 * json_span: its key. A remembered record's key may only change to an equal one. */
void key_index_init(struct key_index *index, const struct buffer *records, size_t record_size);
void key_index_done(struct key_index *index);

/* Keys are those of several objects in one list: a record has its object's number there. */
void key_index_set_owner(struct key_index *index, size_t offset);

/* Looks for a record with the same decoded key: its number in *ret_number. If there
 * is none, remembers that record `number`, which the caller appends next, has it, and
 * sets KEY_INDEX_NONE. A key that has no decoded value (a lone surrogate) is never
 * remembered nor found. A key may also be another scalar; those are equal when their bytes
 * are, and to no string. 0 or -ENOMEM. */
int must_check key_index_find_or_add(struct key_index *index, struct json_span key, uint32_t number,
                                     uint32_t *ret_number);
/* The same among the records of one owner. */
int must_check key_index_find_or_add_in(struct key_index *index, uint32_t owner,
                                        struct json_span key, uint32_t number,
                                        uint32_t *ret_number);
/* Only looks: KEY_INDEX_NONE when there is none. 0 or -ENOMEM. */
int must_check key_index_find(struct key_index *index, struct json_span key, uint32_t *ret_number);

#endif
