/* event_file: protocol buffers' messages by hand, framed with checksums. See event_file.h. Field numbers are those of
 * TensorFlow's event.proto and summary.proto; the frame is TFRecord's: length, its checksum, data, its checksum. Knows
 * no names of curves. */
#include "event_file.h"

#include <assert.h>
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

static void put_little(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* ---- messages ---- */

enum { HEAD = 12, TAIL = 4 };
enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct message {
    size_t used;
    uint8_t bytes[EVENT_FILE_RECORD];
};

static void put_bytes(struct message *message, const void *bytes, size_t count)
{
    assert(message->used + count <= sizeof message->bytes);
    memcpy(message->bytes + message->used, bytes, count);
    message->used += count;
}

static void put_varint(struct message *message, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_bytes(message, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    put_bytes(message, &(uint8_t){(uint8_t)value}, 1);
}

static void put_key(struct message *message, int field, enum wire wire)
{
    put_varint(message, (uint64_t)(field << 3 | wire));
}

static void put_integer(struct message *message, int field, int64_t value)
{
    put_key(message, field, VARINT);
    put_varint(message, (uint64_t)value);
}

static void put_float(struct message *message, int field, double value)
{
    const float narrow = (float)value;
    uint8_t bytes[4];
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    put_little(bytes, bits, sizeof bytes);
    put_key(message, field, FIXED32);
    put_bytes(message, bytes, sizeof bytes);
}

static void put_double(struct message *message, int field, double value)
{
    uint8_t bytes[8];
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_little(bytes, bits, sizeof bytes);
    put_key(message, field, FIXED64);
    put_bytes(message, bytes, sizeof bytes);
}

static void put_text(struct message *message, int field, const char *text)
{
    put_key(message, field, BYTES);
    put_varint(message, strlen(text));
    put_bytes(message, text, strlen(text));
}

static void put_message(struct message *message, int field, const struct message *inner)
{
    put_key(message, field, BYTES);
    put_varint(message, inner->used);
    put_bytes(message, inner->bytes, inner->used);
}

/* Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7. Room for the frame's head is left. */
static void begin_event(struct message *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->used = HEAD;
    put_double(event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
}

static int write_event(struct append_file *file, struct message *event)
{
    const size_t length = event->used - HEAD;
    uint8_t tail[TAIL];
    put_little(event->bytes, length, 8);
    put_little(event->bytes + 8, masked(crc32c(event->bytes, 8)), 4);
    put_little(tail, masked(crc32c(event->bytes + HEAD, length)), TAIL);
    put_bytes(event, tail, TAIL);
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
    struct message event;
    begin_event(&event);
    put_text(&event, 3, "brain.Event:2");
    return write_event(file, &event);
}

/* SessionLog: status = 1, where START is 1. */
int event_file_restart(struct append_file *file, int64_t step)
{
    struct message event, session = {0};
    put_integer(&session, 1, 1);
    begin_event(&event);
    put_integer(&event, 2, step);
    put_message(&event, 7, &session);
    return write_event(file, &event);
}

/* Summary: value = 1; Value: tag = 1, simple_value = 2, metadata = 9; SummaryMetadata: plugin_data = 1 (plugin_name =
 * 1), summary_description = 3, data_class = 4, where SCALAR is 1. */
static void put_scalar(struct message *summary, const struct event_scalar *scalar)
{
    struct message value = {0}, metadata = {0}, plugin = {0};
    put_text(&value, 1, scalar->tag);
    put_float(&value, 2, scalar->value);
    if (scalar->description) {
        put_text(&plugin, 1, "scalars");
        put_message(&metadata, 1, &plugin);
        put_text(&metadata, 3, scalar->description);
        put_integer(&metadata, 4, 1);
        put_message(&value, 9, &metadata);
    }
    put_message(summary, 1, &value);
}

int event_file_scalars(struct append_file *file, int64_t step, const struct event_scalar *scalars, int count)
{
    struct message event, summary = {0};
    for (int i = 0; i < count; i++)
        put_scalar(&summary, &scalars[i]);
    begin_event(&event);
    put_integer(&event, 2, step);
    put_message(&event, 5, &summary);
    return write_event(file, &event);
}
