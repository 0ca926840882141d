/*
 * Optimal string alignment: edit distance in which two neighbouring letters
 * that changed places count once. Three rows of the table are enough. Option
 * names are short; longer text than MAX_NAME is no slip of the pen.
 */
#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_NAME = 64 };

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* True when a[i-2..i-1] is b[j-2..j-1] with its two letters exchanged. */
static bool swapped(const char *a, size_t i, const char *b, size_t j)
{
    return i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
           lower(a[i - 2]) == lower(b[j - 1]);
}

static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][MAX_NAME + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned replace = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = smaller(replace, smaller(last[j], row[j - 1]) + 1);
            if (swapped(a, i, b, j))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
    }
    return row[b_len];
}

const char *nearest_name(const char *name, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    unsigned least = MAX_NAME + 1;
    size_t name_len = strnlen(name, MAX_NAME + 1);
    if (name_len > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t len = strnlen(candidates[i], MAX_NAME + 1);
        if (len > MAX_NAME)
            continue;
        unsigned edits = distance(name, name_len, candidates[i], len);
        size_t letters = len > name_len ? len : name_len;
        if (edits < least && edits * 3 <= letters) {
            least = edits;
            nearest = candidates[i];
        }
    }
    return nearest;
}
