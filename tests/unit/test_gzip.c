/* Compressed bodies come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "back/gzip.h"
#include "back/inflate.h"

enum { LARGEST = 300000 };

/* Text that compresses; its bytes follow from `seed`. */
static void fill(char *data, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245U + 12345U;
        data[i] = "abcdefgh"[seed >> 29];
    }
}

static void there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 1024, 65536, LARGEST};
    char *data = malloc(LARGEST);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes * 9; i++) {
        size_t len = sizes[i / 9];
        char *packed, *again;
        size_t packed_len, again_len;
        fill(data, len, (unsigned)i);
        int level = (int)(i % 9) + 1;
        assert_int_equal(gzip_compress(data, len, level, &packed, &packed_len), 0);
        assert_true(packed_len < len);
        assert_int_equal(gzip_compress(data, len, level, &again, &again_len), 0);
        assert_int_equal(again_len, packed_len);
        assert_memory_equal(again, packed, packed_len);
        struct buffer out;
        buffer_init(&out, LARGEST);
        struct inflater *inflater = inflater_new(true);
        assert_int_equal(inflater_feed(inflater, packed, packed_len, &out), 0);
        assert_true(inflater_is_complete(inflater));
        assert_int_equal(out.len, len);
        assert_memory_equal(out.data, data, len);
        inflater_free(inflater);
        buffer_done(&out);
        free(packed);
        free(again);
    }
    free(data);
}

static void nothing_to_gain(void **state)
{
    (void)state;
    char data[256];
    char *packed;
    size_t len;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)i;
    for (size_t i = 1; i <= sizeof data; i += 15)
        assert_int_equal(gzip_compress(data, i, 9, &packed, &len), GZIP_NO_GAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(nothing_to_gain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
