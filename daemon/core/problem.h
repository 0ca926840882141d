/* Errors as RFC 9457 problem documents. */
#ifndef CORE_PROBLEM_H
#define CORE_PROBLEM_H

#include "base/buffer.h"
#include "core/faults.h"
#include "core/job.h"

/* {"type":"about:blank","title","status","detail","errors":[{pointer,code,detail}]}
 * with a code only where the client asked for what it may not do. */
void problem_write(struct buffer *out, unsigned status, const char *detail,
                   const struct faults *faults);
/* A failed job: errors: [{id, pointer, code, status, detail, attempts, elapsedMs}]. Shows neither
 * upstream bodies nor internal URLs. */
void problem_write_job(struct buffer *out, unsigned status, const struct job *job);
/* The errors array alone, as `_meta` carries it. */
void problem_write_errors(struct buffer *out, const struct job *job);
/* One part as a problem object: the body of an envelope item without a reply. */
void problem_write_part(struct buffer *out, const struct part *part);

const char *problem_title(unsigned status); /* the reason phrase */

#endif
