/*
 * An open-addressing table, at most half full, of record numbers under SipHash-1-3
 * of their decoded keys. The hash key is the 16 random bytes that the kernel gives
 * every process, so no state has to be kept and no call has to be made. A slot is
 * kept small, for a hostile reply may have a million members: half of the hash,
 * and the number; the key is read in the caller's records.
 */
#include "core/key_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { FIRST_SLOTS = 64 };

struct key_slot {
    uint32_t hash;
    uint32_t taken; /* the record's number plus one; 0: free */
};

void key_index_init(struct key_index *index, const struct buffer *records, size_t record_size)
{
    *index = (struct key_index){.records = records, .record_size = record_size};
    buffer_init(&index->scratch, SIZE_MAX / 2);
    const void *random = (const void *)getauxval(AT_RANDOM); /* NOLINT: an address by contract */
    if (random)
        memcpy(index->seed, random, sizeof index->seed);
}

void key_index_set_owner(struct key_index *index, size_t offset)
{
    index->owner_offset = offset;
}

void key_index_done(struct key_index *index)
{
    free(index->slots);
    buffer_done(&index->scratch);
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t hash_bytes(const uint64_t seed[2], const char *data, size_t len)
{
    uint64_t v[4] = {
        seed[0] ^ 0x736f6d6570736575U, /* the constants of SipHash's definition */
        seed[1] ^ 0x646f72616e646f6dU,
        seed[0] ^ 0x6c7967656e657261U,
        seed[1] ^ 0x7465646279746573U,
    };
    uint64_t word;
    size_t left = len;
    for (; left >= sizeof word; left -= sizeof word, data += sizeof word) {
        memcpy(&word, data, sizeof word);
        sip_word(v, word);
    }
    word = 0;
    if (left > 0)
        memcpy(&word, data, left);
    sip_word(v, word ^ (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool is_string(struct json_span key)
{
    return key.data[0] == '"';
}

/* Hashes the decoded key. False when it has no decoded value. */
static bool hash_key(struct key_index *index, uint32_t owner, struct json_span key,
                     uint32_t *ret_hash)
{
    const char *data = is_string(key) ? key.data + 1 : key.data;
    size_t len = is_string(key) ? key.len - 2 : key.len;
    if (is_string(key) && memchr(data, '\\', len)) {
        len = json_decode(key, index->scratch.data, index->scratch.cap);
        data = index->scratch.data;
        if (!json_key_is(key, data, len))
            return false;
    }
    uint64_t seed[2] = {index->seed[0] ^ owner, index->seed[1]};
    *ret_hash = (uint32_t)hash_bytes(seed, data, len);
    return true;
}

static bool equal(struct json_span a, struct json_span b)
{
    if (is_string(a) && is_string(b))
        return json_keys_equal(a, b);
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool holds(const struct key_index *index, const struct key_slot *slot, uint32_t owner,
                  struct json_span key)
{
    struct json_span other;
    uint32_t other_owner = owner;
    const char *record = index->records->data + (slot->taken - 1) * index->record_size;
    memcpy(&other, record, sizeof other);
    if (index->owner_offset > 0)
        memcpy(&other_owner, record + index->owner_offset, sizeof other_owner);
    return other_owner == owner && equal(other, key);
}

/* The slot that holds `key`, or the free one where it would go. */
static struct key_slot *find_slot(const struct key_index *index, uint32_t owner,
                                  struct json_span key, uint32_t hash)
{
    size_t mask = index->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct key_slot *slot = &index->slots[at];
        if (slot->taken == 0 || (slot->hash == hash && holds(index, slot, owner, key)))
            return slot;
    }
}

static struct key_slot *free_slot(struct key_slot *slots, size_t count, uint32_t hash)
{
    size_t at = hash & (count - 1);
    while (slots[at].taken != 0)
        at = (at + 1) & (count - 1);
    return &slots[at];
}

static int grow(struct key_index *index)
{
    size_t count = index->slot_count > 0 ? index->slot_count * 2 : FIRST_SLOTS;
    struct key_slot *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < index->slot_count; i++) {
        if (index->slots[i].taken != 0)
            *free_slot(slots, count, index->slots[i].hash) = index->slots[i];
    }
    free(index->slots);
    index->slots = slots;
    index->slot_count = count;
    return 0;
}

int key_index_find_or_add_in(struct key_index *index, uint32_t owner, struct json_span key,
                             uint32_t number, uint32_t *ret_number)
{
    assert(number < KEY_INDEX_NONE);
    uint32_t hash;
    if (index->used * 2 >= index->slot_count && grow(index) != 0)
        return -ENOMEM;
    if (buffer_reserve(&index->scratch, key.len) != 0)
        return -ENOMEM;
    *ret_number = KEY_INDEX_NONE;
    if (!hash_key(index, owner, key, &hash))
        return 0;
    struct key_slot *slot = find_slot(index, owner, key, hash);
    if (slot->taken != 0) {
        *ret_number = slot->taken - 1;
        return 0;
    }
    *slot = (struct key_slot){hash, number + 1};
    index->used++;
    return 0;
}

int key_index_find_or_add(struct key_index *index, struct json_span key, uint32_t number,
                          uint32_t *ret_number)
{
    return key_index_find_or_add_in(index, 0, key, number, ret_number);
}

int key_index_find(struct key_index *index, struct json_span key, uint32_t *ret_number)
{
    uint32_t hash;
    *ret_number = KEY_INDEX_NONE;
    if (buffer_reserve(&index->scratch, key.len) != 0)
        return -ENOMEM;
    if (index->slot_count == 0 || !hash_key(index, 0, key, &hash))
        return 0;
    const struct key_slot *slot = find_slot(index, 0, key, hash);
    if (slot->taken != 0)
        *ret_number = slot->taken - 1;
    return 0;
}
