/*
 * A format is a list of pieces, each some text and the field behind it. JSON is such a list
 * too, but its values are written by other rules: absent ones as null, texts escaped.
 */
#include "core/access_format.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/nearest.h"
#include "core/decimal.h"
#include "core/trace_context.h"
#include "json/write.h"

enum field_kind { KIND_TIME, KIND_TEXT, KIND_CLIENT, KIND_NUMBER, KIND_MILLISECONDS, KIND_TRACE };

enum field {
#define ACCESS_FIELD(name, kind, text) FIELD_##name,
#include "core/access_fields.def"
#undef ACCESS_FIELD
    FIELD_COUNT,
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
};

struct access_format {
    bool json;
    size_t count;
    struct piece *pieces;
};

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

/* What stands at a '%': false with a fault. */
static bool read_escape(struct arena *arena, const char **at, struct piece *piece,
                        const struct node *node, struct faults *faults)
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
    bool any = false;
    format->pieces = arena_array(arena, strlen(text) + 1, sizeof *format->pieces);
    for (const char *at = text;;) {
        struct piece *piece = &format->pieces[format->count++];
        piece->text = at;
        piece->len = strcspn(at, "%");
        piece->field = FIELD_COUNT;
        at += piece->len;
        if (*at == '\0')
            break;
        if (!read_escape(arena, &at, piece, node, faults))
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

const struct access_format *access_format_compile(struct arena *arena, const char *text,
                                                  const struct node *node, struct faults *faults)
{
    struct access_format *format = arena_alloc(arena, sizeof *format);
    if (strcmp(text, "json") == 0) {
        take_all_fields(arena, format);
        return format;
    }
    if (!header_value_valid(text, strlen(text))) {
        fault_at(faults, node, "must not contain control characters");
        return NULL;
    }
    return read_pieces(arena, text, format, node, faults) ? format : NULL;
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

void access_client_write(const struct access_record *record, char out[ACCESS_ADDRESS_TEXT])
{
    out[0] = '\0';
    if (record->client == CLIENT_UNIX)
        memcpy(out, "unix", sizeof "unix");
    else if (record->client == CLIENT_IPV4)
        (void)inet_ntop(AF_INET, record->address, out, ACCESS_ADDRESS_TEXT);
    else if (record->client == CLIENT_IPV6)
        (void)inet_ntop(AF_INET6, record->address, out, ACCESS_ADDRESS_TEXT);
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
    case FIELD_slowest:
        return access_get(record, ACCESS_PART, ret_len);
    case FIELD_upstream:
        return access_get(record, ACCESS_UPSTREAM, ret_len);
    case FIELD_end:
        *ret_len = strlen(access_end_text(record->end));
        return access_end_text(record->end);
    case FIELD_client:
        access_client_write(record, scratch);
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

static void put_escaped(struct buffer *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\')
            buffer_printf(out, "\\x%02X", byte);
        else
            buffer_byte(out, text[i]);
    }
}

static void put_text(struct buffer *out, bool json, const char *text, size_t len)
{
    if (len == 0)
        buffer_string(out, json ? "null" : "-");
    else if (json)
        json_put_string(out, text, len);
    else
        put_escaped(out, text, len);
}

static void put_field(struct buffer *out, bool json, enum field field,
                      const struct access_record *record, usec_t offset)
{
    char scratch[ACCESS_ADDRESS_TEXT] = "";
    size_t len;
    const char *text;
    switch (fields[field].kind) {
    case KIND_TIME:
        buffer_string(out, json ? "\"" : "");
        put_time(out, record->started + offset);
        buffer_string(out, json ? "\"" : "");
        return;
    case KIND_NUMBER:
        decimal_put(out, field_number(record, field));
        return;
    case KIND_MILLISECONDS:
        if (record->texts[ACCESS_PART].len == 0)
            put_text(out, json, NULL, 0);
        else
            json_put_milliseconds(out, record->slowest);
        return;
    default:
        text = field_text(record, field, scratch, &len);
        put_text(out, json, text, len);
    }
}

void access_format_write(const struct access_format *format, const struct access_record *record,
                         usec_t offset, struct buffer *out)
{
    for (size_t i = 0; i < format->count; i++) {
        const struct piece *piece = &format->pieces[i];
        buffer_append(out, piece->text, piece->len);
        if (piece->field != FIELD_COUNT)
            put_field(out, format->json, piece->field, record, offset);
    }
    buffer_string(out, format->json ? "}\n" : "\n");
}
