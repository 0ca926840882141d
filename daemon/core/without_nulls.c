/*
 * One walk that cuts, as core/shape does: a null member goes with the comma and the
 * white space before it, or, as long as nothing before it was kept, with those after it.
 * Objects can be as deep as the validator allows, so what has to be known of each open
 * one is two bits in a table and no frame of a function.
 */
#include "core/without_nulls.h"

#include <stdint.h>

#include "json/walk.h"

struct level {
    bool kept, dropped;
};

void without_nulls_put(struct buffer *out, struct json_span object)
{
    struct level levels[JSON_DEPTH_MAX];
    struct json_walk walk = json_walk_begin(object);
    struct json_span key;
    const char *copied = object.data;
    size_t depth = 1;
    levels[0] = (struct level){false, false};
    (void)json_walk_enter(&walk);
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        const char *last = walk.at;
        if (!json_walk_next(&walk, true, &key)) {
            json_walk_leave(&walk);
            depth--;
        } else if (*walk.at == 'n') {
            const char *begin = level->kept ? last : level->dropped ? copied : key.data;
            buffer_append(out, copied, (size_t)(begin - copied));
            json_walk_pass(&walk);
            copied = walk.at;
            level->dropped = true;
        } else {
            if (!level->kept && level->dropped)
                copied = key.data;
            level->kept = true;
            if (*walk.at != '{') {
                json_walk_pass(&walk);
                continue;
            }
            (void)json_walk_enter(&walk);
            assert(depth < JSON_DEPTH_MAX);
            levels[depth++] = (struct level){false, false};
        }
    }
    buffer_append(out, copied, (size_t)(object.data + object.len - copied));
}
