/* half: images of which a half is noise, as where a file was damaged or filled up with what is no picture. Judges one
 * image by itself. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>

/* What a quarter of an image adds up to. */
struct quarter {
    double pixels, sum[4], squares[4];
    double along, along_count, down, down_count; /* differences of neighbours in a row, in a column; all channels */
};

static void add_pixel(struct quarter *quarter, const uint8_t *pixel, int channels, ptrdiff_t left, ptrdiff_t above)
{
    quarter->pixels++;
    for (int c = 0; c < channels; c++) {
        quarter->sum[c] += pixel[c];
        quarter->squares[c] += (double)pixel[c] * pixel[c];
        if (left) {
            quarter->along += abs(pixel[c] - pixel[c - left]);
            quarter->along_count++;
        }
        if (above) {
            quarter->down += abs(pixel[c] - pixel[c - above]);
            quarter->down_count++;
        }
    }
}

/* Of two quarters together: the deviation of a channel, and how much neighbours differ, in deviations: in rows and in
 * columns, the less and the more. */
struct texture {
    double deviation, least, most;
};

static struct texture texture_of(const struct quarter *a, const struct quarter *b, int channels)
{
    const double pixels = a->pixels + b->pixels;
    double variance = 0.0;
    for (int c = 0; c < channels; c++) {
        const double mean = (a->sum[c] + b->sum[c]) / pixels;
        variance += fmax((a->squares[c] + b->squares[c]) / pixels - mean * mean, 0.0) / channels;
    }
    const double deviation = sqrt(variance), along = (a->along + b->along) / (a->along_count + b->along_count),
                 down = (a->down + b->down) / (a->down_count + b->down_count);
    return (struct texture){deviation, fmin(along, down) / deviation, fmax(along, down) / deviation};
}

/* Noise differs between neighbours by as much as it does at large, in rows and columns (odd.c: NOISE), and a picture by
 * less in both; what lies between the two tells nothing. The background of a drawing may be noise where nothing is
 * before it, but is fainter than what is drawn: noise that was put in place of a picture is not. */
enum half half_of_noise(const uint8_t *pixels, struct shape image, bool *rough)
{
    enum { LEAST = 8 };
    const double noise = 1.0, picture = 0.8;
    static const struct {
        int noise[2], other[2]; /* quarters: upper left, upper right, lower left, lower right */
    } halves[HALVES] = {[HALF_UPPER] = {{0, 1}, {2, 3}},
                        [HALF_LOWER] = {{2, 3}, {0, 1}},
                        [HALF_LEFT] = {{0, 2}, {1, 3}},
                        [HALF_RIGHT] = {{1, 3}, {0, 2}}};
    struct quarter quarters[4] = {{0}};
    if (image.h < LEAST || image.w < LEAST || image.c > 4)
        return HALF_NONE;
    const ptrdiff_t pixel = image.c, line = (ptrdiff_t)image.w * image.c;
    for (int y = 0; y < image.h; y++)
        for (int x = 0; x < image.w; x++) {
            const int right = x >= (image.w + 1) / 2, low = y >= (image.h + 1) / 2;
            const bool first = x == 0 || x == (image.w + 1) / 2, top = y == 0 || y == (image.h + 1) / 2;
            add_pixel(&quarters[2 * low + right], pixels + y * line + x * pixel, image.c, first ? 0 : pixel,
                      top ? 0 : line);
        }
    for (int half = HALF_UPPER; half < HALVES; half++) {
        const struct texture one = texture_of(&quarters[halves[half].noise[0]], &quarters[halves[half].noise[1]],
                                              image.c),
                             other = texture_of(&quarters[halves[half].other[0]], &quarters[halves[half].other[1]],
                                                image.c);
        *rough |= one.least > noise && !(other.least > noise);
        if (one.least > noise && one.deviation > other.deviation && !(other.most > picture))
            return (enum half)half;
    }
    return HALF_NONE;
}
