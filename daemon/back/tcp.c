/*
 * Small requests and replies follow each other on these connections, so Nagle's
 * algorithm is off: it would hold back what is sent in two pieces.
 */
#include "back/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static socklen_t parse(const char *text, unsigned short port, union address *ret_address)
{
    *ret_address = (union address){.four = {.sin_family = AF_INET, .sin_port = htons(port)}};
    if (inet_pton(AF_INET, text, &ret_address->four.sin_addr) == 1)
        return sizeof ret_address->four;
    *ret_address = (union address){.six = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    if (inet_pton(AF_INET6, text, &ret_address->six.sin6_addr) == 1)
        return sizeof ret_address->six;
    return 0;
}

int tcp_connect(const char *address, unsigned short port)
{
    static const int on = 1;
    union address to;
    socklen_t len = parse(address, port, &to);
    if (len == 0)
        return -EINVAL;
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (rc == 0)
        rc = connect(fd, &to.any, len);
    if (rc == 0 || errno == EINPROGRESS || errno == EINTR)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

int tcp_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -errno;
    return -error;
}
