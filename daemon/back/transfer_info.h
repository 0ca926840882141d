/* What libcurl says of a transfer, and what of it is counted. */
#ifndef BACK_TRANSFER_INFO_H
#define BACK_TRANSFER_INFO_H

#include <curl/curl.h>

#include "back/multi.h"

/* It has made a connection of its own. */
bool transfer_made_connection(CURL *easy);
/* One of `multi` that has ended; `tally` may be NULL. */
void transfer_count(CURL *easy, struct multi *multi, struct upstream_tally *tally);

#endif
