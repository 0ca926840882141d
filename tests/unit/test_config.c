/*
 * Whole configurations: files and their merging, the checks behind the option
 * table, endpoints that call endpoints, printing, reloading.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/config_changes.h"
#include "core/config_load.h"
#include "core/config_print.h"
#include "core/options.h"
#include "json/validate.h"

struct fixture {
    struct arena *arena;
    struct faults faults;
    char folder[64];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.arena = arena_new();
    strcpy(fixture.folder, "/tmp/gatherd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    *state = &fixture;
    return 0;
}

static char *path_of(struct fixture *fixture, const char *name)
{
    return arena_printf(fixture->arena, "%s/%s", fixture->folder, name);
}

static const char *const files[] = {"conf.d/a.yaml",  "conf.d/b.yaml", "conf.d/c.yml",
                                    "conf.d/.d.yaml", "conf.d/B.yaml", "main.yaml",
                                    "ca.pem"};

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(path_of(fixture, files[i]));
    rmdir(path_of(fixture, "conf.d"));
    assert_int_equal(rmdir(fixture->folder), 0);
    fixture->arena = arena_free(fixture->arena);
    return 0;
}

static const char *write_file(struct fixture *fixture, const char *name, const char *text)
{
    const char *path = path_of(fixture, name);
    if (strncmp(name, "conf.d/", 7) == 0)
        mkdir(path_of(fixture, "conf.d"), 0700);
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    return path;
}

static struct config *load(struct fixture *fixture, const char *text)
{
    faults_init(&fixture->faults, fixture->arena, 50);
    return config_load_memory("f", text, strlen(text), &fixture->faults);
}

static struct config *load_good(struct fixture *fixture, const char *text)
{
    struct config *config = load(fixture, text);
    if (!config)
        fail_msg("%s: %s", fixture->faults.first->place, fixture->faults.first->text);
    return config;
}

static struct config *load_file(struct fixture *fixture, struct config *previous)
{
    faults_init(&fixture->faults, fixture->arena, 50);
    return config_load(path_of(fixture, "main.yaml"), previous, &fixture->faults);
}

/* True when a fault at `place` contains `words`. */
static bool has_fault(const struct fixture *fixture, const char *place, const char *words)
{
    for (const struct fault *fault = fixture->faults.first; fault; fault = fault->next)
        if (strcmp(fault->place, place) == 0 && strstr(fault->text, words))
            return true;
    return false;
}

static void expect(struct fixture *fixture, const char *text, const char *place, const char *words)
{
    assert_null(load(fixture, text));
    if (!has_fault(fixture, place, words))
        fail_msg("got %s: %s", fixture->faults.first->place, fixture->faults.first->text);
}

static char *printed(struct fixture *fixture, const struct config *config)
{
    struct buffer out scope_buffer;
    buffer_init(&out, 1 << 20);
    config_print(config, &out);
    return arena_copy(fixture->arena, out.data, out.len);
}

static void checks_values(void **state)
{
    expect(*state, "workers: 0", "f:1:10", "from 1 to 256");
    expect(*state, "workers: 257", "f:1:10", "from 1 to 256");
    expect(*state, "workers: some", "f:1:10", "\"auto\"");
    config_unref(load_good(*state, "workers: 256"));
    expect(*state, "workers: 010", "f:1:10", "from 1 to 256");
    expect(*state, "workers: '01'", "f:1:10", "from 1 to 256");
    static const char *const origins[] = {"'*'", "example.com", "ftp://x", "https://x/"};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "origins: [%s]", origins[i]);
        expect(*state, text, "f:1:11", "must be an origin such as \"https://app.example.com\"");
    }
    expect(*state, "upstreams: {a: {url: /x}}", "f:1:22",
           "must be a URL: http://host or https://host");
    expect(*state, "hosts: [a.example, 'b:80']", "f:1:20", "without a port");
    config_unref(load_good(*state, "hosts: [a.example, '[::1]', 127.0.0.1]"));
    expect(*state, "origins: https://a.example/", "f:1:10", "without a path");
    expect(*state, "origins: [null.example]", "f:1:11", "http");
    config_unref(load_good(*state, "origins: [\"https://a.example:8443\"]"));
    expect(*state, "egress: {allow: ['a b']}", "f:1:18", "");
    expect(*state, "propagate: {timeoutHeader: 'a b'}", "f:1:28", "field's name");
    expect(*state, "propagate: {timeoutHeader: Host}", "f:1:28", "meaning of its own");
    config_unref(load_good(*state, "propagate: {timeoutHeader: ''}"));
    expect(*state, "[1]", "f:1:1", "must be a map, not a list");
}

static void finds_credentials(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "upstreams: {a: {url: \"http://x\", "
                               "caFile: \"${CREDENTIALS_DIRECTORY}/ca.pem\"}}";
    unsetenv("CREDENTIALS_DIRECTORY");
    struct config *unknown = load_good(fixture, text);
    assert_string_equal(config_upstream(unknown, "a")->ca_file, "${CREDENTIALS_DIRECTORY}/ca.pem");
    config_unref(unknown);
    setenv("CREDENTIALS_DIRECTORY", fixture->folder, 1);
    expect(fixture, text, "f:1:42", "ca.pem\" cannot be read");
    expect(fixture, "upstreams: {a: {url: \"http://x\", caFile: \"${HOME}/x\"}}", "f:1:42",
           "only ${CREDENTIALS_DIRECTORY} is known");
    const char *ca = write_file(fixture, "ca.pem", "x");
    struct config *config = load_good(fixture, text);
    assert_string_equal(config_upstream(config, "a")->ca_file, ca);
    assert_string_equal(config_upstream(config, "a")->ca_file_text,
                        "${CREDENTIALS_DIRECTORY}/ca.pem");
    config_unref(config);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void checks_upstreams(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture, "upstreams: {a b: {url: \"http://x\"}}", "f:1:13", "letters, digits");
    expect(fixture, "upstreams: {-a: {url: \"http://x\"}}", "f:1:13", "begins with");
    expect(fixture, "upstreams: {a: }", "f:1:16", "\"url\" is missing");
    expect(fixture, "upstreams: {a: {url: \"ftp://x\"}}", "f:1:22", "http");
    expect(fixture, "upstreams: {a: {url: \"http://x/?a\"}}", "f:1:22", "no query");
    expect(fixture, "upstreams: {a: {url: \"http://x\", batch: on}}", "f:1:41", "\"off\"");
    expect(fixture, "upstreams: {a: {url: \"http://x\", batch: {paths: [a]}}}", "f:1:50",
           "must begin with");
    expect(fixture, "upstreams: {a: {url: \"http://x\", batch: {methods: ['G T']}}}", "f:1:52",
           "a method");
    expect(fixture, "upstreams: {a: {url: \"http://x\", caFile: /nowhere}}", "f:1:42",
           "cannot be read");
    expect(fixture, "upstreams: {a: {url: \"http://x\", caFile: /tmp}}", "f:1:42", "not a file");
    const char *ca = write_file(fixture, "ca.pem", "x");
    struct config *config = load_good(
        fixture,
        arena_printf(fixture->arena,
                     "upstreams:\n  a: {url: \"https://X.example:444/base/\", caFile: %s}\n"
                     "  b: {url: \"http://x\", batch: off}\n",
                     ca));
    const struct upstream *upstream = config_upstream(config, "a");
    assert_string_equal(upstream->url.origin.host, "x.example");
    assert_int_equal(upstream->url.origin.port, 444);
    assert_string_equal(upstream->url.target, "/base");
    assert_string_equal(config_upstream(config, "b")->url.target, "");
    assert_true(config_upstream(config, "b")->batch.closed);
    assert_false(upstream->batch.closed);
    assert_null(config_upstream(config, "c"));
    config_unref(config);
}

static void reads_versions_of_http(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture, "upstreams: {a: {url: \"http://x\", http: 3}}", "f:1:40",
           "must be \"1\", \"2\" or \"auto\", not \"3\"");
    expect(fixture, "upstreams: {a: {url: \"http://x\", http: true}}", "f:1:40",
           "must be \"1\", \"2\" or \"auto\", not ");
    struct config *config = load_good(fixture, "upstreams:\n  a: {url: \"http://x\", http: 2}\n"
                                               "  b: {url: \"http://x\", http: \"2\"}\n"
                                               "  c: {url: \"http://x\", http: auto}\n"
                                               "  d: {url: \"http://x\", http: 1}\n"
                                               "  e: {url: \"http://x\"}\n");
    assert_int_equal(config_upstream(config, "a")->http, HTTP_2);
    assert_int_equal(config_upstream(config, "b")->http, HTTP_2);
    assert_int_equal(config_upstream(config, "c")->http, HTTP_NEGOTIATED);
    assert_int_equal(config_upstream(config, "d")->http, HTTP_1);
    assert_int_equal(config_upstream(config, "e")->http, HTTP_1);
    config_unref(config);
}

static void bounds_upstream_names(void **state)
{
    struct fixture *fixture = *state;
    config_unref(load_good(
        fixture, arena_printf(fixture->arena, "upstreams: {a%063d: {url: \"http://x\"}}", 0)));
    expect(fixture, arena_printf(fixture->arena, "upstreams: {a%064d: {url: \"http://x\"}}", 0),
           "f:1:13", "at most 64");
}

static void checks_endpoints(void **state)
{
    expect(*state, "endpoints: [{path: x, requests: [{id: a, url: /b}]}]", "f:1:20", "/");
    expect(*state, "endpoints: [{path: /batch, requests: [{id: a, url: /b}]}]", "f:1:20", "");
    expect(*state, "endpoints: [{path: /a, method: get, requests: [{id: a, url: /b}]}]", "f:1:32",
           "methods are case-sensitive; did you mean \"GET\"?");
    expect(*state, "endpoints: [{path: /a, method: purge, requests: [{id: a, url: /b}]}]", "f:1:32",
           "in capitals");
    expect(*state, "endpoints: [{path: /a, requests: [{id: a, url: /b, method: Put}]}]", "f:1:60",
           "methods are case-sensitive; did you mean \"PUT\"?");
    expect(*state, "upstreams: {a: {url: 'http://x', batch: {methods: [GET, get]}}}", "f:1:57",
           "methods are case-sensitive; did you mean \"GET\"?");
    expect(*state, "upstreams: {a: {url: 'http://x', batch: {methods: post}}}", "f:1:51",
           "methods are case-sensitive; did you mean \"POST\"?");
    config_unref(
        load_good(*state, "upstreams: {a: {url: 'http://x', batch: {methods: [GET, purge]}}}"));
    expect(*state, "endpoints: [{path: '/{a}', forward: {query: a}, requests: [{id: a, url: /b}]}]",
           "f:1:45", "path variable");
    expect(*state, "endpoints: [{path: /a, forward: {query: 'x-y'}, requests: [{id: a, url: /b}]}]",
           "f:1:41", "cannot be used in a template");
    expect(*state,
           "endpoints: [{path: /a, forward: {headers: [Host]}, requests: [{id: a, url: /b}]}]",
           "f:1:43", "never passed on");
    expect(*state,
           "endpoints: [{path: /a, forward: {headers: ['a b']}, requests: [{id: a, url: /b}]}]",
           "f:1:43", "not a header field's name");
}

static void reports_everything_at_once(void **state)
{
    struct fixture *fixture = *state;
    assert_null(load(fixture, "listn: x\n"
                              "drain: 1\n"
                              "upstreams: {a: {url: x}, b: {}}\n"
                              "endpoints:\n"
                              "  - {path: /a, requests: [{id: a, url: /nowhere}]}\n"
                              "  - {path: /b, requests: []}\n"));
    assert_int_equal(fixture->faults.count, 6);
    assert_true(has_fault(fixture, "f:1:1", "did you mean \"listen\"?"));
    assert_true(has_fault(fixture, "f:2:8", "duration"));
    assert_true(has_fault(fixture, "f:3:22", ""));
    assert_true(has_fault(fixture, "f:3:29", "missing"));
    assert_true(has_fault(fixture, "f:6:26", "must not be empty"));
    assert_true(has_fault(fixture, "f:5:40", "no endpoint has this path"));
}

#define SHOP             "upstreams: {s: {url: \"http://x\"}}\n"
#define CALLS(path, url) "  - {path: '" path "', requests: [{id: a, url: '" url "'}]}\n"
#define LEAF(path)       "  - {path: '" path "', requests: [{id: a, upstream: s, url: /}]}\n"

static void finds_cycles(void **state)
{
    expect(*state, "endpoints:\n" CALLS("/a", "/a"), "f:2:42", "in a circle: /a -> /a");
    expect(*state,
           "endpoints:\n" CALLS("/x", "/a") CALLS("/a", "/b?q=1") CALLS("/b", "/c")
               CALLS("/c", "/a"),
           "f:5:42", "in a circle: /a -> /b -> /c -> /a");
    expect(*state, "endpoints:\n" CALLS("/u/{id}/a", "/u/{id}/b") CALLS("/u/{id}/b", "/u/{id}/a"),
           "f:3:49", "in a circle: /u/{id}/a -> /u/{id}/b -> /u/{id}/a");
    expect(*state, "endpoints:\n" CALLS("/a", "/b"), "f:2:42", "no endpoint has this path");
    expect(*state,
           SHOP "endpoints:\n" CALLS("/a", "/b") "  - {path: /b, method: POST, requests: [{id: a, "
                                                 "upstream: s, url: /}]}\n",
           "f:3:42", "answers");
    /* The same endpoint twice is no cycle. */
    config_unref(load_good(*state, SHOP "endpoints:\n" CALLS("/a", "/c") CALLS("/b", "/c")
                                       LEAF("/c") CALLS("/d", "/a")));
}

static void bounds_nesting(void **state)
{
    config_unref(load_good(*state, SHOP "limits: {nesting: 2}\nendpoints:\n" CALLS("/a", "/b")
                                       CALLS("/b", "/c") LEAF("/c")));
    expect(*state,
           SHOP "limits: {nesting: 1}\nendpoints:\n" CALLS("/a", "/b") CALLS("/b", "/c") LEAF("/c"),
           "f:4:12", "limits.nesting");
    /* The same whatever the order of declaration. */
    expect(*state,
           SHOP "limits: {nesting: 1}\nendpoints:\n" LEAF("/c") CALLS("/b", "/c") CALLS("/a", "/b"),
           "f:6:12", "limits.nesting");
    expect(*state, SHOP "limits: {nesting: 0}\nendpoints:\n" CALLS("/a", "/c") LEAF("/c"), "f:4:12",
           "limits.nesting");
}

static void merges_files_in_order(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "main.yaml", "drain: 1s\nlimits: {depth: 3}\nupstreams:\n");
    write_file(fixture, "conf.d/b.yaml", "limits: {values: 99}\nendpoints:\n" LEAF("/b"));
    write_file(fixture, "conf.d/a.yaml", SHOP "endpoints:\n" LEAF("/a"));
    write_file(fixture, "conf.d/B.yaml",
               "upstreams: {t: {url: \"http://y\"}}\nendpoints:\n" LEAF("/B"));
    write_file(fixture, "conf.d/c.yml", "not: read");
    write_file(fixture, "conf.d/.d.yaml", "not: read");
    struct config *config = load_file(fixture, NULL);
    assert_non_null(config);
    assert_int_equal(config->limits.depth, 3);
    assert_int_equal(config->limits.values, 99);
    assert_int_equal(config->upstreams.count, 2);
    const struct endpoint *endpoints = config->endpoints.items;
    assert_int_equal(config->endpoints.count, 3);
    assert_string_equal(endpoints[0].path, "/B");
    assert_string_equal(endpoints[1].path, "/a");
    assert_string_equal(endpoints[2].path, "/b");
    config_unref(config);
}

static void names_both_places_of_what_is_given_twice(void **state)
{
    struct fixture *fixture = *state;
    const char *file = write_file(fixture, "main.yaml", "drain: 1s\n" SHOP "limits: {depth: 3}\n");
    const char *part =
        write_file(fixture, "conf.d/a.yaml", "limits: {depth: 4}\n" SHOP "drain: 2s\nlog: x\n");
    assert_null(load_file(fixture, NULL));
    assert_true(
        has_fault(fixture, arena_printf(fixture->arena, "%s:1:10", part),
                  arena_printf(fixture->arena, "\"depth\" is also given at %s:3:10", file)));
    assert_true(has_fault(fixture, arena_printf(fixture->arena, "%s:2:13", part),
                          arena_printf(fixture->arena, "\"s\" is also given at %s:2:13", file)));
    assert_true(has_fault(fixture, arena_printf(fixture->arena, "%s:3:1", part),
                          arena_printf(fixture->arena, "\"drain\" is also given at %s:1:1", file)));
    assert_true(has_fault(fixture, arena_printf(fixture->arena, "%s:4:1", part), "unknown member"));
    assert_int_equal(fixture->faults.count, 4);
}

static void reports_files_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    assert_null(load_file(fixture, NULL));
    assert_true(has_fault(fixture, path_of(fixture, "main.yaml"), "No such file"));
    write_file(fixture, "main.yaml", "");
    mkdir(path_of(fixture, "conf.d"), 0700);
    mkdir(path_of(fixture, "conf.d/a.yaml"), 0700);
    write_file(fixture, "conf.d/b.yaml", "[");
    assert_null(load_file(fixture, NULL));
    assert_true(has_fault(fixture, path_of(fixture, "conf.d/a.yaml"), "directory"));
    assert_int_equal(fixture->faults.count, 2);
    rmdir(path_of(fixture, "conf.d/a.yaml"));
    write_file(fixture, "conf.d/b.yaml", "[x]");
    assert_null(load_file(fixture, NULL));
    assert_true(has_fault(fixture,
                          arena_printf(fixture->arena, "%s:1:1", path_of(fixture, "conf.d/b.yaml")),
                          "must be a map"));
}

static const char everything[] =
    "listen: [\"127.0.0.1:1\", \"unix:/x y\"]\n"
    "workers: 3\nlogLevel: debug\nhosts: a.example\norigins: [\"https://b.example\"]\n"
    "limits: {merged: 1536, idleTime: 1.5s, nesting: 16}\n"
    "egress: {allow: ['*.c.example:81', \"[::1]:5\"]}\n"
    "propagate: {trace: false, timeoutHeader: ''}\n"
    "upstreams:\n"
    "  '1': {url: \"http://x/base\", timeout: 250ms, batch: off}\n"
    "  b: {url: \"https://y\", batch: {methods: PUT, paths: [/a/*]}}\n"
    "endpoints:\n"
    "  - path: /u/{id}\n"
    "    method: PUT\n"
    "    forward: {headers: [Authorization], query: [q, r]}\n"
    "    headers: {X-A: \"1\"}\n"
    "    query: {k: v}\n"
    "    policy: {atLeast: 2}\n"
    "    timeout: 100ms\n"
    "    onTimeout: partial\n"
    "    merge: shallow\n"
    "    conflict: first\n"
    "    status: multi\n"
    "    meta: always\n"
    "    requests:\n"
    "      - {id: a, upstream: '1', url: '/p/{id}{?q,r}', timeout: 1ms, success: [2xx, 404],\n"
    "         default: {\"x\\ny\": [1.50, null, true, 'true', {}], 'e': \"\\u0085\\u2028\"}}\n"
    "      - {id: b, upstream: b, url: /x, method: POST, body: [1, 2], headers: {X-B: c},\n"
    "         forward: {headers: [Authorization]}, optional: true}\n"
    "      - {id: c, upstream: b, url: /y, method: POST, bodyBase64: aGk=}\n"
    "      - {id: d, url: /inner}\n"
    "  - path: /inner\n"
    "    requests: [{id: a, upstream: b, url: /, body: 'text',\n"
    "                method: POST, headers: {content-type: text/plain}}]\n";

static void prints_what_it_reads_again(void **state)
{
    struct fixture *fixture = *state;
    const char *texts[] = {everything, ""};
    for (size_t i = 0; i < 2; i++) {
        struct config *config = load_good(fixture, texts[i]);
        const char *first = printed(fixture, config);
        config_unref(config);
        config = load_good(fixture, first);
        assert_string_equal(printed(fixture, config), first);
        config_unref(config);
    }
}

static void prints_what_was_set(void **state)
{
    static const char *const lines[] = {
        "\nworkers: \"3\"\n",
        "\n  merged: 1536\n",
        "\n  idleTime: 1500ms\n",
        "\n  \"1\":\n    url: \"http://x/base\"\n    timeout: 250ms\n",
        "\n    batch: off\n",
        "\n      paths: [\"/a/*\"]\n",
        "\n  - path: \"/u/{id}\"\n    method: \"PUT\"\n",
        "\n        success: [\"2xx\", 404]\n",
        ("\n        default: {\"x\\u000ay\": [1.50, null, true, \"true\", {}], \"e\": "
         "\"\\u0085\\u2028\"}\n"),
        "\n    policy: {\"atLeast\": 2}\n",
    };
    struct config *config = load_good(*state, everything);
    const char *text = printed(*state, config);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (!strstr(text, lines[i]))
            fail_msg("no %s in %s", lines[i], text);
    config_unref(config);
}

static void defaults_are_an_empty_file(void **state)
{
    struct config *defaults = config_defaults();
    struct config *empty = load_good(*state, "");
    assert_string_equal(printed(*state, defaults), printed(*state, empty));
    assert_int_equal(defaults->workers, 0);
    assert_null(defaults->file);
    config_unref(defaults);
    config_unref(empty);
}

static void says_what_needs_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct config *running = load_good(fixture, "");
    struct config *same = load_good(fixture, "drain: 1s\nresolver: {entries: 5}\nworkers: auto\n"
                                             "listen: \"127.0.0.1:8080\"");
    struct config *other =
        load_good(fixture, "listen: [a, b]\nworkers: 2\nresolver: {threads: 2, queue: 2, ttl: 1s}");
    assert_null(config_needs_restart(running, same, fixture->arena));
    assert_string_equal(config_needs_restart(running, other, fixture->arena),
                        "listen, workers, resolver.threads, resolver.queue");
    config_unref(running);
    config_unref(same);
    config_unref(other);
}

static void keeps_counting_over_reloads(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "main.yaml", "upstreams: {a: {url: \"http://x\"}, b: {url: \"http://y\"}}");
    struct config *before = load_file(fixture, NULL);
    assert_true(gauge_enter(before->in_flight, 0));
    assert_true(gauge_enter(config_upstream(before, "b")->in_flight, 0));
    write_file(fixture, "main.yaml", "upstreams: {c: {url: \"http://x\"}, b: {url: \"http://z\"}}");
    struct config *after = load_file(fixture, before);
    assert_non_null(after);
    config_unref(before);
    assert_int_equal(gauge_value(after->in_flight), 1);
    assert_int_equal(gauge_value(config_upstream(after, "b")->in_flight), 1);
    assert_int_equal(gauge_value(config_upstream(after, "c")->in_flight), 0);
    gauge_leave(after->in_flight);
    gauge_leave(config_upstream(after, "b")->in_flight);
    config_unref(after);
}

static struct config *load_text(struct fixture *fixture, const char *text, struct config *previous)
{
    write_file(fixture, "main.yaml", text);
    struct config *config = load_file(fixture, previous);
    assert_non_null(config);
    return config;
}

static void an_upstream_that_comes_back_counts_on(void **state)
{
    struct fixture *fixture = *state;
    static const char with[] = "upstreams: {a: {url: \"http://x\"}, b: {url: \"http://y\"}}";
    static const char without[] = "upstreams: {a: {url: \"http://x\"}}";
    struct config *first = load_text(fixture, with, NULL);
    struct gauge *gauge = config_upstream(first, "b")->in_flight;
    assert_true(gauge_enter(gauge, 0)); /* the call keeps `first` */
    struct config *second = load_text(fixture, without, first);
    struct config *third = load_text(fixture, without, second);
    config_unref(second);
    struct config *fourth = load_text(fixture, with, third);
    config_unref(third);
    assert_ptr_equal(config_upstream(fourth, "b")->in_flight, gauge);
    assert_int_equal(gauge_value(config_upstream(fourth, "b")->in_flight), 1);
    gauge_leave(gauge);
    config_unref(first);
    /* Nobody uses it: it is forgotten at the reload after the next. */
    struct config *fifth = load_text(fixture, without, fourth);
    config_unref(fourth);
    assert_non_null(fifth->former);
    struct config *sixth = load_text(fixture, without, fifth);
    config_unref(fifth);
    assert_null(sixth->former);
    config_unref(sixth);
}

static void a_file_that_became_empty_is_refused(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "conf.d/a.yaml", "upstreams: {a: {url: \"http://x\"}}");
    struct config *running = load_text(fixture, "drain: 1s", NULL);
    write_file(fixture, "main.yaml", "");
    assert_null(load_file(fixture, running));
    assert_true(has_fault(fixture, path_of(fixture, "main.yaml"), "is empty"));
    faults_init(&fixture->faults, fixture->arena, 100);
    write_file(fixture, "main.yaml", "drain: 1s");
    write_file(fixture, "conf.d/a.yaml", "# nothing yet\n");
    assert_null(load_file(fixture, running));
    assert_int_equal(fixture->faults.count, 1);
    assert_true(has_fault(fixture, path_of(fixture, "conf.d/a.yaml"), "is empty"));
    faults_init(&fixture->faults, fixture->arena, 100);
    /* At the start it is what somebody wants, and so is a new part without anything. */
    struct config *other = load_file(fixture, NULL);
    assert_non_null(other);
    write_file(fixture, "main.yaml", "drain: 2s");
    struct config *last = load_file(fixture, other);
    assert_non_null(last);
    config_unref(last);
    config_unref(other);
    config_unref(running);
}

static void counts_references(void **state)
{
    struct config *config = load_good(*state, "drain: 1s");
    assert_ptr_equal(config_ref(config), config);
    assert_null(config_unref(config));
    assert_int_equal(config->drain, USEC_PER_SEC);
    assert_null(config_unref(config));
    assert_null(config_unref(NULL));
}

/* Every option by its name, in each of the texts about all of them. */
static void expect_every_option(const char *text, const char *format)
{
    for (int section = 0; section < SECTION_COUNT; section++) {
        size_t count;
        char name[64];
        const struct option *rows = options_of((enum option_section)section, &count);
        for (size_t i = 0; i < count; i++) {
            snprintf(name, sizeof(name), format, rows[i].name);
            if (!strstr(text, name))
                fail_msg("%s of %s is missing", name, option_section_name(rows[i].section));
        }
    }
}

static void describes_every_option(void **state)
{
    struct fixture *fixture = *state;
    struct buffer schema scope_buffer;
    struct buffer reference scope_buffer;
    struct buffer manual scope_buffer;
    buffer_init(&schema, 1 << 20);
    buffer_init(&reference, 1 << 20);
    buffer_init(&manual, 1 << 20);
    config_print_schema(&schema);
    config_print_reference(&reference);
    config_print_man(&manual);
    assert_int_equal(json_validate(schema.data, schema.len, 64).fault, JSON_VALID);
    expect_every_option(arena_copy(fixture->arena, schema.data, schema.len), "\n  \"%s\":{");
    expect_every_option(arena_copy(fixture->arena, reference.data, reference.len), "\n| `%s` |");
    expect_every_option(arena_copy(fixture->arena, manual.data, manual.len), "\n\\fB%s\\fR (");
}

/* No Markdown is left in the manual page, and no text of the table is taken for a request. */
static void writes_the_manual_page_in_roff(void **state)
{
    struct fixture *fixture = *state;
    struct buffer manual scope_buffer;
    buffer_init(&manual, 1 << 20);
    config_print_man(&manual);
    assert_int_equal(buffer_status(&manual), 0);
    const char *text = arena_copy(fixture->arena, manual.data, manual.len);
    assert_null(strchr(text, '`'));
    assert_null(strstr(text, "\n'"));
    assert_non_null(strstr(text, "\n.TH GATHERD.YAML 5 "));
    assert_non_null(strstr(text, "; \\fB\\(dq\\(dq\\fR\nsends none."));
    assert_non_null(strstr(text, "\nDefault: \\fBX\\-Request\\-Timeout\\-Ms\\fR.\n"));
    assert_non_null(strstr(text, "\\fBdrain\\fR (duration; 0 to 10m)\n"));
    assert_non_null(strstr(text, "the system\\(aqs."));
}

static void says_when_the_manual_page_does_not_fit(void **state)
{
    (void)state;
    struct buffer manual scope_buffer;
    buffer_init(&manual, 4096);
    config_print_man(&manual);
    assert_int_equal(buffer_status(&manual), BUFFER_FULL);
}

/* The file that ships: nothing in it is in force but the admin pages, every option is in it,
 * and what it shows as defaults are the defaults. */
static void ships_a_file_that_changes_one_thing(void **state)
{
    struct fixture *fixture = *state;
    struct buffer uncommented scope_buffer;
    struct buffer whole scope_buffer;
    char line[512];
    buffer_init(&uncommented, 1 << 20);
    buffer_init(&whole, 1 << 20);
    FILE *stream = fopen("conf/gatherd.yaml", "re");
    assert_non_null(stream);
    while (fgets(line, sizeof(line), stream)) {
        bool option = line[0] == '#' &&
                      ((line[1] >= 'a' && line[1] <= 'z') || (line[1] == ' ' && line[2] == ' '));
        buffer_string(&uncommented, option ? line + 1 : line);
        buffer_string(&whole, line);
    }
    fclose(stream);
    struct config *shipped = load_good(fixture, arena_copy(fixture->arena, whole.data, whole.len));
    struct config *defaults = load_good(fixture, "admin: \"127.0.0.1:8081\"");
    assert_string_equal(printed(fixture, shipped), printed(fixture, defaults));
    const char *text = arena_copy(fixture->arena, uncommented.data, uncommented.len);
    expect_every_option(text, "%s");
    struct config *shown = load_good(fixture, text);
    const char *before = printed(fixture, shown);
    size_t common = (size_t)(strstr(before, "\nupstreams:") - before);
    assert_int_equal(strncmp(before, printed(fixture, defaults), common), 0);
    assert_int_equal(shown->upstreams.count, 1);
    assert_int_equal(shown->endpoints.count, 1);
    config_unref(shipped);
    config_unref(shown);
    config_unref(defaults);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(checks_values),
        TEST(finds_credentials),
        TEST(checks_upstreams),
        TEST(bounds_upstream_names),
        TEST(reads_versions_of_http),
        TEST(checks_endpoints),
        TEST(reports_everything_at_once),
        TEST(finds_cycles),
        TEST(bounds_nesting),
        TEST(merges_files_in_order),
        TEST(names_both_places_of_what_is_given_twice),
        TEST(reports_files_that_cannot_be_read),
        TEST(prints_what_it_reads_again),
        TEST(prints_what_was_set),
        TEST(defaults_are_an_empty_file),
        TEST(says_what_needs_a_restart),
        TEST(keeps_counting_over_reloads),
        TEST(an_upstream_that_comes_back_counts_on),
        TEST(a_file_that_became_empty_is_refused),
        TEST(counts_references),
        TEST(describes_every_option),
        TEST(writes_the_manual_page_in_roff),
        TEST(says_when_the_manual_page_does_not_fit),
        TEST(ships_a_file_that_changes_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
