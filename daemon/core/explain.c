/*
 * The plan is made by the code that plans the real thing, so that both agree; what would
 * be planned later, when other requests were answered, is sketched. Then it is only written.
 *
 * Endpoints run in place are planned when their caller is written, each in an arena of its
 * own, and not at all once the text is too long: a few small requests can stand for very
 * many. The depth of recursion is that of nesting, which the plan limits.
 */
#include "core/explain.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "core/answer_headers.h"
#include "core/explain_request.h"
#include "core/graph.h"
#include "core/option_value.h"
#include "core/plan.h"

enum { FAULTS_MOST = 32 };

/* ---- Asking ---- */

static bool is_explain(const struct inbound_member *member)
{
    static const char name[] = "explain";
    return member->sound && member->name_len == strlen(name) &&
           memcmp(member->name, name, member->name_len) == 0;
}

enum explain_wish explain_wish(struct arena *arena, const struct inbound *inbound)
{
    static const struct {
        const char *text;
        enum explain_wish wish;
    } words[] = {
        {"", EXPLAIN_YES},     {"true", EXPLAIN_YES}, {"1", EXPLAIN_YES},
        {"false", EXPLAIN_NO}, {"0", EXPLAIN_NO},
    };
    const char *value;
    size_t len;
    if (!inbound_query(arena, inbound, "explain", &value, &len))
        return EXPLAIN_NO;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (len == strlen(words[i].text) && memcmp(value, words[i].text, len) == 0)
            return words[i].wish;
    }
    return EXPLAIN_UNCLEAR;
}

const char *explain_rest(struct arena *arena, const char *query)
{
    struct buffer rest scope_buffer;
    struct inbound_member member;
    const char *end = query + strlen(query);
    buffer_init(&rest, SIZE_MAX);
    for (const char *at = query, *before = at; inbound_next_member(arena, &at, end, &member);
         before = at) {
        if (!is_explain(&member))
            buffer_append(&rest, before, (size_t)(at - before));
    }
    return arena_copy(arena, rest.data ? rest.data : "", rest.len);
}

/* ---- A batch ---- */

struct explainer {
    const struct config *config;
    const char *identity;
    bool all;
    struct buffer *out;
};

/* One batch while it is written. */
struct scene {
    const struct explainer *explainer;
    const struct batch *batch;
    struct plan plan;
    usec_t timeout; /* the batch's own, or less where it is run in place */
    size_t *stages;
};

static void put_policy(const struct batch *batch, struct buffer *out)
{
    static const char *const names[] = {
        [POLICY_ALL] = "all",
        [POLICY_ALL_SETTLED] = "allSettled",
        [POLICY_ANY] = "any",
        [POLICY_RACE] = "race",
    };
    explain_put_key(out, "policy");
    if (batch->policy == POLICY_AT_LEAST)
        buffer_printf(out, "{\"atLeast\":%zu}", batch->at_least);
    else
        json_put_text(out, names[batch->policy]);
}

static void put_choice(struct buffer *out, const char *key, const char *names, int index)
{
    const char *name = "";
    size_t len = 0;
    (void)option_enum_name(names, (size_t)index, &name, &len);
    explain_put_key(out, key);
    json_put_string(out, name, len);
}

static void put_stages(const struct scene *scene, struct buffer *out)
{
    const struct request *requests = batch_requests(scene->batch);
    explain_put_key(out, "stages");
    buffer_byte(out, '[');
    size_t left = scene->plan.count;
    for (size_t stage = 0; left > 0; stage++) {
        buffer_string(out, stage > 0 ? ",[" : "[");
        const char *comma = "";
        for (size_t i = 0; i < scene->plan.count; i++) {
            if (scene->stages[i] != stage)
                continue;
            buffer_string(out, comma);
            json_put_text(out, requests[i].id);
            comma = ",";
            left--;
        }
        buffer_byte(out, ']');
    }
    buffer_byte(out, ']');
}

static void put_depends_on(const struct scene *scene, size_t index, struct arena *arena,
                           struct buffer *out)
{
    const struct request *requests = batch_requests(scene->batch);
    bool *on = arena_array(arena, scene->plan.count, sizeof *on);
    if (scene->batch->graph)
        graph_dependencies(scene->batch->graph, index, on);
    explain_put_key(out, "dependsOn");
    buffer_byte(out, '[');
    const char *comma = "";
    for (size_t i = 0; i < scene->plan.count; i++) {
        if (!on[i])
            continue;
        buffer_string(out, comma);
        json_put_text(out, requests[i].id);
        comma = ",";
    }
    buffer_byte(out, ']');
}

static void put_batch(const struct explainer *explainer, const struct batch *batch,
                      const struct inbound *inbound, usec_t bound, struct arena *arena,
                      const struct plan *plan);

/* The endpoint that a request is answered by in place; its plan where it may be seen. */
static void put_in_place(const struct scene *scene, const struct inbound *inner, usec_t bound)
{
    const struct explainer *explainer = scene->explainer;
    const struct endpoint *endpoint = inner->route.endpoint;
    struct buffer *out = explainer->out;
    struct arena *arena scope_arena = arena_new();
    struct plan plan;
    struct faults faults;
    explain_put_key(out, "inPlace");
    if (!explainer->all && !endpoint->explain) {
        buffer_byte(out, '{');
        explain_put_text(out, "endpoint", endpoint->path);
        buffer_byte(out, '}');
        return;
    }
    faults_init(&faults, arena, FAULTS_MOST);
    plan_make(explainer->config, &endpoint->batch, inner, explainer->identity, arena, &plan,
              &faults);
    if (!faults_any(&faults)) {
        put_batch(explainer, &endpoint->batch, inner, bound, arena, &plan);
        return;
    }
    buffer_byte(out, '{');
    explain_put_text(out, "endpoint", endpoint->path);
    explain_put_error(out, NULL, faults.first->status, faults.first->text);
    buffer_byte(out, '}');
}

/* What is planned later is sketched now. */
static struct explained look_at(struct scene *scene, size_t index, struct arena *arena)
{
    const struct request *request = &batch_requests(scene->batch)[index];
    struct explained explained = {
        .request = request,
        .timeout_header = scene->explainer->config->propagate.timeout_header,
        .known = true,
        .planned = scene->plan.items[index],
        .values = scene->plan.values,
        .most = scene->timeout,
    };
    if (plan_waits(request))
        plan_sketch(&scene->plan, request, arena, &explained.planned, &explained.known);
    return explained;
}

static void put_request(struct scene *scene, size_t index)
{
    struct buffer *out = scene->explainer->out;
    struct arena *arena scope_arena = arena_new();
    struct explained explained = look_at(scene, index, arena);
    const struct inbound *inner = explained.planned.inner;
    buffer_byte(out, '{');
    explain_put_text(out, "id", explained.request->id);
    explain_put_count(out, "stage", scene->stages[index]);
    put_depends_on(scene, index, arena, out);
    explain_put_request(&explained, arena, out);
    if (inner && inner->route.endpoint)
        put_in_place(scene, inner, explain_timeout(&explained));
    buffer_byte(out, '}');
}

/* Writes a plan without faults, as long as there is room. */
static void put_batch(const struct explainer *explainer, const struct batch *batch,
                      const struct inbound *inbound, usec_t bound, struct arena *arena,
                      const struct plan *plan)
{
    const struct endpoint *endpoint = inbound->route.endpoint;
    struct buffer *out = explainer->out;
    struct scene scene = {
        .explainer = explainer,
        .batch = batch,
        .plan = *plan,
        .timeout = plan->timeout < bound ? plan->timeout : bound,
        .stages = arena_array(arena, plan->count, sizeof(size_t)),
    };
    if (batch->graph)
        graph_stages(batch->graph, arena, scene.stages);
    buffer_byte(out, '{');
    explain_put_text(out, "endpoint", endpoint ? endpoint->path : "/batch");
    put_policy(batch, out);
    put_choice(out, "merge", MERGE_NAMES, batch->merge);
    put_choice(out, "onTimeout", ON_TIMEOUT_NAMES, batch->on_timeout);
    explain_put_time(out, "timeoutMs", scene.timeout);
    put_stages(&scene, out);
    explain_put_key(out, "requests");
    buffer_byte(out, '[');
    for (size_t i = 0; i < plan->count && buffer_status(out) == 0; i++) {
        if (i > 0)
            buffer_byte(out, ',');
        put_request(&scene, i);
    }
    buffer_string(out, "]}");
}

/* ---- The reply ---- */

static struct answer *too_large(const struct config *config, int status, struct arena *arena)
{
    if (status == -ENOMEM)
        return answer_problem(503, "there is no memory left for the plan");
    struct answer *answer = answer_problem(
        502, arena_printf(arena, "the plan is larger than limits.merged allows (%llu bytes)",
                          (unsigned long long)config->limits.merged));
    answer->limit = TALLY_MERGED;
    return answer;
}

static struct answer *answer_with(struct buffer *text)
{
    struct answer *answer = mem_new(sizeof *answer);
    answer->arena = arena_new();
    answer->status = 200;
    answer->body = buffer_take(text, &answer->body_len);
    answer_headers_common(answer->arena, &answer->headers, answer->status, "application/json");
    return answer;
}

struct answer *explain_batch(const struct config *config, const struct batch *batch,
                             const struct inbound *inbound, const char *identity, bool all,
                             struct arena *arena)
{
    struct buffer text scope_buffer;
    struct explainer explainer = {config, identity, all, &text};
    struct plan plan;
    struct faults faults;
    buffer_init(&text, config->limits.merged);
    if (config->propagate.via && plan_is_loop(inbound, identity))
        return answer_problem(outcome_status(OUTCOME_LOOP), outcome_sentence(OUTCOME_LOOP));
    faults_init(&faults, arena, FAULTS_MOST);
    plan_make(config, batch, inbound, identity, arena, &plan, &faults);
    if (faults_any(&faults))
        return answer_from_faults(&faults);
    buffer_byte(&text, '{');
    explain_put_key(&text, "explain");
    put_batch(&explainer, batch, inbound, USEC_NEVER, arena, &plan);
    buffer_byte(&text, '}');
    return buffer_status(&text) == 0 ? answer_with(&text)
                                     : too_large(config, buffer_status(&text), arena);
}
