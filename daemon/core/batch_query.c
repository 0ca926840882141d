/*
 * GET /batch?url=... as the document it stands for: the query becomes a tree,
 * the tree takes the usual way, and only the places of faults are put back into
 * the words of the query.
 */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "core/inbound.h"
#include "core/request_compile.h"

static const char *const members[] = {"url", "merge", "policy", "timeout", "status", "meta"};
enum { MEMBER_COUNT = sizeof members / sizeof members[0] };

struct query_reader {
    struct arena *arena;
    struct faults *faults;
    struct node *document, *requests;
    bool broken; /* a member could not be read: it may have been a url */
};

static struct node *add_string(struct arena *arena, struct node *map, const char *key,
                               const char *text, size_t len)
{
    struct node *node = node_add(arena, map, NODE_STRING);
    node->key = key;
    node->text = arena_copy(arena, text, len);
    node->text_len = len;
    return node;
}

static void add_request(struct query_reader *reader, const struct inbound_member *member)
{
    struct node *request = node_add(reader->arena, reader->requests, NODE_MAP);
    const char *id = arena_printf(reader->arena, "%zu", reader->requests->count);
    add_string(reader->arena, request, "id", id, strlen(id));
    add_string(reader->arena, request, "url", member->value, member->value_len);
}

/* "atLeast:2" is {"atLeast": 2}. */
static void add_policy(struct query_reader *reader, const struct inbound_member *member)
{
    static const char prefix[] = "atLeast:";
    size_t len = strlen(prefix);
    if (member->value_len < len || memcmp(member->value, prefix, len) != 0) {
        add_string(reader->arena, reader->document, "policy", member->value, member->value_len);
        return;
    }
    struct node *policy = node_add(reader->arena, reader->document, NODE_MAP);
    policy->key = "policy";
    add_string(reader->arena, policy, "atLeast", member->value + len, member->value_len - len)
        ->kind = NODE_NUMBER;
}

static void add_member(struct query_reader *reader, const struct inbound_member *member,
                       const char *name)
{
    const char *key = NULL;
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (strcmp(members[i], name) == 0)
            key = members[i];
    }
    if (!key) {
        const char *nearest = nearest_name(name, members, MEMBER_COUNT);
        fault_in(reader->faults, name, "there is no member \"%s\" here%s%s%s", name,
                 nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?"
                         : "; use url, merge, policy, timeout, status, meta; "
                           "in a url write & as %26");
    } else if (strcmp(key, "url") == 0) {
        add_request(reader, member);
    } else if (node_get(reader->document, key)) {
        fault_in(reader->faults, key, "this is given twice");
    } else if (strcmp(key, "policy") == 0) {
        add_policy(reader, member);
    } else {
        add_string(reader->arena, reader->document, key, member->value, member->value_len);
    }
}

static void read_members(struct query_reader *reader, const char *query, size_t len)
{
    struct inbound_member member;
    const char *end = query + len;
    size_t number = 0;
    while (inbound_next_member(reader->arena, &query, end, &member)) {
        number++;
        if (!member.sound || memchr(member.name, '\0', member.name_len) ||
            memchr(member.value, '\0', member.value_len)) {
            fault_in(reader->faults, arena_printf(reader->arena, "member %zu", number),
                     "its percent-encoding is broken, or it contains NUL");
            reader->broken = true;
            continue;
        }
        add_member(reader, &member, arena_copy(reader->arena, member.name, member.name_len));
    }
}

/* "/requests/1/url" is "url 2" here, "/merge" is "merge". */
static void rename_place(struct arena *arena, struct fault *fault)
{
    size_t index;
    if (sscanf(fault->place, "/requests/%zu", &index) == 1)
        fault->place = arena_printf(arena, "url %zu", index + 1);
    else if (strcmp(fault->place, "/requests") == 0)
        fault->place = "url";
    else if (strcmp(fault->place, "/policy/atLeast") == 0)
        fault->place = "policy";
    else if (fault->place[0] == '/')
        fault->place = fault->place + 1;
}

void batch_read_query(const struct config *config, const char *query, size_t len,
                      struct arena *arena, struct batch *ret_batch, struct faults *faults)
{
    struct query_reader reader = {.arena = arena, .faults = faults};
    reader.document = node_add(arena, NULL, NODE_MAP);
    reader.requests = node_add(arena, reader.document, NODE_LIST);
    reader.requests->key = "requests";
    read_members(&reader, query, len);
    if (reader.requests->count == 0) {
        if (!reader.broken)
            fault_in(faults, "url", "give at least one url, as in /batch?url=...");
        *ret_batch = (struct batch){0};
        return;
    }
    struct fault *last = faults->last;
    batch_read_document(config, reader.document, arena, ret_batch, faults);
    for (struct fault *fault = last ? last->next : faults->first; fault; fault = fault->next)
        rename_place(arena, fault);
}
