/* libcurl's process-wide state, set up once by the composition root. */
#ifndef BACK_CURL_GLOBAL_H
#define BACK_CURL_GLOBAL_H

#include <stdbool.h>

#include "base/errors.h"

/* Before the first thread starts. 0 or -errno. */
int must_check curl_global_start(void);
/* After the last thread that used libcurl has ended. */
void curl_global_stop(void);

/* "7.88.1": the library that runs. */
const char *curl_global_version(void);
/* Whether it joins a connection without TLS only after a reply has begun there. */
bool curl_global_joins_late(void);

#endif
