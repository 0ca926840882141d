/* What libcurl says about a failed transfer, as an outcome code. */
#ifndef BACK_CURL_RESULT_H
#define BACK_CURL_RESULT_H

#include <curl/curl.h>
#include <stdbool.h>

#include "core/outcome.h"

struct curl_failure {
    CURLcode code;
    long os_error; /* CURLINFO_OS_ERRNO; 0: the fault was not the network's */
    bool tls;
    bool frames;   /* HTTP/2 was spoken, or tried */
    bool sent;     /* the connection stood and the request went out */
    bool began;    /* a line of the reply came */
    bool has_head; /* its header was complete */
    bool decodes;  /* libcurl was to undo content codings */
};

enum outcome_code curl_result_code(const struct curl_failure *failure);
/* What to say beside that code's own sentence; NULL: nothing. Lives for ever. */
const char *curl_result_detail(CURLcode result, enum outcome_code code);
/* The same for an attempt through a proxy that may have failed at the proxy; OUTCOME_NONE:
 * not there. `ret_detail` says more, or stays as it was. */
enum outcome_code proxy_failure(CURL *easy, const struct curl_failure *failure,
                                const char **ret_detail);
/* Whether the connection ended, for whatever reason, before the reply did. */
bool curl_result_is_end(CURLcode code);

#endif
