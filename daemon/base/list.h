/*
 * A ring of links: a head that stands for the list, and one link in each member.
 * A module of a few inline functions. A zeroed link is in no list.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *previous;
};

static inline void list_init(struct link *head)
{
    head->next = head->previous = head;
}

static inline bool list_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline bool list_holds(const struct link *link) /* is it in some list? */
{
    return link->next != NULL;
}

static inline void list_insert_after(struct link *place, struct link *link)
{
    link->previous = place;
    link->next = place->next;
    place->next->previous = link;
    place->next = link;
}

static inline void list_push(struct link *head, struct link *link) /* becomes the first */
{
    list_insert_after(head, link);
}

static inline void list_append(struct link *head, struct link *link) /* becomes the last */
{
    list_insert_after(head->previous, link);
}

static inline void list_remove(struct link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = NULL;
}

#endif
