/* Texts stand one behind the other at the end, so that only what is used is copied. */
#include "core/access_record.h"

#include <arpa/inet.h>
#include <string.h>

#include "json/utf8.h"

void access_put(struct access_record *record, enum access_text text, const char *data, size_t len,
                size_t max)
{
    size_t room = sizeof record->bytes_of_texts - record->used;
    len = utf8_cut(data, len, max < room ? max : room);
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

void access_address_write(enum access_client client, const unsigned char address[16],
                          char out[ACCESS_ADDRESS_TEXT])
{
    out[0] = '\0';
    if (client == CLIENT_UNIX)
        memcpy(out, "unix", sizeof "unix");
    else if (client == CLIENT_IPV4)
        (void)inet_ntop(AF_INET, address, out, ACCESS_ADDRESS_TEXT);
    else if (client == CLIENT_IPV6)
        (void)inet_ntop(AF_INET6, address, out, ACCESS_ADDRESS_TEXT);
}

size_t access_record_size(const struct access_record *record)
{
    return offsetof(struct access_record, bytes_of_texts) + record->used;
}
