/*
 * json_pointer_at() needs a whole valid text; a fault is where there is none. So
 * this walks the sound beginning alone and keeps, for every container that is
 * still open, which member or item it has come to.
 */
#include "core/document_place.h"

#include <stdbool.h>

#include "base/buffer.h"
#include "json/span.h"

enum { PLACE_MAX = 512 };

struct level {
    bool object, in_value; /* in_value: the colon behind the key was seen */
    size_t index;
    struct json_span key;
};

struct walk {
    struct level *levels;
    size_t depth, most;
};

/* Behind the string that begins at `at`, or `end`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at < end ? at + 1 : end;
}

static void open_level(struct walk *walk, bool object)
{
    assert(walk->depth < walk->most);
    walk->levels[walk->depth++] = (struct level){.object = object};
}

/* What one byte outside strings means. */
static void step(struct walk *walk, char byte)
{
    struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    if (byte == '{' || byte == '[') {
        open_level(walk, byte == '{');
    } else if (level && (byte == '}' || byte == ']')) {
        walk->depth--;
    } else if (level && byte == ',') {
        level->index++;
        level->in_value = false;
    } else if (level && byte == ':') {
        level->in_value = true;
    }
}

static void note_string(struct walk *walk, const char *begin, const char *end)
{
    struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    if (level && level->object && !level->in_value)
        level->key = (struct json_span){begin, (size_t)(end - begin)};
}

static char *decode_key(struct arena *arena, struct json_span key, size_t *ret_len)
{
    char *name = arena_alloc(arena, key.len + 1);
    *ret_len = json_decode(key, name, key.len);
    name[*ret_len] = '\0';
    return name;
}

static void write_key(struct arena *arena, struct json_span key, struct buffer *out)
{
    size_t len;
    const char *name = decode_key(arena, key, &len);
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '~')
            buffer_string(out, "~0");
        else if (name[i] == '/')
            buffer_string(out, "~1");
        else
            buffer_byte(out, name[i]);
    }
}

static const char *write_pointer(struct arena *arena, const struct walk *walk)
{
    struct buffer pointer scope_buffer;
    buffer_init(&pointer, PLACE_MAX);
    for (size_t i = 0; i < walk->depth; i++) {
        const struct level *level = &walk->levels[i];
        if (level->object && !level->in_value)
            break;
        buffer_byte(&pointer, '/');
        if (level->object)
            write_key(arena, level->key, &pointer);
        else
            buffer_printf(&pointer, "%zu", level->index);
    }
    return arena_copy(arena, pointer.data, pointer.len);
}

static struct walk walk_to(struct arena *arena, const char *data, size_t offset, unsigned depth)
{
    struct walk walk = {.most = depth};
    walk.levels = arena_array(arena, depth, sizeof *walk.levels);
    const char *end = data + offset;
    for (const char *at = data; at < end;) {
        if (*at != '"') {
            step(&walk, *at++);
            continue;
        }
        const char *begin = at;
        at = skip_string(at, end);
        note_string(&walk, begin, at);
    }
    return walk;
}

const char *document_place(struct arena *arena, const char *data, size_t offset, unsigned depth)
{
    struct walk walk = walk_to(arena, data, offset, depth);
    return write_pointer(arena, &walk);
}

const char *document_last_key(struct arena *arena, const char *data, size_t offset, unsigned depth)
{
    struct walk walk = walk_to(arena, data, offset, depth);
    size_t len;
    if (walk.depth == 0 || !walk.levels[walk.depth - 1].key.data)
        return "";
    return decode_key(arena, walk.levels[walk.depth - 1].key, &len);
}
