/* One request of a plan as JSON members: for core/explain only. */
#ifndef CORE_EXPLAIN_REQUEST_H
#define CORE_EXPLAIN_REQUEST_H

#include "core/plan.h"
#include "json/write.h"

struct explained {
    const struct request *request;
    const char *timeout_header; /* its name; NULL or "": none */
    bool known;                 /* nothing of it waits for a reply */
    struct planned planned;
    struct values *values; /* NULL: the batch has no expressions */
    usec_t most;           /* the batch's time */
};

/* How long the request may take. */
usec_t explain_timeout(const struct explained *explained);

/* What is planned of it, what it may do without, and what is wanted of its reply. */
void explain_put_request(const struct explained *explained, struct arena *arena,
                         struct buffer *out);

/* Members: a comma where one is needed, the name, the value. */
void explain_put_key(struct buffer *out, const char *name);
void explain_put_text(struct buffer *out, const char *name, const char *text); /* NULL: null */
void explain_put_count(struct buffer *out, const char *name, size_t count);
void explain_put_flag(struct buffer *out, const char *name, bool flag);
void explain_put_time(struct buffer *out, const char *name, usec_t time);
/* `error`; `code` may be NULL. */
void explain_put_error(struct buffer *out, const char *code, unsigned status, const char *detail);

#endif
