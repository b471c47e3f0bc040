/* exif: whether a JPEG file says that its picture is to be turned or mirrored to be seen upright (Exif 2.3, tag 274).
 * Reads that alone, and believes no length. */
#include "formats.h"

#include <string.h>

enum { MARKER = 0xFF, START = 0xD8, APP1 = 0xE1, SCAN = 0xDA, ORIENTATION = 274, ENTRY = 12, SHORT = 3 };

/* A TIFF header and what follows it. */
struct tiff {
    const uint8_t *bytes;
    size_t count;
    bool big_endian;
};

/* A number of 2 or 4 bytes; 0 where the file ends before it. */
static uint32_t number_at(const struct tiff *tiff, size_t at, int bytes)
{
    uint32_t number = 0;
    if (at > tiff->count || tiff->count - at < (size_t)bytes)
        return 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | tiff->bytes[at + (size_t)(tiff->big_endian ? i : bytes - 1 - i)];
    return number;
}

/* 1: as it is stored; 0: it does not say. */
static int orientation_of(const uint8_t *bytes, size_t count)
{
    if (count < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0))
        return 0;
    const struct tiff tiff = {bytes, count, bytes[0] == 'M'};
    const size_t directory = number_at(&tiff, 4, 4), entries = number_at(&tiff, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        const size_t entry = directory + 2 + i * ENTRY;
        if (number_at(&tiff, entry, 2) == ORIENTATION && number_at(&tiff, entry + 2, 2) == SHORT)
            return (int)number_at(&tiff, entry + 8, 2);
    }
    return 0;
}

bool jpeg_is_turned(const void *file, size_t count)
{
    static const char name[] = "Exif\0"; /* and the zero that ends it */
    const uint8_t *bytes = file;
    if (count < 2 || bytes[0] != MARKER || bytes[1] != START)
        return false;
    for (size_t at = 2; at + 4 <= count && bytes[at] == MARKER && bytes[at + 1] != SCAN;) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > count - at - 2)
            length = count - at - 2;
        if (length < 2)
            return false;
        if (bytes[at + 1] == APP1 && length >= 2 + sizeof name && memcmp(bytes + at + 4, name, sizeof name) == 0) {
            const int orientation = orientation_of(bytes + at + 4 + sizeof name, length - 2 - sizeof name);
            return orientation >= 2 && orientation <= 8;
        }
        at += 2 + length;
    }
    return false;
}
