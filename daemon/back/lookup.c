/*
 * getaddrinfo() with one socket type, so that every address comes once. The
 * order is RFC 6724's as the machine is configured, and is kept.
 */
#include "back/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

int lookup_system(void *ctx, const char *host, struct addresses **ret_addresses)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)ctx;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    if (rc == EAI_MEMORY)
        return -ENOMEM;
    if (rc == EAI_SYSTEM)
        return errno > 0 ? -errno : -EIO;
    if (rc != 0)
        return LOOKUP_FAILED;
    struct addresses *addresses = addresses_new(found);
    freeaddrinfo(found);
    if (!addresses)
        return LOOKUP_FAILED;
    *ret_addresses = addresses;
    return 0;
}

void lookup_leave_thread(void)
{
    /* One that never asked is all zeros, which res_nclose() takes for descriptor 0. */
    if (_res.options & RES_INIT)
        res_nclose(&_res);
}
