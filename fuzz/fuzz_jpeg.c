/* A JPEG file: what is accepted is read to the last pixel, and its Exif orientation whatever becomes of it. */
#include "data.h"

#include "fuzz.h"
#include <string.h>

/* Dimensions of every frame header found; larger pictures cost only time here. */
static bool is_small(const uint8_t *data, size_t bytes)
{
    enum { SIDE = 256 };
    for (size_t i = 0; i + 8 < bytes; i++)
        if (data[i] == 0xff && data[i + 1] >= 0xc0 && data[i + 1] <= 0xcf &&
            ((data[i + 5] << 8 | data[i + 6]) > SIDE || (data[i + 7] << 8 | data[i + 8]) > SIDE))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *pixels = NULL;
    int height = 0, width = 0;
    unsigned sum = 0;
    jpeg_is_turned(data, bytes);
    if (!is_small(data, bytes) || jpeg_decode("fuzz", data, bytes, &pixels, &height, &width) != OK)
        return 0;
    assert(height > 0 && width > 0);
    for (size_t i = 0; i < (size_t)height * (size_t)width * 3; i++)
        sum += pixels[i];
    assert(sum <= 255u * 3u * (unsigned)height * (unsigned)width);
    memory_give(pixels);
    return 0;
}
