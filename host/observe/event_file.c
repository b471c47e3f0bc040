/* event_file: protocol buffers' messages, framed with checksums. See event_file.h. Field numbers are those of
 * TensorFlow's event.proto and summary.proto; the frame is TFRecord's: length, its checksum, data, its checksum. Knows
 * no names of curves. */
#include "event_file.h"
#include "wire.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char prefix[] = "events.out.tfevents.";

/* ---- frame ---- */

/* CRC-32C (Castagnoli): a record is short, so a bit at a time will do. */
static uint32_t crc32c(const uint8_t *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

/* So that the checksum of data which hold checksums is none of a simple form. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* ---- messages ---- */

enum { HEAD = 12, TAIL = 4 };
/* A message and its memory: none is taken while a run is under way. */
struct record {
    struct message message;
    uint8_t memory[EVENT_FILE_RECORD];
};

static struct message *empty(struct record *record)
{
    record->message = (struct message){.bytes = record->memory, .room = sizeof record->memory};
    return &record->message;
}

/* Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7. Room for the frame's head is left. */
static struct message *begin_event(struct record *record)
{
    struct message *event = empty(record);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->used = HEAD;
    wire_put_double(event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return event;
}

static int write_event(struct append_file *file, struct message *event)
{
    const size_t length = event->used - HEAD;
    uint8_t tail[TAIL];
    wire_little(event->bytes, length, 8);
    wire_little(event->bytes + 8, masked(crc32c(event->bytes, 8)), 4);
    wire_little(tail, masked(crc32c(event->bytes + HEAD, length)), TAIL);
    wire_put_bytes(event, tail, TAIL);
    return append_write(file, event->bytes, event->used);
}

/* ---- the file ---- */

/* Seconds in the name of the newest event file there, 0 where there is none. */
static long long newest(const char *folder)
{
    long long latest = 0;
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0) {
            const long long seconds = strtoll(entry->d_name + sizeof prefix - 1, NULL, 10);
            latest = seconds > latest ? seconds : latest;
        }
    if (listing)
        closedir(listing);
    return latest;
}

int event_file_create(struct append_file *file, const char *folder)
{
    char path[PATH_BYTES], name[PATH_BYTES], host[256] = "localhost";
    long long seconds = (long long)time(NULL);
    const long long before = newest(folder);
    if (seconds <= before)
        seconds = before + 1;
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s%010lld.%s.%ld.0", prefix, seconds, host, (long)getpid());
    TRY(path_join(path, folder, name));
    TRY(append_open(file, path, -1));
    struct record record;
    struct message *event = begin_event(&record);
    wire_put_text(event, 3, "brain.Event:2");
    return write_event(file, event);
}

/* SessionLog: status = 1, where START is 1. */
int event_file_restart(struct append_file *file, int64_t step)
{
    struct record records[2];
    struct message *event = begin_event(&records[0]), *session = empty(&records[1]);
    wire_put_integer(session, 1, 1);
    wire_put_integer(event, 2, step);
    wire_put_message(event, 7, session);
    return write_event(file, event);
}

/* Summary: value = 1; Value: tag = 1, simple_value = 2, metadata = 9; SummaryMetadata: plugin_data = 1 (plugin_name =
 * 1), summary_description = 3, data_class = 4, where SCALAR is 1. */
static void put_scalar(struct message *summary, const struct event_scalar *scalar)
{
    struct record records[3];
    struct message *value = empty(&records[0]), *metadata = empty(&records[1]), *plugin = empty(&records[2]);
    wire_put_text(value, 1, scalar->tag);
    wire_put_float(value, 2, scalar->value);
    if (scalar->description) {
        wire_put_text(plugin, 1, "scalars");
        wire_put_message(metadata, 1, plugin);
        wire_put_text(metadata, 3, scalar->description);
        wire_put_integer(metadata, 4, 1);
        wire_put_message(value, 9, metadata);
    }
    wire_put_message(summary, 1, value);
}

int event_file_scalars(struct append_file *file, int64_t step, const struct event_scalar *scalars, int count)
{
    struct record records[2];
    struct message *event = begin_event(&records[0]), *summary = empty(&records[1]);
    for (int i = 0; i < count; i++)
        put_scalar(summary, &scalars[i]);
    wire_put_integer(event, 2, step);
    wire_put_message(event, 5, summary);
    return write_event(file, event);
}
