/*
 * libcurl's codes name what it was doing, RFC 9209's what went wrong; so one
 * code may become several, told apart by how far the call had come.
 */
#include "back/curl_result.h"

#include <errno.h>

static enum outcome_code connect_failed(long os_error)
{
    switch (os_error) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM:
        return OUTCOME_DESTINATION_UNROUTABLE;
    case ETIMEDOUT:
        return OUTCOME_CONNECTION_TIMEOUT;
    case ECONNRESET:
        return OUTCOME_CONNECTION_TERMINATED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return OUTCOME_INTERNAL;
    default:
        return OUTCOME_CONNECTION_REFUSED;
    }
}

/* A parser's complaint about chunks comes under the same code as a broken
 * connection; only then the system had no error. */
static enum outcome_code receive_failed(const struct curl_failure *failure)
{
    bool parser = failure->code == CURLE_RECV_ERROR && failure->os_error == 0 && !failure->tls;
    if (!failure->began)
        return parser && failure->frames ? OUTCOME_PROTOCOL : OUTCOME_CONNECTION_TERMINATED;
    return parser && (failure->has_head || failure->frames) ? OUTCOME_PROTOCOL
                                                            : OUTCOME_RESPONSE_INCOMPLETE;
}

enum outcome_code curl_result_code(const struct curl_failure *failure)
{
    switch ((int)failure->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return OUTCOME_DNS_ERROR;
    case CURLE_COULDNT_CONNECT:
        return connect_failed(failure->os_error);
    case CURLE_OPERATION_TIMEDOUT:
        return failure->sent ? OUTCOME_RESPONSE_TIMEOUT : OUTCOME_CONNECTION_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return OUTCOME_TLS_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
        return OUTCOME_TLS_PROTOCOL;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return receive_failed(failure);
    case CURLE_PARTIAL_FILE:
        return failure->began ? OUTCOME_RESPONSE_INCOMPLETE : OUTCOME_CONNECTION_TERMINATED;
    case CURLE_BAD_CONTENT_ENCODING: /* later also for transfer codings, in the header */
        return failure->has_head || failure->decodes ? OUTCOME_RESPONSE_CODING : OUTCOME_PROTOCOL;
    case CURLE_FILESIZE_EXCEEDED:
        return OUTCOME_RESPONSE_BODY_SIZE;
    case CURLE_HTTP2_STREAM: /* reset, by the upstream or for what it sent */
        return failure->has_head ? OUTCOME_RESPONSE_INCOMPLETE : OUTCOME_PROTOCOL;
    case CURLE_HTTP2: /* the upstream said goodbye, or libcurl did for what it sent */
        return failure->began ? OUTCOME_PROTOCOL : OUTCOME_CONNECTION_TERMINATED;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
        return OUTCOME_PROTOCOL;
    case 100: /* CURLE_TOO_LARGE of later versions; before, CURLE_OUT_OF_MEMORY */
    case CURLE_OUT_OF_MEMORY:
        return failure->sent && !failure->has_head ? OUTCOME_RESPONSE_HEADER_SIZE
                                                   : OUTCOME_INTERNAL;
    default:
        return OUTCOME_INTERNAL;
    }
}

/* Without a file nobody is trusted, so it is no fault of the upstream's. */
const char *curl_result_detail(CURLcode result, enum outcome_code code)
{
    if (result == CURLE_SSL_CACERT_BADFILE)
        return "there is no file of trusted authorities that can be read (the package "
               "ca-certificates brings one, or caFile names one)";
    return code == OUTCOME_INTERNAL ? curl_easy_strerror(result) : NULL;
}

/* The proxy's reply was not 200. */
static enum outcome_code tunnel_refused(long status, const char **ret_detail)
{
    switch (status) {
    case 407:
        *ret_detail = "the proxy wants other credentials (status 407)";
        return OUTCOME_PROXY_CONFIGURATION;
    case 403:
        *ret_detail = "the proxy forbids it (status 403)";
        break;
    case 502:
    case 503:
        *ret_detail = "the proxy did not reach it (status 502 or 503)";
        break;
    case 504:
        *ret_detail = "the proxy did not reach it in time (status 504)";
        return OUTCOME_CONNECTION_TIMEOUT;
    default:
        *ret_detail = "the proxy refused the tunnel";
        break;
    }
    return OUTCOME_CONNECTION_REFUSED;
}

enum outcome_code proxy_failure(CURL *easy, const struct curl_failure *failure,
                                const char **ret_detail)
{
    long status = 0;
    if (curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status) != CURLE_OK)
        status = 0;
    if (status >= 200 && status < 300) /* the tunnel stands: it was the upstream */
        return OUTCOME_NONE;
    if (failure->code == CURLE_COULDNT_CONNECT) {
        *ret_detail = "the proxy was not reached";
        return connect_failed(failure->os_error);
    }
    if (status != 0)
        return tunnel_refused(status, ret_detail);
    *ret_detail = "the proxy did not answer in HTTP";
    return OUTCOME_PROTOCOL;
}

bool curl_result_is_end(CURLcode code)
{
    return code == CURLE_HTTP2 || code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING ||
           code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR;
}
