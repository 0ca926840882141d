/* A pair of its own, so that the composition root needs no libcurl header. */
#include "back/curl_global.h"

#include <curl/curl.h>
#include <errno.h>

int curl_global_start(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

void curl_global_stop(void)
{
    curl_global_cleanup();
}

const char *curl_global_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

bool curl_global_joins_late(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080d00;
}
