/* All have the same patience, so the list is in the order of their ends. */
#include "front/guests.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/mem.h"

void guests_init(struct guests *guests, usec_t patience)
{
    list_init(&guests->all);
    guests->count = 0;
    guests->patience = patience;
}

struct guest *guests_enter(struct guests *guests, int fd, usec_t now)
{
    struct guest *guest = mem_new(sizeof *guest);
    guest->fd = fd;
    guest->since = now;
    list_append(&guests->all, &guest->link);
    guests->count++;
    return guest;
}

void guests_serve(struct guests *guests, struct guest *guest, usec_t now)
{
    if (!list_holds(&guest->link))
        return;
    list_remove(&guest->link);
    guest->since = now;
    list_append(&guests->all, &guest->link);
}

void guests_leave(struct guests *guests, struct guest *guest)
{
    if (list_holds(&guest->link))
        list_remove(&guest->link);
    guests->count--;
    free(guest);
}

static struct guest *first(const struct guests *guests)
{
    return list_is_empty(&guests->all) ? NULL : container_of(guests->all.next, struct guest, link);
}

bool guests_show_out(struct guests *guests)
{
    struct guest *guest = first(guests);
    if (!guest)
        return false;
    list_remove(&guest->link);
    shutdown(guest->fd, SHUT_RDWR);
    return true;
}

usec_t guests_expire(struct guests *guests, usec_t now)
{
    const struct guest *guest = first(guests);
    while (guest && guest->since + guests->patience <= now) {
        guests_show_out(guests);
        guest = first(guests);
    }
    return guest ? guest->since + guests->patience : USEC_NEVER;
}
