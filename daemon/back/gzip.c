/*
 * The whole body in one call, into as many bytes as it has itself less one: where they do
 * not suffice there is nothing to gain. zlib leaves the time in the header at 0.
 */
#include "back/gzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

enum { WINDOW_GZIP = MAX_WBITS + 16, MEMORY = 8 };

int gzip_compress(const char *data, size_t len, int level, char **ret_data, size_t *ret_len)
{
    assert(len > 0 && len <= UINT_MAX && level >= 1 && level <= 9);
    z_stream stream = {.zalloc = Z_NULL};
    if (deflateInit2(&stream, level, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    char *out = malloc(len);
    stream.next_in = (Bytef *)(uintptr_t)data; /* zlib's declaration lacks the const */
    stream.avail_in = (uInt)len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)len - 1;
    int end = out ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
    size_t written = stream.total_out;
    deflateEnd(&stream);
    if (end != Z_STREAM_END) {
        free(out);
        return out ? GZIP_NO_GAIN : -ENOMEM;
    }
    *ret_data = out;
    *ret_len = written;
    return 0;
}
