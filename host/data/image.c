/* image: one image file of whatever kind, told by its content, to RGB; and as a data set would hold it. Knows neither
 * how a PNG nor how a JPEG is decoded. */
#include "file.h"
#include "formats.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* By how files begin. What cannot be decoded is named in the message. */
static const struct {
    const char *name, *start;
    size_t length;
    int (*decode)(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width);
} kinds[] = {
    {"PNG", "\x89PNG\r\n\x1a\n", 8, png_decode},
    {"JPEG", "\xFF\xD8\xFF", 3, jpeg_decode},
    {"GIF", "GIF8", 4, NULL},
    {"BMP", "BM", 2, NULL},
    {"TIFF", "II*", 4, NULL},
    {"TIFF", "MM\0*", 4, NULL},
    {"WebP", "RIFF", 4, NULL},
    {"PGM", "P2", 2, NULL},
    {"PGM", "P5", 2, NULL},
    {"PPM", "P3", 2, NULL},
    {"PPM", "P6", 2, NULL},
    {"HTML", "<", 1, NULL},
};

int image_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width)
{
    *pixels = NULL;
    if (count == 0)
        return FAIL(ERR_DATA, "%s: the file is empty (0 bytes); replace or remove it", name);
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        const size_t known = count < kinds[i].length ? count : kinds[i].length;
        /* A decoder tells of what ends within the first bytes. */
        if (memcmp(bytes, kinds[i].start, known) != 0 || (known < kinds[i].length && !kinds[i].decode))
            continue;
        if (kinds[i].decode)
            return kinds[i].decode(name, bytes, count, pixels, height, width);
        return FAIL(ERR_DATA, "%s: holds %s, which is not read; convert it to PNG or JPEG", name, kinds[i].name);
    }
    return FAIL(ERR_DATA, "%s: is neither a PNG nor a JPEG file; convert it or remove it", name);
}

int image_read(const char *path, uint8_t **pixels, int *height, int *width)
{
    void *bytes;
    size_t count;
    *pixels = NULL;
    TRY(file_read(path, IMAGE_BYTES_MAX, &bytes, &count));
    int status = image_decode(path, bytes, count, pixels, height, width);
    memory_give(bytes);
    return status;
}

void image_sums_take(struct image_sums *sums, const uint8_t *pixels, struct shape image)
{
    const size_t count = (size_t)image.h * (size_t)image.w;
    *sums = (struct image_sums){0};
    assert(image.c >= 1 && image.c <= 4);
    for (size_t p = 0; p < count; p++)
        for (int c = 0; c < image.c; c++) {
            const uint32_t value = *pixels++;
            sums->sum[c] += value;
            sums->squares[c] += value * value;
        }
}

/* As PIL's convert("L"), in place: [count] RGB to [count] grey. */
static void to_grey(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *rgb = pixels + 3 * i;
        pixels[i] = (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
    }
}

/* The short side after resizing so that the image covers the wanted one. */
static int covering_size(int height, int width, struct shape image, int resize)
{
    if (resize > 0 && resize >= image.h && resize >= image.w)
        return resize;
    double scale = fmax((double)image.h / height, (double)image.w / width);
    int size = (int)ceil(scale * (height < width ? height : width));
    int64_t other = (int64_t)size * (height < width ? width : height) / (height < width ? height : width);
    int wanted = height < width ? image.w : image.h;
    return other < wanted ? size + 1 : size;
}

int image_load(const char *path, struct shape image, int resize, uint8_t **pixels, bool *fitted)
{
    uint8_t *read;
    int height, width;
    assert(image.c == 1 || image.c == 3);
    *pixels = NULL;
    TRY(image_read(path, &read, &height, &width));
    if (image.c == 1)
        to_grey(read, (size_t)height * (size_t)width);
    *pixels = read;
    const bool fits = height == image.h && width == image.w;
    if (fitted)
        *fitted = !fits;
    if (fits)
        return OK;
    void *resized = NULL;
    int status = memory_take(&resized, (size_t)image.h * (size_t)image.w * (size_t)image.c, path);
    if (status == OK)
        status = image_fit(read, height, width, image.c, covering_size(height, width, image, resize), image.h, image.w,
                           resized);
    memory_give(read);
    *pixels = status == OK ? resized : NULL;
    if (status != OK)
        memory_give(resized);
    return status;
}
