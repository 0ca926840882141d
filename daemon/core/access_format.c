/*
 * A format is a list of pieces, each some text and the field behind it. JSON is such a list
 * too, but its values are written by other rules: absent ones as null, texts escaped.
 */
#include "core/access_format.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/nearest.h"
#include "core/decimal.h"
#include "core/trace_context.h"
#include "json/write.h"

enum field_kind {
    KIND_TIME,
    KIND_TEXT,
    KIND_CLIENT,
    KIND_NUMBER,
    KIND_OPTIONAL,
    KIND_MILLISECONDS,
    KIND_TRACE
};

enum field {
#define ACCESS_FIELD(name, kind, text) FIELD_##name,
#include "core/access_fields.def"
#undef ACCESS_FIELD
    FIELD_COUNT,
    FIELD_HEADER, /* any field of the request */
};

static const struct {
    const char *name, *text;
    enum field_kind kind;
} fields[] = {
#define ACCESS_FIELD(name_, kind_, text_)                                                          \
    [FIELD_##name_] = {.name = #name_, .text = text_, .kind = KIND_##kind_},
#include "core/access_fields.def"
#undef ACCESS_FIELD
};

struct piece {
    const char *text; /* before the field */
    size_t len;
    enum field field; /* FIELD_COUNT: none, it is the end */
    enum access_text header;
    bool quoted; /* the format has quotes around it */
};

struct access_format {
    bool json;
    size_t count;
    struct piece *pieces;
    struct access_shown shown;
};

static const char HEADER[] = "header:";

bool access_field(size_t index, const char **ret_name, const char **ret_text)
{
    if (index >= FIELD_COUNT)
        return false;
    *ret_name = fields[index].name;
    *ret_text = fields[index].text;
    return true;
}

/* ---- compiling ---- */

static enum field find_field(const char *name, size_t len)
{
    enum field field = 0;
    while (field < FIELD_COUNT &&
           (strlen(fields[field].name) != len || memcmp(fields[field].name, name, len) != 0))
        field++;
    return field;
}

static void fault_field(struct arena *arena, const char *name, size_t len, const struct node *node,
                        struct faults *faults)
{
    const char *names[FIELD_COUNT];
    for (size_t i = 0; i < FIELD_COUNT; i++)
        names[i] = fields[i].name;
    const char *wrong = arena_copy(arena, name, len);
    const char *near = nearest_name(wrong, names, FIELD_COUNT);
    if (near)
        fault_at(faults, node, "there is no field %%{%.60s}; did you mean %%{%s}?", wrong, near);
    else
        fault_at(faults, node, "there is no field %%{%.60s}", wrong);
}

/* Anything but 0, which is that of records without such fields. */
static unsigned identify(const char *text)
{
    unsigned hash = 2166136261U; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash ? hash : 1;
}

/* `name` as it stands behind "header:". False with a fault. */
static bool read_header(const char *name, struct access_format *format, struct piece *piece,
                        const struct node *node, struct faults *faults)
{
    struct access_shown *shown = &format->shown;
    size_t i = 0;
    if (!header_name_valid(name)) {
        fault_at(faults, node, "\"%.60s\" is not the name of a header field", name);
        return false;
    }
    while (i < shown->count && strcasecmp(shown->names[i], name) != 0)
        i++;
    if (i == ACCESS_HEADERS_MAX) {
        fault_at(faults, node, "a format may name at most %d header fields", ACCESS_HEADERS_MAX);
        return false;
    }
    if (i == shown->count)
        shown->names[shown->count++] = name;
    piece->field = FIELD_HEADER;
    piece->header = ACCESS_HEADERS + (enum access_text)i;
    return true;
}

/* What stands at a '%': false with a fault. */
static bool read_escape(struct arena *arena, const char **at, struct access_format *format,
                        struct piece *piece, const struct node *node, struct faults *faults)
{
    const char *text = *at;
    const char *end = text[1] == '{' ? strchr(text, '}') : NULL;
    if (text[1] == '%') {
        piece->field = FIELD_COUNT;
        *at = text + 2;
        return true;
    }
    if (!end) {
        fault_at(faults, node,
                 "\"%%\" begins a field such as %%{status}; \"%%%%\" is the sign itself");
        return false;
    }
    if (strncmp(text + 2, HEADER, strlen(HEADER)) == 0) {
        const char *name = text + 2 + strlen(HEADER);
        *at = end + 1;
        return read_header(arena_copy(arena, name, (size_t)(end - name)), format, piece, node,
                           faults);
    }
    piece->field = find_field(text + 2, (size_t)(end - text - 2));
    if (piece->field == FIELD_COUNT) {
        fault_field(arena, text + 2, (size_t)(end - text - 2), node, faults);
        return false;
    }
    *at = end + 1;
    return true;
}

static bool read_pieces(struct arena *arena, const char *text, struct access_format *format,
                        const struct node *node, struct faults *faults)
{
    bool any = false, quoted = false;
    format->pieces = arena_array(arena, strlen(text) + 1, sizeof *format->pieces);
    for (const char *at = text;;) {
        struct piece *piece = &format->pieces[format->count++];
        piece->text = at;
        piece->len = strcspn(at, "%");
        piece->field = FIELD_COUNT;
        at += piece->len;
        for (size_t i = 0; i < piece->len; i++)
            quoted ^= piece->text[i] == '"';
        piece->quoted = quoted;
        if (*at == '\0')
            break;
        if (!read_escape(arena, &at, format, piece, node, faults))
            return false;
        if (piece->field == FIELD_COUNT)
            piece->len++; /* the first of two signs is text */
        else
            any = true;
    }
    if (!any)
        fault_at(faults, node, "must be \"json\" or have a field such as %%{status}");
    return any;
}

static void take_all_fields(struct arena *arena, struct access_format *format)
{
    format->json = true;
    format->count = FIELD_COUNT;
    format->pieces = arena_array(arena, FIELD_COUNT, sizeof *format->pieces);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct piece *piece = &format->pieces[i];
        piece->text = arena_printf(arena, "%s\"%s\":", i == 0 ? "{" : ",", fields[i].name);
        piece->len = strlen(piece->text);
        piece->field = (enum field)i;
    }
}

/* What the record of a request has to keep for it. */
static void note_shown(struct access_format *format, const char *text)
{
    struct access_shown *shown = &format->shown;
    for (size_t i = 0; i < format->count; i++) {
        shown->host |= format->pieces[i].field == FIELD_host;
        shown->user_agent |= format->pieces[i].field == FIELD_userAgent;
        shown->referer |= format->pieces[i].field == FIELD_referer;
    }
    shown->format = shown->count > 0 ? identify(text) : 0;
}

const struct access_shown *access_format_shown(const struct access_format *format)
{
    return &format->shown;
}

const struct access_format *access_format_compile(struct arena *arena, const char *text,
                                                  const struct node *node, struct faults *faults)
{
    struct access_format *format = arena_alloc(arena, sizeof *format);
    if (strcmp(text, "json") == 0) {
        take_all_fields(arena, format);
        note_shown(format, text);
        return format;
    }
    if (!header_value_valid(text, strlen(text))) {
        fault_at(faults, node, "must not contain control characters");
        return NULL;
    }
    if (!read_pieces(arena, text, format, node, faults))
        return NULL;
    note_shown(format, text);
    return format;
}

/* ---- writing ---- */

static void put_time(struct buffer *out, usec_t moment)
{
    time_t seconds = (time_t)(moment / USEC_PER_SEC);
    struct tm parts;
    char text[48];
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_append(out, text, len);
    buffer_printf(out, ".%06uZ", (unsigned)(moment % USEC_PER_SEC));
}

static const char *field_text(const struct access_record *record, enum field field, char *scratch,
                              size_t *ret_len)
{
    switch (field) {
    case FIELD_requestId:
        return access_get(record, ACCESS_REQUEST_ID, ret_len);
    case FIELD_method:
        return access_get(record, ACCESS_METHOD, ret_len);
    case FIELD_target:
        return access_get(record, ACCESS_TARGET, ret_len);
    case FIELD_endpoint:
        return access_get(record, ACCESS_ENDPOINT, ret_len);
    case FIELD_protocol:
        return access_get(record, ACCESS_PROTOCOL, ret_len);
    case FIELD_host:
        return access_get(record, ACCESS_HOST, ret_len);
    case FIELD_userAgent:
        return access_get(record, ACCESS_USER_AGENT, ret_len);
    case FIELD_referer:
        return access_get(record, ACCESS_REFERER, ret_len);
    case FIELD_slowest:
        return access_get(record, ACCESS_PART, ret_len);
    case FIELD_upstream:
        return access_get(record, ACCESS_UPSTREAM, ret_len);
    case FIELD_end:
        *ret_len = strlen(access_end_text(record->end));
        return access_end_text(record->end);
    case FIELD_client:
        access_address_write(record->client, record->address, scratch);
        break;
    default:
        if (record->traced)
            trace_id_write(record->trace_id, scratch);
        break;
    }
    *ret_len = strlen(scratch);
    return scratch;
}

static uint64_t field_number(const struct access_record *record, enum field field)
{
    switch (field) {
    case FIELD_status:
        return record->status;
    case FIELD_received:
        return record->received;
    case FIELD_upstreamStatus:
        return record->upstream_status;
    case FIELD_bytes:
        return record->bytes;
    case FIELD_durationUs:
        return record->duration;
    case FIELD_readUs:
        return record->read;
    case FIELD_workUs:
        return record->work;
    case FIELD_parts:
        return record->total;
    case FIELD_ok:
        return record->ok;
    default:
        return record->failed;
    }
}

static void put_escaped(struct buffer *out, bool quoted, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\' || (byte == ' ' && !quoted))
            buffer_printf(out, "\\x%02X", byte);
        else
            buffer_byte(out, text[i]);
    }
}

static void put_text(struct buffer *out, bool json, bool quoted, const char *text, size_t len)
{
    if (len == 0)
        buffer_string(out, json ? "null" : "-");
    else if (json)
        json_put_string(out, text, len);
    else
        put_escaped(out, quoted, text, len);
}

static void put_number(struct buffer *out, bool json, bool known, uint64_t number)
{
    if (known)
        decimal_put(out, number);
    else
        put_text(out, json, false, NULL, 0);
}

static void put_field(struct buffer *out, bool json, const struct piece *piece,
                      const struct access_record *record, usec_t offset)
{
    char scratch[ACCESS_ADDRESS_TEXT] = "";
    size_t len;
    const char *text;
    enum field field = piece->field;
    switch (fields[field].kind) {
    case KIND_TIME:
        buffer_string(out, json ? "\"" : "");
        put_time(out, record->started + offset);
        buffer_string(out, json ? "\"" : "");
        return;
    case KIND_NUMBER:
        put_number(out, json, true, field_number(record, field));
        return;
    case KIND_OPTIONAL:
        put_number(out, json, field_number(record, field) > 0, field_number(record, field));
        return;
    case KIND_MILLISECONDS:
        if (record->texts[ACCESS_PART].len == 0)
            put_text(out, json, false, NULL, 0);
        else
            json_put_milliseconds(out, record->slowest);
        return;
    default:
        text = field_text(record, field, scratch, &len);
        put_text(out, json, piece->quoted, text, len);
    }
}

/* A record may have been left under another format, which the log has seen replaced. */
static void put_header(struct buffer *out, const struct access_format *format,
                       const struct piece *piece, const struct access_record *record)
{
    size_t len;
    const char *text = access_get(record, piece->header, &len);
    put_text(out, false, piece->quoted, text, record->format == format->shown.format ? len : 0);
}

void access_format_write(const struct access_format *format, const struct access_record *record,
                         usec_t offset, struct buffer *out)
{
    for (size_t i = 0; i < format->count; i++) {
        const struct piece *piece = &format->pieces[i];
        buffer_append(out, piece->text, piece->len);
        if (piece->field == FIELD_HEADER)
            put_header(out, format, piece, record);
        else if (piece->field != FIELD_COUNT)
            put_field(out, format->json, piece, record, offset);
    }
    buffer_string(out, format->json ? "}\n" : "\n");
}
