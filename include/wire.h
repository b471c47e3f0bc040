/* wire: protocol buffers' encoding (protobuf.dev/programming-guides/encoding), for the few messages that this program
 * writes: fields by number, in the order of the calls.
 * Level 1: includes base. Knows no message. */
#ifndef WIRE_H
#define WIRE_H
#include "base.h"

/* Zero-initialise. bytes and room are the caller's, and enough; or, with an arena, are taken from it as they are
 * needed. */
struct message {
    uint8_t *bytes;
    size_t used, room;
    struct arena *arena;
};

void wire_put_bytes(struct message *message, const void *bytes, size_t count); /* as they are: no field */
void wire_put_integer(struct message *message, int field, int64_t value);
void wire_put_float(struct message *message, int field, double value);
void wire_put_double(struct message *message, int field, double value);
void wire_put_text(struct message *message, int field, const char *text);
void wire_put_message(struct message *message, int field, const struct message *inner);
/* What stands before so many bytes of a field that the caller writes himself. */
void wire_put_length(struct message *message, int field, uint64_t count);

/* Little endian. */
void wire_little(uint8_t *to, uint64_t value, int bytes);
#endif
