/*
 * A lenient client and a strict one may disagree about where a reply ends; on a
 * kept-alive connection the next call would then read what this upstream smuggled
 * to it. So everything that has two readings is refused: folded lines, space
 * before the colon, control characters, differing or non-numeric lengths, a
 * length beside a transfer coding, any transfer coding but chunked.
 *
 * A bare LF as line end has one reading (RFC 9112 2.2) and is accepted.
 *
 * HTTP/2 frames messages by itself; there the fields that frame them in HTTP/1 are
 * faults (RFC 9113 8.2.2), and a pseudo-header among the fields is no token.
 */
#include "back/reply_head.h"

#include <string.h>
#include <strings.h>

#include "core/control.h"

struct text {
    const char *data;
    size_t len;
};

void reply_head_init(struct reply_head *head, uint64_t max, bool decoded,
                     enum reply_versions versions)
{
    *head = (struct reply_head){.max = max, .decoded = decoded, .versions = versions};
    buffer_init(&head->lines, SIZE_MAX / 2); /* `seen` is what bounds it */
}

void reply_head_done(struct reply_head *head)
{
    buffer_done(&head->lines);
}

static bool refuse(struct reply_head *head, enum outcome_code code, const char *detail)
{
    head->fault = code;
    head->detail = detail;
    return false;
}

static bool malformed(struct reply_head *head, const char *detail)
{
    return refuse(head, OUTCOME_PROTOCOL, detail);
}

static bool is(struct text text, const char *name)
{
    return strlen(name) == text.len && strncasecmp(text.data, name, text.len) == 0;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline struct text trim(struct text text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct text){text.data + 1, text.len - 1};
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* RFC 9110 5.6.2 */
static const bool in_token[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

/* How many bytes of a token there are before another; four at a time without a branch
 * for each. */
static inline size_t token_length(struct text text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t i = 0;
    while (i + 4 <= text.len && (in_token[bytes[i]] & in_token[bytes[i + 1]] &
                                 in_token[bytes[i + 2]] & in_token[bytes[i + 3]]))
        i += 4;
    while (i < text.len && in_token[bytes[i]])
        i++;
    return i;
}

/* ---- status line ---- */

/* The length of "HTTP/1.1 " or "HTTP/2 "; 0: the line begins with neither. */
static size_t take_version(struct reply_head *head, struct text line)
{
    static const char one[] = "HTTP/1.", two[] = "HTTP/2 ";
    if (head->versions != REPLY_HTTP_1 && line.len >= sizeof two - 1 &&
        memcmp(line.data, two, sizeof two - 1) == 0) {
        head->version_2 = true;
        return sizeof two - 1;
    }
    if (line.len < sizeof one + 1 || memcmp(line.data, one, sizeof one - 1) != 0 ||
        (line.data[7] != '0' && line.data[7] != '1') || line.data[8] != ' ')
        return 0;
    head->version_2 = false;
    head->minor_zero = line.data[7] == '0';
    return sizeof one + 1;
}

static bool begin_block(struct reply_head *head, struct text line)
{
    size_t version = take_version(head, line);
    if (version > 0 && !head->version_2 && head->versions == REPLY_HTTP_2)
        return malformed(head, "the upstream does not speak HTTP/2");
    const char *code = line.data + version;
    if (version == 0 || line.len < version + 3 || !digit(code[0]) || !digit(code[1]) ||
        !digit(code[2]) || (line.len > version + 3 && code[3] != ' '))
        return malformed(head, "the status line is malformed");
    unsigned status = (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    if (status < 100 || status > 599)
        return malformed(head, "the status is not between 100 and 599");
    if (status == 101)
        return malformed(head, "the upstream switched protocols unasked");
    head->status = status;
    head->has_length = head->chunked = false;
    head->closes = head->keeps_alive = false;
    head->coding = CODING_NONE;
    head->length = 0;
    head->lines.len = 0;
    return true;
}

/* ---- fields ---- */

static bool take_length(struct reply_head *head, struct text value)
{
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!digit(value.data[i]))
            return malformed(head, "Content-Length is not a number");
        uint64_t next = (uint64_t)(value.data[i] - '0');
        length = length > (UINT64_MAX - next) / 10 ? UINT64_MAX : length * 10 + next;
    }
    if (value.len == 0)
        return malformed(head, "Content-Length is empty");
    if (head->has_length && head->length != length)
        return malformed(head, "two Content-Length fields differ");
    head->has_length = true;
    head->length = length;
    return true;
}

static bool take_coding(struct reply_head *head, struct text value)
{
    if (head->version_2)
        return malformed(head, "a transfer coding in HTTP/2");
    if (head->chunked || !is(value, "chunked"))
        return malformed(head, "the transfer coding is not just chunked");
    if (head->minor_zero)
        return malformed(head, "a transfer coding in an HTTP/1.0 reply");
    head->chunked = true;
    return true;
}

/* The next member of a comma-separated list; false at its end. */
static bool next_member(struct text *list, struct text *ret_member)
{
    if (list->len == 0)
        return false;
    const char *comma = memchr(list->data, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->data) : list->len;
    size_t past = len + (comma ? 1 : 0);
    *ret_member = trim((struct text){list->data, len});
    *list = (struct text){list->data + past, list->len - past};
    return true;
}

static void take_connection(struct reply_head *head, struct text list)
{
    struct text member;
    while (next_member(&list, &member)) {
        head->closes |= is(member, "close");
        head->keeps_alive |= is(member, "keep-alive");
    }
}

static void take_content_coding(struct reply_head *head, struct text list)
{
    struct text member;
    while (next_member(&list, &member)) {
        if (member.len == 0 || is(member, "identity"))
            continue;
        if (head->coding != CODING_NONE)
            head->coding = CODING_UNKNOWN;
        else if (is(member, "gzip") || is(member, "x-gzip"))
            head->coding = CODING_GZIP;
        else
            head->coding = is(member, "deflate") ? CODING_DEFLATE : CODING_UNKNOWN;
    }
}

/* Looks at the fields that say how the message is framed. *ret_kept: the field
 * goes into the outcome. */
static bool interpret(struct reply_head *head, struct text name, struct text value, bool *ret_kept)
{
    *ret_kept = true;
    switch (name.len) { /* most fields are of another length */
    case sizeof "Connection" - 1:
        if (!is(name, "Connection"))
            return true;
        take_connection(head, value);
        return !head->version_2 || malformed(head, "a Connection field in HTTP/2");
    case sizeof "Content-Length" - 1:
        if (!is(name, "Content-Length"))
            return true;
        *ret_kept = !head->decoded;
        return take_length(head, value);
    case sizeof "Content-Encoding" - 1:
        if (!is(name, "Content-Encoding"))
            return true;
        *ret_kept = !head->decoded;
        take_content_coding(head, value);
        return true;
    case sizeof "Transfer-Encoding" - 1:
        return !is(name, "Transfer-Encoding") || take_coding(head, value);
    default:
        return true;
    }
}

static bool wrong_field(struct reply_head *head, struct text line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return malformed(head, "a header line is folded");
    if (!memchr(line.data, ':', line.len))
        return malformed(head, "a header line has no colon");
    return malformed(head, "a field name is malformed");
}

/* A token ends before a colon; it needs no other search for one. */
static inline bool split_field(struct reply_head *head, struct text line, struct text *ret_name,
                               struct text *ret_value)
{
    size_t len = token_length(line);
    if (len == 0 || len == line.len || line.data[len] != ':')
        return wrong_field(head, line);
    *ret_name = (struct text){line.data, len};
    *ret_value = trim((struct text){line.data + len + 1, line.len - len - 1});
    return true;
}

static void keep_field(struct reply_head *head, struct text name, struct text value)
{
    buffer_append(&head->lines, name.data, name.len);
    buffer_append(&head->lines, ": ", 2);
    buffer_append(&head->lines, value.data, value.len);
    buffer_append(&head->lines, "\r\n", 2);
}

/* `whole`: the line with its end. */
static inline bool take_field(struct reply_head *head, struct text line, struct text whole)
{
    struct text name, value;
    bool kept;
    if (!split_field(head, line, &name, &value))
        return false;
    if (head->complete)
        return true; /* a trailer is held to the same rules and dropped */
    if (!interpret(head, name, value, &kept))
        return false;
    if (!kept)
        return true;
    /* Most lines are written the way they are kept. */
    bool usual = whole.len == line.len + 2 && name.len + 2 + value.len == line.len &&
                 line.data[name.len + 1] == ' ';
    if (usual)
        buffer_append(&head->lines, whole.data, whole.len);
    else
        keep_field(head, name, value);
    if (buffer_status(&head->lines) != 0)
        return refuse(head, OUTCOME_INTERNAL, "out of memory");
    return true;
}

static bool end_block(struct reply_head *head)
{
    if (head->has_length && head->chunked)
        return malformed(head, "Content-Length beside Transfer-Encoding");
    if (head->status >= 200)
        head->complete = true;
    else
        head->status = 0;
    return true;
}

bool reply_head_line(struct reply_head *head, const char *line, size_t len)
{
    if (head->fault != OUTCOME_NONE)
        return false;
    head->seen += len;
    if (head->seen > head->max)
        return refuse(head, OUTCOME_RESPONSE_HEADER_SIZE, NULL);
    struct text text = {line, len};
    if (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r')
        text.len--;
    if (control_is_in(text.data, text.len))
        return malformed(head, "a control character in the header");
    if (head->status == 0)
        return begin_block(head, text);
    if (text.len == 0)
        return head->complete || end_block(head);
    return take_field(head, text, (struct text){line, len});
}
