/*
 * One request: the option table has filled in what was written; here it gets its
 * meaning. Every rule reports and goes on, so that one reading shows all faults.
 */
#include "core/request_compile.h"

#include <string.h>

#include "core/units.h"

const struct node *request_member(const struct request *request, const char *name)
{
    const struct node *member = node_get(request->node, name);
    return member ? member : request->node;
}

/* ---- id and method ---- */

static bool is_alphanumeric(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static bool is_id(const char *id)
{
    enum { ID_MAX = 64 };
    size_t len = strlen(id);
    if (len == 0 || len > ID_MAX || id[0] == '_')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_alphanumeric(id[i]) && id[i] != '-' && id[i] != '_')
            return false;
    }
    return true;
}

static bool is_supported(const char *method)
{
    return strcmp(method, "CONNECT") != 0 && strcmp(method, "TRACE") != 0;
}

bool request_method_sound(const struct request *request)
{
    return header_method_valid(request->method) && is_supported(request->method);
}

/* In a document a method in another case is left to the upstream's list, which has none. */
static void check_method(struct compiler *compiler, const struct request *request)
{
    const struct node *place = request_member(request, "method");
    const char *meant = compiler->document ? NULL : header_method_meant(request->method);
    if (!header_method_valid(request->method))
        fault_at(compiler->faults, place, "a method is a word such as GET or POST");
    else if (!is_supported(request->method))
        fault_at(compiler->faults, place, "%s is not supported", request->method);
    else if (meant)
        fault_at(compiler->faults, place, HEADER_METHOD_CASE, meant);
}

/* ---- success ---- */

/* "2xx" gives a class, 204 or "204" a status; false when it is neither. */
static bool read_success(const struct node *node, struct success *success, unsigned *statuses)
{
    const char *text = node->text;
    if ((node->kind != NODE_STRING && node->kind != NODE_NUMBER) || node->text_len != 3)
        return false;
    if (text[0] >= '2' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
        success->classes |= 1u << (text[0] - '0');
        return true;
    }
    uint64_t status;
    if (!units_count(text, &status) || status < 200 || status > 599)
        return false;
    statuses[success->count++] = (unsigned)status;
    return true;
}

static void compile_success(struct compiler *compiler, struct request *request)
{
    const struct node *node = request->success_node;
    struct success *success = &request->success;
    if (!node) {
        success->classes = 1u << 2;
        return;
    }
    bool list = node->kind == NODE_LIST;
    unsigned *statuses = arena_array(compiler->arena, list ? node->count : 1, sizeof *statuses);
    success->statuses = statuses;
    if (list && node->count == 0)
        fault_at(compiler->faults, node, "name at least one status or class");
    for (const struct node *one = list ? node->first : node; one; one = list ? one->next : NULL) {
        if (!read_success(one, success, statuses))
            fault_at(compiler->faults, one,
                     "write a status from 200 to 599 or a class such as 2xx");
    }
}

/* ---- shape ---- */

static void compile_shape(struct compiler *compiler, struct request *request)
{
    request->shape = shape_compile(request->node, compiler->arena, compiler->faults);
    if (request->shape && compiler->batch->merge == MERGE_RAW)
        fault_at(compiler->faults, request->node,
                 "merge: raw passes the body on as it is; select, allow, deny, rename and group "
                 "need another merge");
}

/* Two calls may be one only where nothing but the reply can tell. */
static bool may_be_shared(const struct request *request)
{
    return request->body == BODY_NONE && request->method &&
           (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0);
}

void request_compile(struct compiler *compiler, struct request *request)
{
    if (request->id && !is_id(request->id))
        fault_at(compiler->faults, request_member(request, "id"),
                 "an id is 1 to 64 letters, digits, - and _, and does not begin with _");
    if (request->method)
        check_method(compiler, request);
    compile_shape(compiler, request);
    request_compile_foreach(compiler, request);
    if (request->url && request->method)
        request_compile_url(compiler, request);
    request_compile_headers(compiler, request);
    request_compile_body(compiler, request);
    compile_success(compiler, request);
    request->dedupe = request->dedupe && may_be_shared(request);
}
