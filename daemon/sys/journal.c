/*
 * The protocol is one "NAME=value\n" after the other. Values with a newline would need
 * its binary form; here control characters become spaces, as everywhere in the log, so
 * there are none.
 *
 * sd_journal_sendv(3) does the same over a blocking socket, and a journal that stops
 * reading would then stop every worker that has something to say. The address is given
 * with each datagram, so that a journal that was started anew is found again.
 */
#include "sys/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

enum { ENTRY_SIZE = 8192 };

struct journal {
    int fd;
    struct sockaddr_un address;
    _Atomic(uint64_t) lost;
};

struct entry {
    char bytes[ENTRY_SIZE];
    size_t len;
};

bool journal_has_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

struct journal *journal_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    struct journal *journal = mem_new(sizeof *journal);
    journal->fd = fd;
    journal->address = address;
    return journal;
}

struct journal *journal_free(struct journal *journal)
{
    if (!journal)
        return NULL;
    close(journal->fd);
    free(journal);
    return NULL;
}

/* A value that does not fit is cut; a name that does not fit is left out with its value. */
static void add_text(struct entry *entry, const char *name, const char *value)
{
    size_t name_len = strlen(name), room = sizeof entry->bytes - entry->len;
    if (name_len + 2 > room)
        return;
    char *at = entry->bytes + entry->len;
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = '=';
    for (size_t left = room - name_len - 2; left > 0 && *value; left--, value++)
        *at++ = (unsigned char)*value < 0x20 || *value == 0x7f ? ' ' : *value;
    *at++ = '\n';
    entry->len = (size_t)(at - entry->bytes);
}

static void add_number(struct entry *entry, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    add_text(entry, name, text);
}

static int send_entry(struct journal *journal, const struct entry *entry)
{
    ssize_t sent = sendto(journal->fd, entry->bytes, entry->len, MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&journal->address, sizeof journal->address);
    return sent < 0 ? -errno : 0;
}

int journal_send(struct journal *journal, enum log_level level, const char *line,
                 const struct log_fields *fields)
{
    struct entry entry;
    entry.len = 0;
    uint64_t lost = atomic_exchange(&journal->lost, 0);
    add_number(&entry, "PRIORITY", (uint64_t)level);
    add_text(&entry, "SYSLOG_IDENTIFIER", "gatherd");
    if (lost > 0)
        add_number(&entry, "LINES_LOST", lost);
    add_text(&entry, "MESSAGE", line);
    for (size_t i = 0; fields && i < fields->count; i++) {
        const struct log_field *field = &fields->items[i];
        if (field->text)
            add_text(&entry, field->name, field->text);
        else
            add_number(&entry, field->name, field->number);
    }
    int rc = send_entry(journal, &entry);
    if (rc != 0)
        atomic_fetch_add(&journal->lost, lost + 1);
    return rc;
}
