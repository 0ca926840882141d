/* The whole path of a configuration: bytes to tree, options, checks, print. What loads
 * must print to something that loads and prints the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_load.h"
#include "core/config_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The printed form; NULL when it does not load. */
static char *load_and_print(const char *data, size_t len, size_t *ret_len)
{
    struct arena *arena scope_arena = arena_new();
    struct faults faults;
    struct buffer out scope_buffer;
    faults_init(&faults, arena, 50);
    buffer_init(&out, SIZE_MAX);
    struct config *config = config_load_memory("fuzz", data, len, &faults);
    assert((config == NULL) == faults_any(&faults));
    if (!config)
        return NULL;
    config_print(config, &out);
    config_unref(config);
    return buffer_take(&out, ret_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first_len = 0, second_len = 0;
    char *first = load_and_print((const char *)data, size, &first_len);
    if (!first)
        return 0;
    char *second = load_and_print(first, first_len, &second_len);
    assert(second && first_len == second_len && memcmp(first, second, first_len) == 0);
    free(first);
    free(second);
    return 0;
}
