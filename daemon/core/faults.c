/*
 * A capped list in the order of reporting. Beyond the cap faults are only
 * counted, so a hostile document costs no more memory than a bad one.
 */
#include "core/faults.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 512 };

void faults_init(struct faults *faults, struct arena *arena, size_t most)
{
    *faults = (struct faults){.arena = arena, .most = most};
}

static bool take_place(struct faults *faults)
{
    return faults->count++ < faults->most;
}

static void printf_like(4, 0) add(struct faults *faults, const char *place, unsigned status,
                                  const char *format, va_list arguments)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof(text), format, arguments);
    struct fault *fault = arena_alloc(faults->arena, sizeof(*fault));
    fault->place = place;
    fault->text = arena_string(faults->arena, text);
    fault->status = status;
    if (faults->last)
        faults->last->next = fault;
    else
        faults->first = fault;
    faults->last = fault;
}

void fault_at(struct faults *faults, const struct node *node, const char *format, ...)
{
    if (!take_place(faults))
        return;
    va_list arguments;
    va_start(arguments, format);
    add(faults, node_place(faults->arena, node, 0), 400, format, arguments);
    va_end(arguments);
}

void fault_at_key(struct faults *faults, const struct node *node, const char *format, ...)
{
    if (!take_place(faults))
        return;
    va_list arguments;
    va_start(arguments, format);
    add(faults, node_place(faults->arena, node, 1), 400, format, arguments);
    va_end(arguments);
}

void fault_in(struct faults *faults, const char *place, const char *format, ...)
{
    if (!take_place(faults))
        return;
    va_list arguments;
    va_start(arguments, format);
    add(faults, arena_string(faults->arena, place), 400, format, arguments);
    va_end(arguments);
}

void fault_with_status(struct faults *faults, const struct node *node, unsigned status,
                       const char *format, ...)
{
    if (!take_place(faults))
        return;
    va_list arguments;
    va_start(arguments, format);
    add(faults, node_place(faults->arena, node, 0), status, format, arguments);
    va_end(arguments);
}
