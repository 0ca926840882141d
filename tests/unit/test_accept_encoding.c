/* Who gets gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/accept_encoding.h"

static void weights(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; /* lines; NULL: none */
        bool gzip;
    } cases[] = {
        {NULL, NULL, false},
        {"", NULL, false},
        {"gzip", NULL, true},
        {"GZip", NULL, true},
        {"x-gzip", NULL, true},
        {"br, gzip, deflate", NULL, true},
        {"br", "gzip", true},
        {"br, deflate", NULL, false},
        {"*", NULL, true},
        {"*;q=0", NULL, false},
        {"gzip;q=0", NULL, false},
        {"gzip;q=0.000", NULL, false},
        {"gzip;q=0, *", NULL, false},
        {"gzip;q=0.001", NULL, true},
        {"gzip; q=0.5", NULL, true},
        {"gzip ;Q=1.000", NULL, true},
        {"identity;q=0", NULL, false},
        {"identity;q=0, gzip", NULL, true},
        {"identity, gzip;q=0.5", NULL, false},
        {"identity;q=0.5, gzip;q=0.5", NULL, true},
        {"identity;q=0.5, gzip;q=0.499", NULL, false},
        {"*;q=0.8, gzip;q=0.5", NULL, false},
        {"gzip;q=0.5, *;q=0", NULL, true},
        {"identity", NULL, false},
        {"gzipped", NULL, false},
        /* Weights that are none. */
        {"gzip;q=2", NULL, false},
        {"gzip;q=1.001", NULL, false},
        {"gzip;q=0.1234", NULL, false},
        {"gzip;q=", NULL, false},
        {"gzip;q=.5", NULL, false},
        {"gzip;q=0,5", NULL, false},
        {"gzip;q=-1", NULL, false},
        {"gzip;q=1e0", NULL, false},
        {"gzip;level=5", NULL, false},
        {"gzip;", NULL, false},
        {"gzip;q=9, gzip", NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct accept_encoding accept = ACCEPT_ENCODING_NONE;
        const char *lines[] = {cases[i].first, cases[i].second};
        for (size_t k = 0; k < 2 && lines[k]; k++)
            accept_encoding_read(&accept, (struct field_text){lines[k], strlen(lines[k])});
        if (accept_encoding_gzip(&accept) != cases[i].gzip)
            fail_msg("row %zu: %s", i, cases[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
