/*
 * What shaping costs beside validation, which every body needs: CPU nanoseconds for a
 * body, medians, and the ratio. A flat object of many members, and an array of records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/document.h"
#include "core/shape.h"

enum { RUNS = 15, ROUNDS = 2000, BODY_MAX = 16384 };

struct body {
    char data[BODY_MAX];
    size_t len;
};

static void make_flat(struct body *body, size_t size)
{
    body->len = (size_t)snprintf(body->data, BODY_MAX, "{\"id\":1");
    for (unsigned i = 0; body->len + 80 < size; i++)
        body->len += (size_t)snprintf(body->data + body->len, BODY_MAX - body->len,
                                      ",\"member%u\":\"some words of text, number %u\"", i, i);
    body->len += (size_t)snprintf(body->data + body->len, BODY_MAX - body->len,
                                  ",\"name\":\"x\",\"price\":19.99}");
}

static void make_records(struct body *body, size_t size)
{
    body->len = (size_t)snprintf(body->data, BODY_MAX, "{\"total\":9,\"items\":[");
    for (unsigned i = 0; body->len + 240 < size; i++)
        body->len += (size_t)snprintf(
            body->data + body->len, BODY_MAX - body->len,
            "%s{\"id\":%u,\"sku\":\"%08x\",\"name\":\"north gate winter\",\"note\":\"paper blue "
            "seven the stair\",\"price\":%u.99,\"tags\":[\"a\",\"harbour\"],\"maker\":{\"name\":"
            "\"machine of\",\"country\":\"SE\",\"rank\":null},\"active\":true}",
            i > 0 ? "," : "", i, i * 2654435761U, i % 500);
    body->len += (size_t)snprintf(body->data + body->len, BODY_MAX - body->len, "],\"next\":null}");
}

static double cpu_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of one body; `shape` NULL: of its validation. */
static double median_cost(const struct shape *shape, const struct body *body)
{
    double cost[RUNS];
    struct json_span value = {body->data, body->len};
    for (unsigned run = 0; run < RUNS; run++) {
        double begin = cpu_nanoseconds();
        for (unsigned i = 0; i < ROUNDS; i++) {
            struct shaped shaped = {0};
            if (shape && shape_apply(shape, value, 1024, &shaped) != 0)
                abort();
            if (!shape && json_validate(body->data, body->len, 512).fault != JSON_VALID)
                abort();
            free(shaped.bytes);
        }
        cost[run] = (cpu_nanoseconds() - begin) / ROUNDS;
    }
    qsort(cost, RUNS, sizeof *cost, compare_doubles);
    return cost[RUNS / 2];
}

static void report(const char *kind, const struct body *body, const char *members)
{
    struct arena *arena scope_arena = arena_new();
    struct faults faults;
    struct document_limits limits = {.depth = 64, .values = 1000};
    faults_init(&faults, arena, 1);
    const struct node *node = document_parse(arena, members, strlen(members), &limits, &faults);
    const struct shape *shape = node ? shape_compile(node, arena, &faults) : NULL;
    if (!shape || faults_any(&faults))
        abort();
    double validation = median_cost(NULL, body);
    double shaping = median_cost(shape, body);
    printf("%8s %5zu B  validate %6.0f ns  shape %6.0f ns  shape/validate %4.2f  %s\n", kind,
           body->len, validation, shaping, shaping / validation, members);
}

int main(void)
{
    static struct body flat, records;
    make_flat(&flat, 9000);
    make_records(&records, 9000);
    report("flat", &flat, "{\"allow\":[\"id\",\"name\",\"price\"]}");
    report("flat", &flat, "{\"deny\":[\"member7\"]}");
    report("flat", &flat, "{\"select\":\"/price\"}");
    report("records", &records, "{\"allow\":[\"items.*.id\",\"items.*.name\",\"items.*.price\"]}");
    report("records", &records, "{\"deny\":[\"items.*.note\"]}");
    report("records", &records, "{\"rename\":{\"items.*.sku\":\"code\"}}");
    report("records", &records, "{\"select\":\"/items\",\"group\":\"records\"}");
    return 0;
}
