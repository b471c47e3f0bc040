/* png: PNG files to RGB bytes and back, through libpng's low-level API. Knows nothing of data sets.
 *
 * Decoding gives what PIL's convert("RGB") gives: palette and low-depth grey expanded, the high byte of 16-bit samples,
 * alpha dropped and not blended, gAMA and colour profiles ignored. (PIL clips 16-bit grey at 255 instead, which loses
 * the picture; here it is treated as 16-bit colour is.) */
#include "data.h"
#include "file.h"
#include "formats.h"

#include <assert.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 65500, SIGNATURE_BYTES = 8, CHUNK_FRAME = 12, IHDR_BYTES = 13, REASON_BYTES = 128 };
/* As PIL's limit against decompression bombs. */
static const int64_t PIXELS_MAX = 178956970;

struct codec {
    jmp_buf on_error;
    char reason[REASON_BYTES];
    const uint8_t *bytes; /* reading: what is left */
    size_t left;
    uint8_t *pixels;
    png_bytep *rows;
    int height, width;
    uint8_t *out; /* writing */
    size_t out_bytes, out_room;
};

static void codec_error(png_structp png, png_const_charp reason)
{
    struct codec *codec = png_get_error_ptr(png);
    snprintf(codec->reason, sizeof codec->reason, "%s", reason);
    longjmp(codec->on_error, 1);
}

static void codec_warning(png_structp png, png_const_charp reason)
{
    (void)png;
    (void)reason;
}

static void codec_read(png_structp png, png_bytep to, size_t bytes)
{
    struct codec *codec = png_get_io_ptr(png);
    if (bytes > codec->left)
        png_error(png, "the file ends too early (truncated?)");
    memcpy(to, codec->bytes, bytes);
    codec->bytes += bytes;
    codec->left -= bytes;
}

static void codec_write(png_structp png, png_bytep from, size_t bytes)
{
    struct codec *codec = png_get_io_ptr(png);
    if (codec->out_room - codec->out_bytes < bytes) {
        size_t room = (codec->out_bytes + bytes) * 2;
        uint8_t *larger = realloc(codec->out, room);
        if (!larger)
            png_error(png, "out of memory");
        codec->out = larger;
        codec->out_room = room;
    }
    memcpy(codec->out + codec->out_bytes, from, bytes);
    codec->out_bytes += bytes;
}

static void codec_flush(png_structp png)
{
    (void)png;
}

static void ask_for_rgb(png_structp png)
{
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
}

/* The part between setjmp and the end: no locals that live across it. */
static bool decode_rows(struct codec *codec, png_structp png, png_infop info)
{
    if (setjmp(codec->on_error))
        return false;
    png_set_read_fn(png, codec, codec_read);
    png_set_user_limits(png, SIDE_MAX, SIDE_MAX);
    png_read_info(png, info);
    codec->height = (int)png_get_image_height(png, info);
    codec->width = (int)png_get_image_width(png, info);
    ask_for_rgb(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != (size_t)codec->width * 3)
        png_error(png, "rows are not RGB after conversion");
    codec->pixels = malloc((size_t)codec->height * (size_t)codec->width * 3);
    codec->rows = malloc((size_t)codec->height * sizeof *codec->rows);
    if (!codec->pixels || !codec->rows)
        png_error(png, "out of memory");
    for (int y = 0; y < codec->height; y++)
        codec->rows[y] = codec->pixels + (size_t)y * (size_t)codec->width * 3;
    png_read_image(png, codec->rows);
    png_read_end(png, NULL);
    return true;
}

/* Whether every chunk ends within the file. libpng takes memory for a chunk by the length it claims, up to 2 GB. */
static bool chunks_fit(const uint8_t *bytes, size_t count)
{
    for (size_t at = SIGNATURE_BYTES; at + CHUNK_FRAME <= count;) {
        const size_t length = big_endian(bytes + at);
        if (length > count - at - CHUNK_FRAME)
            return false;
        if (memcmp(bytes + at + 4, "IEND", 4) == 0)
            return true;
        at += CHUNK_FRAME + length;
    }
    return false;
}

/* Whether the size that the header claims can be, before libpng, which would not say what it was. No header: libpng
 * says so. */
static bool size_is_possible(const uint8_t *bytes, size_t count, char reason[static REASON_BYTES])
{
    const uint8_t *chunk = bytes + SIGNATURE_BYTES;
    if (count < SIGNATURE_BYTES + CHUNK_FRAME + IHDR_BYTES || memcmp(chunk, "\0\0\0\rIHDR", 8) != 0)
        return true;
    const uint32_t width = big_endian(chunk + 8), height = big_endian(chunk + 12);
    if (width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX && (int64_t)width * height <= PIXELS_MAX)
        return true;
    snprintf(reason, REASON_BYTES,
             "its header says %ux%u pixels (width x height); 1 to %d a side and at most 179 million pixels are taken",
             width, height, SIDE_MAX);
    return false;
}

int png_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width)
{
    *pixels = NULL;
    if (!chunks_fit(bytes, count))
        return FAIL(ERR_DATA, "%s: cannot be decoded: the file ends too early (truncated?); replace or remove it",
                    name);
    struct codec codec = {.bytes = bytes, .left = count};
    if (!size_is_possible(bytes, count, codec.reason))
        return FAIL(ERR_DATA, "%s: cannot be decoded: %s; replace or remove it", name, codec.reason);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec, codec_error, codec_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool good = info && decode_rows(&codec, png, info);
    png_destroy_read_struct(&png, &info, NULL);
    free(codec.rows);
    if (!good) {
        free(codec.pixels);
        return FAIL(ERR_DATA, "%s: cannot be decoded: %s; replace or remove it", name,
                    codec.reason[0] ? codec.reason : "out of memory");
    }
    *pixels = codec.pixels;
    *height = codec.height;
    *width = codec.width;
    return OK;
}

static bool encode_rows(struct codec *codec, png_structp png, png_infop info, const uint8_t *pixels, int channels)
{
    if (setjmp(codec->on_error))
        return false;
    png_set_write_fn(png, codec, codec_write, codec_flush);
    png_set_IHDR(png, info, (png_uint_32)codec->width, (png_uint_32)codec->height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < codec->height; y++)
        png_write_row(png, pixels + (size_t)y * (size_t)codec->width * (size_t)channels);
    png_write_end(png, NULL);
    return true;
}

int png_encode(const uint8_t *pixels, int height, int width, int channels, uint8_t **bytes, size_t *count)
{
    assert(height > 0 && width > 0 && (channels == 1 || channels == 3));
    struct codec codec = {.height = height, .width = width};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &codec, codec_error, codec_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool good = info && encode_rows(&codec, png, info, pixels, channels);
    png_destroy_write_struct(&png, &info);
    if (!good) {
        free(codec.out);
        return FAIL(ERR_MEMORY, "cannot encode a picture of %dx%d pixels: %s", width, height,
                    codec.reason[0] ? codec.reason : "out of memory");
    }
    *bytes = codec.out;
    *count = codec.out_bytes;
    return OK;
}

int png_write(const char *path, const uint8_t *pixels, int height, int width, int channels)
{
    uint8_t *bytes;
    size_t count;
    TRY(png_encode(pixels, height, width, channels, &bytes, &count));
    int status = file_write(path, bytes, count);
    memory_give(bytes);
    return status;
}
