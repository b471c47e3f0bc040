/* fields: protocol buffers' encoding read by a reader of the tests' own, which shares nothing with the writer. Every
 * breach of the format fails the running test. */
#ifndef FIELDS_H
#define FIELDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
    int number, wire;
    uint64_t value; /* of wire 0, 1, 5 */
    const uint8_t *bytes;
    size_t length; /* of wire 2 */
};
/* The next field of a message that ends at end. false: it is over. */
bool field_next(const uint8_t **at, const uint8_t *end, struct field *field);
uint64_t field_little(const uint8_t *bytes, int count); /* little endian */
#endif
