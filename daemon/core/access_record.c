/* Texts stand one behind the other at the end, so that only what is used is copied. */
#include "core/access_record.h"

#include <string.h>

void access_put(struct access_record *record, enum access_text text, const char *data, size_t len,
                size_t max)
{
    size_t room = sizeof record->bytes_of_texts - record->used;
    if (len > max)
        len = max;
    if (len > room)
        len = room;
    memcpy(record->bytes_of_texts + record->used, data, len);
    record->texts[text].at = (unsigned short)record->used;
    record->texts[text].len = (unsigned short)len;
    record->used += len;
}

const char *access_end_text(enum access_end end)
{
    static const char *const texts[] = {
        [END_COMPLETE] = "complete", [END_CLIENT] = "client", [END_TIMEOUT] = "timeout",
        [END_STOPPING] = "stopping", [END_ERROR] = "error",
    };
    return texts[end];
}

size_t access_record_size(const struct access_record *record)
{
    return offsetof(struct access_record, bytes_of_texts) + record->used;
}
