/* Bytes are those of headers and bodies as libcurl counts them, without HTTP/2's frames. */
#include "back/transfer_info.h"

bool transfer_made_connection(CURL *easy)
{
    long count = 0;
    return curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &count) == CURLE_OK && count > 0;
}

void transfer_count(CURL *easy, struct multi *multi, struct upstream_tally *tally)
{
    curl_off_t body_in = 0, body_out = 0;
    long header_in = 0, header_out = 0;
    if (!tally)
        return;
    if (curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &body_in) == CURLE_OK &&
        curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &header_in) == CURLE_OK)
        tally_add(&tally->bytes_in, (uint64_t)body_in + (uint64_t)header_in);
    if (curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &body_out) == CURLE_OK &&
        curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &header_out) == CURLE_OK)
        tally_add(&tally->bytes_out, (uint64_t)body_out + (uint64_t)header_out);
    if (transfer_made_connection(easy))
        tally_add(&tally->opened, 1);
    else if (header_in > 0)
        tally_add(&tally->reused, 1);
    multi_count(multi, easy, tally);
}
