/* A configuration from text and client documents read against it, for tests. */
#ifndef TESTS_BATCH_FIXTURE_H
#define TESTS_BATCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/config_load.h"
#include "core/document.h"
#include "core/plan.h"
#include "core/request.h"

struct batch_fixture {
    struct arena *arena;
    struct config *config;
    struct faults faults;
    struct batch batch;
};

static inline void fixture_print_faults(const struct faults *faults)
{
    for (const struct fault *fault = faults->first; fault; fault = fault->next)
        print_error("at \"%s\": %u %s\n", fault->place, fault->status, fault->text);
}

static inline struct config *fixture_config(struct arena *arena, const char *yaml)
{
    struct faults faults;
    faults_init(&faults, arena, 20);
    struct config *config = config_load_memory("test.yaml", yaml, strlen(yaml), &faults);
    fixture_print_faults(&faults);
    assert_non_null(config);
    return config;
}

/* The configuration must be refused, with `part` in a fault whose place begins with `place`. */
static inline void fixture_refuse_config(const char *yaml, const char *place, const char *part)
{
    struct arena *arena = arena_new();
    struct faults faults;
    faults_init(&faults, arena, 20);
    struct config *config = config_load_memory("test.yaml", yaml, strlen(yaml), &faults);
    assert_null(config);
    bool found = false;
    for (const struct fault *fault = faults.first; fault; fault = fault->next)
        found = found ||
                (strncmp(fault->place, place, strlen(place)) == 0 && strstr(fault->text, part));
    if (!found)
        fixture_print_faults(&faults);
    assert_true(found);
    arena_free(arena);
}

static inline void fixture_read(struct batch_fixture *fixture, const char *json)
{
    const struct document_limits limits = {64, 10000};
    faults_init(&fixture->faults, fixture->arena, 20);
    const struct node *document =
        document_parse(fixture->arena, json, strlen(json), &limits, &fixture->faults);
    fixture_print_faults(&fixture->faults);
    assert_non_null(document);
    batch_read_document(fixture->config, document, fixture->arena, &fixture->batch,
                        &fixture->faults);
}

/* Reads a batch that must be fine, and returns its requests. */
static inline const struct request *fixture_accept(struct batch_fixture *fixture, const char *json)
{
    fixture_read(fixture, json);
    fixture_print_faults(&fixture->faults);
    assert_false(faults_any(&fixture->faults));
    return batch_requests(&fixture->batch);
}

/* Reads a batch that must have exactly one fault. */
static inline void fixture_refuse(struct batch_fixture *fixture, const char *json,
                                  const char *place, unsigned status, const char *part)
{
    fixture_read(fixture, json);
    const struct fault *fault = fixture->faults.first;
    if (fixture->faults.count != 1 || strcmp(fault->place, place) != 0 || fault->status != status ||
        !strstr(fault->text, part)) {
        print_error("%s\n", json);
        fixture_print_faults(&fixture->faults);
    }
    assert_int_equal(fixture->faults.count, 1);
    assert_string_equal(fault->place, place);
    assert_int_equal(fault->status, status);
    assert_non_null(strstr(fault->text, part));
}

#endif
