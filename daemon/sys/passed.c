/*
 * A descriptor is looked at before anybody trusts it: a unit may pass a datagram
 * socket or a FIFO as well.
 */
#include "sys/passed.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static bool is_listener(int fd)
{
    return sd_is_socket(fd, AF_INET, SOCK_STREAM, 1) > 0 ||
           sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1) > 0 ||
           sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0;
}

int passed_take(struct arena *arena, struct passed_sockets *ret_sockets)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    if (count < 0)
        return count;
    struct passed_sockets sockets = {
        .items = arena_array(arena, (size_t)count, sizeof(struct passed_socket)),
        .count = (size_t)count,
    };
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        sockets.items[i] = (struct passed_socket){
            .fd = fd,
            .name = arena_string(arena, names[i]),
            .listens = is_listener(fd),
        };
        free(names[i]);
    }
    free(names);
    *ret_sockets = sockets;
    return 0;
}
