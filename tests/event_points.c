/* event_points: see event_points.h. */
#include "event_points.h"
#include "fields.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 17 };

/* As in RFC 3720: polynomial 0x1EDC6F41, bits of each byte from the low one on, by long division. */
static uint32_t crc_by_division(const uint8_t *bytes, size_t count)
{
    uint32_t rest = UINT32_MAX, turned = 0;
    for (size_t i = 0; i < 8 * count; i++) {
        const uint32_t bit = bytes[i / 8] >> i % 8 & 1;
        const bool carry = (rest >> 31 ^ bit) & 1;
        rest = (rest << 1) ^ (carry ? 0x1EDC6F41u : 0);
    }
    for (int i = 0; i < 32; i++)
        turned |= (~rest >> i & 1) << (31 - i);
    return turned;
}

/* The sum before it was rotated and added to. */
static uint32_t unmasked(const uint8_t *bytes)
{
    const uint32_t rotated = (uint32_t)field_little(bytes, 4) - 0xA282EAD8u;
    return rotated >> 17 | rotated << 15;
}

/* ---- messages ---- */

static void take_value(struct event_point *point, const uint8_t *at, const uint8_t *end)
{
    struct field field;
    point->value = NAN;
    while (field_next(&at, end, &field)) {
        if (field.number == 1) {
            assert_true(field.length < sizeof point->tag);
            memcpy(point->tag, field.bytes, field.length);
        } else if (field.number == 2) {
            assert_int_equal(field.wire, 5);
            const uint32_t bits = (uint32_t)field.value;
            memcpy(&point->value, &bits, sizeof point->value);
        } else if (field.number == 9) {
            point->described = true;
        }
    }
    assert_true(point->tag[0] != '\0');
}

static void take_summary(struct event_points *read, int64_t step, const uint8_t *at, const uint8_t *end)
{
    struct field field;
    while (field_next(&at, end, &field)) {
        assert_int_equal(field.number, 1);
        assert_true(read->count < MOST);
        struct event_point *point = &read->points[read->count++];
        *point = (struct event_point){.step = step};
        take_value(point, field.bytes, field.bytes + field.length);
    }
}

static void restart(struct event_points *read, int64_t step)
{
    int kept = 0;
    for (int i = 0; i < read->count; i++)
        if (read->points[i].step < step)
            read->points[kept++] = read->points[i];
    read->count = kept;
    read->restarts++;
}

static void take_event(struct event_points *read, const uint8_t *at, const uint8_t *end, bool first)
{
    struct field field, summary = {0}, session = {0};
    double time = 0.0;
    int64_t step = 0;
    bool version = false;
    while (field_next(&at, end, &field)) {
        switch (field.number) {
        case 1: memcpy(&time, &field.value, sizeof time); break;
        case 2: step = (int64_t)field.value; break;
        case 3: version = field.length == 13 && memcmp(field.bytes, "brain.Event:2", 13) == 0; break;
        case 5: summary = field; break;
        case 7: session = field; break;
        default: fail_msg("field %d in an event", field.number);
        }
    }
    assert_true(time > 1.5e9 && time < 1e11);
    assert_int_equal(version, first);
    if (session.length > 0) {
        assert_memory_equal(session.bytes, "\x08\x01", 2);
        restart(read, step);
    }
    take_summary(read, step, summary.bytes, summary.bytes + summary.length);
}

/* ---- files ---- */

static void read_file(struct event_points *read, const char *folder, const char *name)
{
    char path[PATH_BYTES];
    void *data;
    size_t bytes;
    assert_int_equal(path_join(path, folder, name), OK);
    assert_int_equal(file_read(path, 1 << 28, &data, &bytes), OK);
    const uint8_t *at = data, *end = at + bytes;
    for (bool first = true; at < end; first = false) {
        const uint64_t length = end - at < 16 ? UINT64_MAX : field_little(at, 8);
        if (length == UINT64_MAX || length > (uint64_t)(end - at) - 16) {
            read->torn = true;
            break;
        }
        assert_int_equal(unmasked(at + 8), crc_by_division(at, 8));
        assert_int_equal(unmasked(at + 12 + length), crc_by_division(at + 12, length));
        take_event(read, at + 12, at + 12 + length, first);
        at += 16 + length;
    }
    memory_give(data);
    read->files++;
}

static int is_event_file(const struct dirent *entry)
{
    return strncmp(entry->d_name, "events.out.tfevents.", 20) == 0;
}

void event_points_read(struct event_points *read, const char *folder)
{
    struct dirent **names = NULL;
    assert_int_equal(crc_by_division((const uint8_t *)"123456789", 9), 0xE3069283u);
    *read = (struct event_points){0};
    read->points = arena_push(&read->arena, MOST * sizeof *read->points);
    const int count = scandir(folder, &names, is_event_file, alphasort);
    for (int i = 0; i < count; i++) {
        read_file(read, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

void event_points_free(struct event_points *read)
{
    arena_free(&read->arena);
    *read = (struct event_points){0};
}

const struct event_point *event_points_find(const struct event_points *read, const char *tag, int n)
{
    for (int i = 0; i < read->count; i++)
        if (strcmp(read->points[i].tag, tag) == 0 && n-- == 0)
            return &read->points[i];
    return NULL;
}
