/*
 * The tag is made of the plain body; the compressed form has the same one with a suffix, so
 * that both are told apart and either is recognised. A tag that an upstream set for its own
 * bytes becomes a weak one where we compress. A 304 is the very reply it stands for, with
 * its length, but for the body: so its form is made all the same.
 *
 * A reply that may not be stored needs no Vary, unless it was compressed.
 */
#include "front/represent.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "back/gzip.h"
#include "core/accept_encoding.h"
#include "core/entity_tag.h"

enum { NOT_MODIFIED = 304, PARTIAL_CONTENT = 206 };

#define TAG_SUFFIX "-gzip"

struct form {
    struct answer *answer;
    const struct wishes *wishes;
    struct MHD_Connection *mhd;
    char gzip_tag[ENTITY_TAG_MAX]; /* of the compressed form; "": it is not needed, or the
                                    * answer's tag, if any, is an upstream's */
    bool gzip;                     /* it shall be compressed */
};

/* ---- fields ---- */

static struct field_text text_of(const char *string)
{
    return (struct field_text){string, strlen(string)};
}

static void set_field(struct answer *answer, const char *name, const char *value)
{
    for (size_t i = 0; i < answer->headers.count; i++) {
        if (strcasecmp(answer->headers.items[i].name, name) == 0) {
            answer->headers.items[i].value = arena_string(answer->arena, value);
            return;
        }
    }
    answer_add_header(answer, name, value);
}

static bool field_has(const struct answer *answer, const char *name, const char *word)
{
    const char *value = header_get(&answer->headers, name);
    return value && field_list_has(text_of(value), word);
}

static void vary_by_encoding(struct answer *answer)
{
    const char *before = header_get(&answer->headers, "Vary");
    if (!before)
        answer_add_header(answer, "Vary", "Accept-Encoding");
    else if (!field_list_has(text_of(before), "*") &&
             !field_list_has(text_of(before), "Accept-Encoding"))
        set_field(answer, "Vary", arena_printf(answer->arena, "%s, Accept-Encoding", before));
}

/* ---- gzip ---- */

static enum MHD_Result read_encoding(void *cls, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    if (value && strcasecmp(name, "Accept-Encoding") == 0)
        accept_encoding_read(cls, text_of(value));
    return MHD_YES;
}

static bool prefers_gzip(const struct form *form)
{
    struct accept_encoding accept = ACCEPT_ENCODING_NONE;
    if (!form->wishes->has_encoding)
        return false;
    MHD_get_connection_values(form->mhd, MHD_HEADER_KIND, read_encoding, &accept);
    return accept_encoding_gzip(&accept);
}

static bool size_fits(const struct answer *answer, const struct compression *compression)
{
    return compression->gzip && answer->body_len >= compression->min &&
           answer->body_len <= compression->max;
}

/* True when the body could go out in both forms. What speaks of its very bytes forbids it. */
static bool has_two_forms(const struct answer *answer)
{
    static const char *const fixed[] = {"Content-Encoding", "Content-Range", "Content-MD5",
                                        "Content-Digest",   "Repr-Digest",   "Digest"};
    if (answer->status == PARTIAL_CONTENT)
        return false;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (header_get(&answer->headers, fixed[i]))
            return false;
    enum media_kind media = header_media_kind(header_get(&answer->headers, "Content-Type"));
    return (media == MEDIA_JSON || media == MEDIA_TEXT) &&
           !field_has(answer, "Cache-Control", "no-transform");
}

static void weaken_or_replace_tag(const struct form *form)
{
    struct answer *answer = form->answer;
    const char *tag = header_get(&answer->headers, "ETag");
    if (form->gzip_tag[0])
        set_field(answer, "ETag", form->gzip_tag);
    else if (tag && tag[0] == '"')
        set_field(answer, "ETag", arena_printf(answer->arena, "W/%s", tag));
}

static void compress(const struct form *form, int level)
{
    struct answer *answer = form->answer;
    char *data;
    size_t len;
    if (gzip_compress(answer->body, answer->body_len, level, &data, &len) != 0)
        return;
    free(answer->body);
    answer->body = data;
    answer->body_len = len;
    answer_add_header(answer, "Content-Encoding", "gzip");
    weaken_or_replace_tag(form);
}

/* ---- ETag and 304 ---- */

struct search {
    const char *tag;
    bool found;
};

static enum MHD_Result read_match(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    (void)kind;
    struct search *search = cls;
    if (value && strcasecmp(name, "If-None-Match") == 0)
        search->found = search->found || entity_tag_matches(text_of(value), search->tag);
    return MHD_YES;
}

static bool client_has(const struct form *form, const char *tag)
{
    struct search search = {.tag = tag};
    if (tag && tag[0])
        MHD_get_connection_values(form->mhd, MHD_HEADER_KIND, read_match, &search);
    return search.found;
}

/* In whichever form: it is the same reply. */
static bool client_has_either(const struct form *form)
{
    return form->wishes->has_match &&
           (client_has(form, header_get(&form->answer->headers, "ETag")) ||
            client_has(form, form->gzip_tag));
}

static void tag_body(struct form *form)
{
    struct answer *answer = form->answer;
    if (answer->tag != TAG_BODY || header_get(&answer->headers, "ETag"))
        return;
    char *tag = arena_alloc(answer->arena, ENTITY_TAG_MAX);
    entity_tag_make(answer->body, answer->body_len, tag);
    if (form->gzip || form->wishes->has_match) {
        bool fits = entity_tag_append(tag, TAG_SUFFIX, form->gzip_tag);
        assert(fits);
    }
    header_add(answer->arena, &answer->headers, "ETag", tag);
}

/* What describes a body goes with it (RFC 9110 15.4.5). */
static bool describes_body(const char *name)
{
    return (strncasecmp(name, "Content-", 8) == 0 && strcasecmp(name, "Content-Location") != 0) ||
           strcasecmp(name, "Last-Modified") == 0;
}

/* The body stays: libmicrohttpd tells its length, which is what a 304 has to say if it says
 * any, and does not send it. */
static void become_not_modified(struct answer *answer)
{
    size_t kept = 0;
    for (size_t i = 0; i < answer->headers.count; i++)
        if (!describes_body(answer->headers.items[i].name))
            answer->headers.items[kept++] = answer->headers.items[i];
    answer->headers.count = kept;
    answer->status = NOT_MODIFIED;
}

void represent(struct answer *answer, const struct wishes *wishes,
               const struct compression *compression, struct MHD_Connection *mhd)
{
    struct form form = {.answer = answer, .wishes = wishes, .mhd = mhd};
    if (size_fits(answer, compression)) {
        bool preferred = prefers_gzip(&form);
        bool told = (preferred || answer->storable) && has_two_forms(answer);
        form.gzip = preferred && told;
        if (told)
            vary_by_encoding(answer);
    }
    bool known = false;
    if (wishes->fetches && answer->tag != TAG_NONE) {
        tag_body(&form);
        known = client_has_either(&form);
    }
    if (form.gzip)
        compress(&form, (int)compression->level);
    if (known)
        become_not_modified(answer);
}
