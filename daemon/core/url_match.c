/*
 * Globs over paths. Both levels (segments, and characters inside one) are the
 * same greedy walk: on a mismatch go back to the last wildcard and let it take
 * one more. Going back further never helps, so the work is at most the product
 * of the lengths, whoever wrote the glob.
 */
#include "core/url.h"

#include <string.h>

struct segment {
    const char *data, *end;
};

/* The segment that begins at `at`. */
static struct segment segment_at(const char *at, const char *end)
{
    const char *slash = memchr(at, '/', (size_t)(end - at));
    return (struct segment){at, slash ? slash : end};
}

static bool is_separator(unsigned character)
{
    return character == URL_ENCODED + '/' || character == URL_ENCODED + '\\';
}

static bool segment_matches(struct segment glob, struct segment text)
{
    const char *star = NULL;      /* behind the last '*' of the glob */
    const char *star_text = NULL; /* up to where that '*' took the text */
    const char *at = text.data;
    const char *pattern = glob.data;
    while (at < text.end) {
        if (pattern < glob.end && *pattern == '*') {
            star = ++pattern;
            star_text = at;
            continue;
        }
        const char *next = at;
        const char *next_pattern = pattern;
        unsigned character = url_next_character(&next, text.end);
        if (pattern < glob.end && url_next_character(&next_pattern, glob.end) == character) {
            at = next;
            pattern = next_pattern;
            continue;
        }
        if (!star || is_separator(url_next_character(&star_text, text.end)))
            return false;
        at = star_text;
        pattern = star;
    }
    while (pattern < glob.end && *pattern == '*')
        pattern++;
    return pattern == glob.end;
}

static bool is_any_run(struct segment segment)
{
    return segment.end - segment.data == 2 && memcmp(segment.data, "**", 2) == 0;
}

/* The segment after `segment`, or data == NULL behind the last one. */
static struct segment next_segment(struct segment segment, const char *end)
{
    return segment.end < end ? segment_at(segment.end + 1, end) : (struct segment){NULL, NULL};
}

bool url_path_matches(const char *glob, const char *path, size_t path_len)
{
    const char *glob_end = glob + strlen(glob);
    const char *path_end = path + url_path_length(path, path_len);
    if (*glob != '/' || path == path_end || *path != '/')
        return false;
    struct segment pattern = segment_at(glob + 1, glob_end);
    struct segment text = segment_at(path + 1, path_end);
    struct segment run = {NULL, NULL};      /* behind the last '**' of the glob */
    struct segment run_text = {NULL, NULL}; /* where the text goes on behind it */
    bool in_run = false;
    while (text.data) {
        if (pattern.data && is_any_run(pattern)) {
            in_run = true;
            run = pattern = next_segment(pattern, glob_end);
            run_text = text;
        } else if (pattern.data && segment_matches(pattern, text)) {
            pattern = next_segment(pattern, glob_end);
            text = next_segment(text, path_end);
        } else if (in_run) {
            text = run_text = next_segment(run_text, path_end);
            pattern = run;
        } else {
            return false;
        }
    }
    while (pattern.data && is_any_run(pattern))
        pattern = next_segment(pattern, glob_end);
    return !pattern.data;
}
