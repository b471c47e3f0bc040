/* A PNG file: what is accepted is read to the last pixel and survives being written. */
#include "data.h"

#include "fuzz.h"
#include <string.h>

/* Dimensions of an honest header; larger pictures cost only time here. */
static bool is_small(const uint8_t *data, size_t bytes)
{
    enum { SIDE = 512 };
    if (bytes < 24)
        return true;
    const uint32_t width = (uint32_t)data[16] << 24 | (uint32_t)data[17] << 16 | (uint32_t)data[18] << 8 | data[19];
    const uint32_t height = (uint32_t)data[20] << 24 | (uint32_t)data[21] << 16 | (uint32_t)data[22] << 8 | data[23];
    return width <= SIDE && height <= SIDE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *pixels = NULL, *again = NULL, *written = NULL;
    int height = 0, width = 0, same_height = 0, same_width = 0;
    size_t written_bytes = 0;
    if (!is_small(data, bytes) || png_decode("fuzz", data, bytes, &pixels, &height, &width) != OK)
        return 0;
    assert(height > 0 && width > 0);
    assert(png_encode(pixels, height, width, 3, &written, &written_bytes) == OK);
    assert(png_decode("fuzz", written, written_bytes, &again, &same_height, &same_width) == OK);
    assert(height == same_height && width == same_width);
    assert(memcmp(pixels, again, (size_t)height * (size_t)width * 3) == 0);
    memory_give(pixels);
    memory_give(again);
    memory_give(written);
    return 0;
}
