/*
 * Problem documents, written straight into a buffer. Texts come from outcome.def
 * and from details that our own code wrote; nothing of an upstream's body and no
 * URL is at hand here, so none can leak. This is the path of failures: it may
 * allocate for a sentence.
 */
#include "core/problem.h"

#include "core/decimal.h"
#include "json/write.h"

enum { TEXT_MAX = 4096 }; /* of a sentence put together here */

static const struct {
    unsigned status;
    const char *title;
} titles[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *problem_title(unsigned status)
{
    static const char *const classes[] = {"Informational", "Success", "Redirection", "Client Error",
                                          "Server Error"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return status >= 100 && status < 600 ? classes[status / 100 - 1] : "Unknown Status";
}

/* Opens the object; the caller adds more members and closes it. */
static void open_problem(struct buffer *out, unsigned status, const char *detail)
{
    buffer_string(out, "{\"type\":\"about:blank\",\"title\":");
    json_put_text(out, problem_title(status));
    buffer_string(out, ",\"status\":");
    decimal_put(out, status);
    if (!detail)
        return;
    buffer_string(out, ",\"detail\":");
    json_put_text(out, detail);
}

void problem_write(struct buffer *out, unsigned status, const char *detail,
                   const struct faults *faults)
{
    open_problem(out, status, detail);
    if (faults) {
        buffer_string(out, ",\"errors\":[");
        for (const struct fault *fault = faults->first; fault; fault = fault->next) {
            buffer_string(out, fault == faults->first ? "{\"pointer\":" : ",{\"pointer\":");
            json_put_text(out, fault->place);
            if (fault->status == outcome_status(OUTCOME_REQUEST_DENIED)) {
                buffer_string(out, ",\"code\":");
                json_put_text(out, outcome_text(OUTCOME_REQUEST_DENIED));
            }
            buffer_string(out, ",\"detail\":");
            json_put_text(out, fault->text);
            buffer_byte(out, '}');
        }
        buffer_byte(out, ']');
    }
    buffer_byte(out, '}');
}

/* A status says more than that there was one. */
static void put_sentence(struct buffer *out, const struct part *part)
{
    if (part->failure == OUTCOME_UPSTREAM_STATUS)
        buffer_printf(out, "the upstream answered %u", part->outcome.status);
    else
        buffer_string(out, outcome_sentence(part->failure));
}

/* "SENTENCE: DETAIL", as a JSON string. */
static void put_detail(struct buffer *out, const struct part *part)
{
    scope_buffer struct buffer text;
    buffer_init(&text, TEXT_MAX);
    put_sentence(&text, part);
    if (part->outcome.detail) {
        buffer_string(&text, ": ");
        buffer_string(&text, part->outcome.detail);
    }
    json_put_string(out, text.data, text.len);
}

/* What is known about a failure besides its status and detail. */
static void put_facts(struct buffer *out, const struct part *part)
{
    if (part->outcome.status != 0) {
        buffer_string(out, ",\"upstreamStatus\":");
        decimal_put(out, part->outcome.status);
    }
    buffer_string(out, ",\"attempts\":");
    decimal_put(out, part->outcome.attempts);
    buffer_string(out, ",\"elapsedMs\":");
    json_put_milliseconds(out, part->outcome.elapsed);
}

static void put_error_head(struct buffer *out, size_t index, const struct part *part)
{
    buffer_string(out, "{\"id\":");
    json_put_text(out, part->request->id);
    buffer_string(out, ",\"pointer\":\"/requests/");
    decimal_put(out, index);
    buffer_byte(out, '"');
    if (part->failed_item) {
        buffer_string(out, ",\"item\":");
        decimal_put(out, *part->failed_item);
    }
}

static void put_error_rest(struct buffer *out, const struct part *part)
{
    buffer_string(out, ",\"code\":");
    json_put_text(out, outcome_text(part->failure));
    buffer_string(out, ",\"status\":");
    decimal_put(out, outcome_status(part->failure));
    buffer_string(out, ",\"detail\":");
    put_detail(out, part);
    put_facts(out, part);
    buffer_byte(out, '}');
}

/* As put_error() for an item of a part that did not fail itself. */
static void put_item_error(struct buffer *out, const struct job *job, const struct part *part,
                           const struct item_failure *failure)
{
    struct part item = {.request = part->request,
                        .failure = failure->failure,
                        .outcome = failure->outcome,
                        .failed_item = &failure->item};
    put_error_head(out, (size_t)(part - job->parts), &item);
    put_error_rest(out, &item);
}

void problem_write_errors(struct buffer *out, const struct job *job)
{
    bool first = true;
    buffer_byte(out, '[');
    for (size_t i = 0; i < job->count; i++) {
        const struct part *part = &job->parts[i];
        if (part->state == PART_FAILED) {
            if (!first)
                buffer_byte(out, ',');
            first = false;
            put_error_head(out, i, part);
            put_error_rest(out, part);
        }
        for (size_t k = 0; part->item_failures && k < part->item_failures->count; k++) {
            if (!first)
                buffer_byte(out, ',');
            first = false;
            put_item_error(out, job, part, &part->item_failures->items[k]);
        }
    }
    buffer_byte(out, ']');
}

void problem_write_job(struct buffer *out, unsigned status, const struct job *job)
{
    scope_buffer struct buffer detail;
    buffer_init(&detail, TEXT_MAX);
    if (job->decider) {
        buffer_printf(&detail, "request \"%s\": ", job->decider->request->id);
        put_sentence(&detail, job->decider);
    }
    buffer_byte(&detail, '\0');
    open_problem(out, status, job->decider ? detail.data : NULL);
    buffer_string(out, ",\"errors\":");
    problem_write_errors(out, job);
    buffer_byte(out, '}');
}

void problem_write_part(struct buffer *out, const struct part *part)
{
    unsigned status = outcome_status(part->failure);
    open_problem(out, status, NULL);
    buffer_string(out, ",\"detail\":");
    put_detail(out, part);
    buffer_string(out, ",\"code\":");
    json_put_text(out, outcome_text(part->failure));
    put_facts(out, part);
    buffer_byte(out, '}');
}
