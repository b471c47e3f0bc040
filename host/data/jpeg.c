/* jpeg: JPEG files to RGB bytes, through libjpeg(-turbo). Knows nothing of data sets.
 *
 * Decoding gives what PIL's convert("RGB") gives with the same library: the accurate integer transform, smoothed
 * chroma, grey repeated, CMYK and YCCK as Adobe writes them (inverted) brought to RGB by PIL's arithmetic, EXIF
 * orientation and colour profiles ignored. A file that ends early or whose codes are damaged is refused, though libjpeg
 * would go on with grey. */
#include "formats.h"

#ifndef WITH_JPEG
int jpeg_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width)
{
    (void)bytes, (void)count, (void)height, (void)width;
    *pixels = NULL;
    return FAIL(
        ERR_UNSUPPORTED,
        "%s: holds JPEG, which this evenkeel was built without; install libjpeg62-turbo-dev and build again, or "
        "convert it to PNG",
        name);
}
#else

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

enum { SIDE_MAX = 65500, LINES = 8 };
/* As PIL's limit against decompression bombs. */
static const int64_t PIXELS_MAX = 178956970;

struct codec {
    struct jpeg_error_mgr errors; /* first: libjpeg hands out a pointer to it */
    jmp_buf on_error;
    char reason[JMSG_LENGTH_MAX];
    uint8_t *pixels, *cmyk; /* cmyk: a line of four inks */
};

static void stop(j_common_ptr info)
{
    struct codec *codec = (struct codec *)info->err;
    info->err->format_message(info, codec->reason);
    longjmp(codec->on_error, 1);
}

/* Warnings: pixels would be made up. Others (a byte too many between segments, an unknown version) do no harm. */
static void warn(j_common_ptr info, int level)
{
    const int code = info->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
                      code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC))
        stop(info);
}

static void stop_because(struct codec *codec, const char *reason)
{
    snprintf(codec->reason, sizeof codec->reason, "%s", reason);
    longjmp(codec->on_error, 1);
}

/* a * b / 255, rounded. */
static int times(int a, int b)
{
    const int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* Inks as Adobe stores them: 255 is none. */
static void inks_to_rgb(const uint8_t *cmyk, int count, uint8_t *rgb)
{
    for (int i = 0; i < count; i++, cmyk += 4)
        for (int c = 0; c < 3; c++)
            *rgb++ = (uint8_t)(cmyk[3] - times(255 - cmyk[c], cmyk[3]));
}

static void read_lines(struct codec *codec, struct jpeg_decompress_struct *jpeg)
{
    const size_t row_bytes = (size_t)jpeg->output_width * 3;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[LINES];
        uint8_t *to = codec->pixels + jpeg->output_scanline * row_bytes;
        const JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
        const JDIMENSION wanted = codec->cmyk ? 1 : left < LINES ? left : LINES;
        for (JDIMENSION i = 0; i < wanted; i++)
            rows[i] = codec->cmyk ? codec->cmyk : to + i * row_bytes;
        jpeg_read_scanlines(jpeg, rows, wanted);
        if (codec->cmyk)
            inks_to_rgb(codec->cmyk, (int)jpeg->output_width, to);
    }
}

/* The part between setjmp and the end: no locals that live across it. */
static bool decode(struct codec *codec, struct jpeg_decompress_struct *jpeg, const void *bytes, size_t count)
{
    if (setjmp(codec->on_error))
        return false;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, bytes, (unsigned long)count);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width > SIDE_MAX || jpeg->image_height > SIDE_MAX ||
        (int64_t)jpeg->image_width * jpeg->image_height > PIXELS_MAX)
        stop_because(codec, "more than 179 million pixels");
    const bool inks = jpeg->num_components == 4;
    jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    if (jpeg->output_components != (inks ? 4 : 3))
        stop_because(codec, "lines are not RGB after conversion");
    codec->pixels = malloc((size_t)jpeg->output_width * jpeg->output_height * 3);
    codec->cmyk = inks ? malloc((size_t)jpeg->output_width * 4) : NULL;
    if (!codec->pixels || (inks && !codec->cmyk))
        stop_because(codec, "out of memory");
    read_lines(codec, jpeg);
    jpeg_finish_decompress(jpeg);
    return true;
}

int jpeg_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width)
{
    struct codec codec = {.pixels = NULL};
    struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&codec.errors)};
    *pixels = NULL;
    codec.errors.error_exit = stop;
    codec.errors.emit_message = warn;
    const bool good = decode(&codec, &jpeg, bytes, count);
    *height = (int)jpeg.output_height;
    *width = (int)jpeg.output_width;
    jpeg_destroy_decompress(&jpeg);
    free(codec.cmyk);
    if (!good) {
        free(codec.pixels);
        return FAIL(ERR_DATA, "%s: cannot be decoded: %s; replace or remove it", name, codec.reason);
    }
    *pixels = codec.pixels;
    return OK;
}
#endif
