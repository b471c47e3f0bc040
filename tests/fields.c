/* fields: see fields.h. */
#include "fields.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

uint64_t field_little(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static uint64_t take_varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        assert_true(*at < end);
        const uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
    fail_msg("a varint of more than 64 bits");
    return 0;
}

bool field_next(const uint8_t **at, const uint8_t *end, struct field *field)
{
    if (*at == end)
        return false;
    const uint64_t key = take_varint(at, end);
    *field = (struct field){.number = (int)(key >> 3), .wire = (int)(key & 7)};
    if (field->wire == 0) {
        field->value = take_varint(at, end);
        return true;
    }
    assert_true(field->wire == 1 || field->wire == 2 || field->wire == 5);
    field->length = field->wire == 1 ? 8 : field->wire == 5 ? 4 : take_varint(at, end);
    assert_true(field->length <= (size_t)(end - *at));
    field->bytes = *at;
    *at += field->length;
    if (field->wire != 2)
        field->value = field_little(field->bytes, (int)field->length);
    return true;
}
