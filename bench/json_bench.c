/*
 * How many nanoseconds of CPU one byte of an ordinary API reply costs: the
 * vectorised validator, the scalar one, and memcpy as the floor. The bodies
 * are made here, with a fixed seed, so that runs can be compared.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "json/validate.h"

enum {
    RUNS = 15,
    BYTES_PER_RUN = 8 << 20,
    BODY_MAX = 96 << 10,
};

struct body {
    char data[BODY_MAX];
    size_t len;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void put(struct body *body, const char *format, ...) printf_like(2, 3);

static void put(struct body *body, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    body->len += (size_t)vsnprintf(body->data + body->len, BODY_MAX - body->len, format, arguments);
    va_end(arguments);
}

static void put_words(struct body *body, uint64_t *seed, unsigned count)
{
    static const char *const words[] = {"north", "gate", "a",     "winter", "of",    "machine",
                                        "paper", "blue", "seven", "the",    "stair", "harbour"};
    for (unsigned i = 0; i < count; i++)
        put(body, "%s%s", i > 0 ? " " : "",
            words[next_random(seed) % (sizeof words / sizeof *words)]);
}

static void put_record(struct body *body, uint64_t *seed)
{
    uint32_t id = next_random(seed);
    put(body, "{\"id\":%" PRIu32 ",\"sku\":\"%08" PRIx32 "\",\"name\":\"", id % 1000000, id);
    put_words(body, seed, 2 + id % 3);
    put(body, "\",\"note\":\"");
    put_words(body, seed, 4 + id % 5);
    put(body, "\",\"price\":%u.%02u,\"stock\":%u,\"active\":%s", next_random(seed) % 500,
        next_random(seed) % 100, next_random(seed) % 40, id & 1 ? "true" : "false");
    put(body, ",\"tags\":[\"");
    put_words(body, seed, 1);
    put(body, "\",\"");
    put_words(body, seed, 1);
    put(body, "\"],\"maker\":{\"name\":\"");
    put_words(body, seed, 2);
    put(body, "\",\"country\":\"SE\",\"rank\":null},\"updated\":\"2024-%02u-%02uT08:30:00Z\"}",
        1 + id % 12, 1 + id % 28);
}

/* An object with an array of records, about `size` bytes long. */
static void make_body(struct body *body, size_t size)
{
    uint64_t seed = size;
    body->len = 0;
    put(body, "{\"total\":%zu,\"items\":[", size);
    do {
        put(body, "%s", body->len > 30 ? "," : "");
        put_record(body, &seed);
    } while (body->len + 290 < size);
    put(body, "],\"next\":null}");
}

static void indent(struct body *body, unsigned depth)
{
    put(body, "\n%*s", (int)(2 * depth), "");
}

/* The same text as a pretty printer shows it; the bodies hold no escapes. */
static void make_pretty(struct body *pretty, const struct body *compact)
{
    unsigned depth = 0;
    bool string = false;
    pretty->len = 0;
    for (size_t i = 0; i < compact->len; i++) {
        char c = compact->data[i];
        string ^= c == '"';
        if (!string && (c == '}' || c == ']'))
            indent(pretty, --depth);
        put(pretty, "%c%s", c, !string && c == ':' ? " " : "");
        if (!string && (c == '{' || c == '['))
            indent(pretty, ++depth);
        if (!string && c == ',')
            indent(pretty, depth);
    }
}

static double cpu_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

typedef void work(const char *data, size_t len);

static void must_be_valid(struct json_verdict verdict)
{
    if (verdict.fault == JSON_VALID)
        return;
    fprintf(stderr, "%s at %zu\n", json_fault_text(verdict.fault), verdict.offset);
    abort();
}

static void run_vectorised(const char *data, size_t len)
{
    must_be_valid(json_validate(data, len, 512));
}

static void run_scalar(const char *data, size_t len)
{
    must_be_valid(json_validate_scalar(data, len, 512));
}

static void run_memcpy(const char *data, size_t len)
{
    static char copy[BODY_MAX];
    memcpy(copy, data, len);
    __asm__ volatile("" : : "r"(copy) : "memory");
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_cost(work *function, const struct body *body)
{
    double cost[RUNS];
    size_t rounds = BYTES_PER_RUN / body->len;
    for (unsigned run = 0; run < RUNS; run++) {
        double begin = cpu_nanoseconds();
        for (size_t i = 0; i < rounds; i++)
            function(body->data, body->len);
        cost[run] = (cpu_nanoseconds() - begin) / (double)(rounds * body->len);
    }
    qsort(cost, RUNS, sizeof *cost, compare_doubles);
    return cost[RUNS / 2];
}

static void report(const char *kind, const struct body *body)
{
    printf("%8s %7zu B  vectorised %6.3f  scalar %6.3f  memcpy %6.3f ns/byte\n", kind, body->len,
           median_cost(run_vectorised, body), median_cost(run_scalar, body),
           median_cost(run_memcpy, body));
}

int main(void)
{
    static const size_t sizes[] = {275, 9000, 93000};
    static struct body compact, pretty;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_body(&compact, sizes[i]);
        report("compact", &compact);
    }
    make_body(&compact, 50000);
    make_pretty(&pretty, &compact);
    report("pretty", &pretty);
    return 0;
}
