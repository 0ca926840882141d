/* The reply without a merge: every part's status, headers and body side by side. */
#ifndef CORE_MERGE_ENVELOPE_H
#define CORE_MERGE_ENVELOPE_H

#include "base/buffer.h"
#include "core/job.h"

/* {"responses":[...]} in declared order. */
void merge_write_envelope(const struct job *job, struct buffer *out);

/* One part as an envelope item {"id","status","headers","body"}. The body is a JSON value as
 * it came, a string when it is text/... in UTF-8, base64url when it is anything else. */
void merge_write_envelope_item(const struct job *job, const struct part *part, struct buffer *out);

/* The status an item shows: the reply's, or that of the part's failure when there is
 * no reply to show. */
unsigned merge_envelope_status(const struct part *part);

#endif
