/* wire: see wire.h. */
#include "wire.h"

#include <assert.h>
#include <string.h>

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

void wire_little(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void make_room(struct message *message, size_t count)
{
    enum { ROOM = 256 };
    if (message->used + count <= message->room)
        return;
    assert(message->arena);
    const size_t room = 2 * (message->used + count) + ROOM;
    uint8_t *bytes = arena_push(message->arena, room);
    if (message->used)
        memcpy(bytes, message->bytes, message->used);
    message->bytes = bytes;
    message->room = room;
}

void wire_put_bytes(struct message *message, const void *bytes, size_t count)
{
    make_room(message, count);
    memcpy(message->bytes + message->used, bytes, count);
    message->used += count;
}

static void put_varint(struct message *message, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        wire_put_bytes(message, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    wire_put_bytes(message, &(uint8_t){(uint8_t)value}, 1);
}

static void put_key(struct message *message, int field, enum wire wire)
{
    put_varint(message, (uint64_t)(field << 3 | wire));
}

void wire_put_integer(struct message *message, int field, int64_t value)
{
    put_key(message, field, VARINT);
    put_varint(message, (uint64_t)value);
}

static void put_fixed(struct message *message, int field, enum wire wire, uint64_t bits, int count)
{
    uint8_t bytes[8];
    wire_little(bytes, bits, count);
    put_key(message, field, wire);
    wire_put_bytes(message, bytes, (size_t)count);
}

void wire_put_float(struct message *message, int field, double value)
{
    const float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    put_fixed(message, field, FIXED32, bits, 4);
}

void wire_put_double(struct message *message, int field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(message, field, FIXED64, bits, 8);
}

void wire_put_length(struct message *message, int field, uint64_t count)
{
    put_key(message, field, BYTES);
    put_varint(message, count);
}

void wire_put_text(struct message *message, int field, const char *text)
{
    wire_put_length(message, field, strlen(text));
    wire_put_bytes(message, text, strlen(text));
}

void wire_put_message(struct message *message, int field, const struct message *inner)
{
    wire_put_length(message, field, inner->used);
    wire_put_bytes(message, inner->bytes, inner->used);
}
