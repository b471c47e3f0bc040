/* picture: one augmented sample as gather.c asks for it, by strips of output rows. Private to kernels/cpu/. */
#ifndef CPU_PICTURE_H
#define CPU_PICTURE_H
#include "kernels/common/augment.h"

/* RAMP: a strip and the rest of a last vector. */
enum { STRIP = 256, CHANNELS = 3, PICTURE_KEPT = 64 * 64 * 3, LANES = 16, RAMP = STRIP + LANES };

/* For functions of the number of channels: their callers know it while compiling, which makes them 2 times as fast. */
#define BY_CHANNELS static inline __attribute__((always_inline))
/* Calls function(…, c) with a constant c. */
#define WITH_CHANNELS(c, function, ...)                                                                                \
    do {                                                                                                               \
        if ((c) == 3)                                                                                                  \
            function(__VA_ARGS__, 3);                                                                                  \
        else                                                                                                           \
            function(__VA_ARGS__, 1);                                                                                  \
    } while (0)

struct picture {
    const struct augment *augment;
    const uint8_t *pixels; /* [image.h][image.w][image.c] */
    struct shape image;
    struct augment_draw draw;
    struct augment_map map;
    float mean[CHANNELS], std[CHANNELS]; /* what it is normalised by */
    float grey;                          /* mean luminance, if contrast changes */
    bool copied;                         /* every value is a function of a stored byte and the channel */
    bool is_kept;
    int64_t ramp_x[RAMP], ramp_y[RAMP]; /* of a linear map: what each column adds to a place */
    float kept[PICTURE_KEPT];           /* [out_h][out_w][c] after brightness, where is_kept */
};

/* Part of an output picture, at most STRIP pixels: as many whole rows as that are, or a piece of one. */
struct strip {
    int y, x, rows, width;
};
/* Of one row of a strip, counted from its first pixel: these lie in the frame and, if plain, in the stored image. */
struct span {
    int begin, end;
};

/* sample keys the draw with the control's seed and epoch. */
void picture_open(struct picture *picture, const struct gather_args *args, const uint8_t *pixels, uint64_t sample);
/* All of a picture: for (strip = strip_first(augment); strip.rows > 0; strip = strip_next(augment, &strip)). */
struct strip strip_first(const struct augment *augment);
struct strip strip_next(const struct augment *augment, const struct strip *strip);
struct span picture_span(const struct picture *picture, const struct strip *strip, int row);
/* bytes: [rows][width][c], the stored bytes or fill; not of a linear map. */
void picture_bytes(const struct picture *picture, const struct strip *strip, uint8_t *bytes);
/* values: [rows][width][c] of a linear map, 0..255. */
void picture_interpolated(const struct picture *picture, const struct strip *strip, float *values);
/* values: [rows][width][c] after colour, 0..1. */
void picture_units(const struct picture *picture, const struct strip *strip, float *values);
#endif
