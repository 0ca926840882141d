#include "core/access_sentence.h"

#include <stdio.h>

struct text {
    int len; /* for "%.*s" */
    const char *data;
};

static struct text text_of(const struct access_record *record, enum access_text which)
{
    size_t len;
    const char *data = access_get(record, which, &len);
    return (struct text){.len = (int)len, .data = data};
}

static double milliseconds(usec_t span)
{
    return (double)span / 1000;
}

static void name_culprit(const struct access_record *record, char *out, size_t size)
{
    struct text part = text_of(record, ACCESS_PART), upstream = text_of(record, ACCESS_UPSTREAM);
    usec_t clients = record->duration - record->work;
    usec_t taking = clients - record->read;
    if (clients > record->work)
        snprintf(out, size, ", of which the client took %.1f ms to %s", milliseconds(clients),
                 taking > record->read ? "take the reply" : "send the request");
    else if (part.len > 0)
        snprintf(out, size, ", the slowest call \"%.*s\" to %.*s in %.1f ms", part.len, part.data,
                 upstream.len, upstream.data, milliseconds(record->slowest));
}

/* What the head would have told, if it had come. */
static struct text or_dash(struct text text)
{
    return text.len > 0 ? text : (struct text){1, "-"};
}

void access_sentence_write(const struct access_record *record, char out[ACCESS_SENTENCE_MAX])
{
    struct text method = or_dash(text_of(record, ACCESS_METHOD));
    struct text target = or_dash(text_of(record, ACCESS_TARGET));
    int len = snprintf(out, ACCESS_SENTENCE_MAX, "%s%.*s %.*s: %u in %.1f ms",
                       record->slow ? "slow request: " : "", method.len, method.data, target.len,
                       target.data, record->status, milliseconds(record->duration));
    if (record->slow && len > 0 && len < ACCESS_SENTENCE_MAX)
        name_culprit(record, out + len, ACCESS_SENTENCE_MAX - (size_t)len);
}
