/* One client request in a sentence for people: an entry of the journal, a warning. */
#ifndef CORE_ACCESS_SENTENCE_H
#define CORE_ACCESS_SENTENCE_H

#include "core/access_record.h"

enum { ACCESS_SENTENCE_MAX = 1280 };

/* "slow request: GET /x: 200 in 524.3 ms, ...". Who is named is who took the larger part of
 * the time: the slowest call, if that was work, or the client. Terminated. */
void access_sentence_write(const struct access_record *record, char out[ACCESS_SENTENCE_MAX]);

#endif
