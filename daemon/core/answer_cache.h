/* What a merged reply says to caches: no more than each of its parts allows. */
#ifndef CORE_ANSWER_CACHE_H
#define CORE_ANSWER_CACHE_H

#include "core/header.h"
#include "core/job.h"

/* Adds Cache-Control and, where a part varies by fields that were forwarded to it, Vary. Adds
 * nothing where the reply may not be stored: when it is partial or failed, when a part does not
 * say how long it may be kept, answers another method than GET and HEAD, or varies by
 * anything; that is false. Parts that were not needed do not count. */
bool answer_cache_headers(struct arena *arena, struct header_list *headers, const struct job *job);

#endif
