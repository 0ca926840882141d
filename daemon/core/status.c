/* The compiler makes a table of the switch: a comparison and a load. */
#include "core/status.h"

enum status_index status_index(unsigned status)
{
    switch (status) {
#define STATUS(code)                                                                               \
    case code:                                                                                     \
        return STATUS_INDEX_##code;
#include "core/status.def"
#undef STATUS
    case 0:
        return STATUS_INDEX_NONE;
    default:
        return status < 100 || status > 599
                   ? STATUS_INDEX_OTHER
                   : (enum status_index)(STATUS_INDEX_1XX + status / 100 - 1);
    }
}

const char *status_index_text(enum status_index index)
{
    static const char *const texts[STATUS_INDEXES] = {
        "none", "other", "1xx", "2xx", "3xx", "4xx", "5xx",
#define STATUS(code) #code,
#include "core/status.def"
#undef STATUS
    };
    return texts[index];
}

bool status_index_failed(enum status_index index)
{
    return status_index_text(index)[0] == '5';
}
