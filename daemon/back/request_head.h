/* A call's request as bytes, up to and including the empty line. */
#ifndef BACK_REQUEST_HEAD_H
#define BACK_REQUEST_HEAD_H

#include "base/buffer.h"
#include "core/plan.h"

/* Appends. The time that remains until `deadline` is written as of now. `sent` is how often
 * the call went out before. */
void request_head_write(const struct call_spec *spec, usec_t deadline, unsigned sent,
                        struct buffer *out);

#endif
