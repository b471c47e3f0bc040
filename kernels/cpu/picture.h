/* picture: one augmented sample as gather.c asks for it, by strips of output rows. Private to kernels/cpu/. */
#ifndef CPU_PICTURE_H
#define CPU_PICTURE_H
#include "kernels/common/augment.h"

enum { STRIP = 256, CHANNELS = 4, PICTURE_KEPT = 64 * 64 * 3 };

/* For functions of the number of channels: their callers know it while compiling, which makes them 2 times as fast. */
#define BY_CHANNELS static inline __attribute__((always_inline))
/* Calls function(…, c) with a constant c. */
#define WITH_CHANNELS(c, function, ...)                                                                                \
    do {                                                                                                               \
        if ((c) == 3)                                                                                                  \
            function(__VA_ARGS__, 3);                                                                                  \
        else if ((c) == 1)                                                                                             \
            function(__VA_ARGS__, 1);                                                                                  \
        else                                                                                                           \
            function(__VA_ARGS__, (c));                                                                                \
    } while (0)

struct picture {
    const struct augment *augment;
    const uint8_t *pixels; /* [image.h][image.w][image.c] */
    struct shape image;
    struct augment_draw draw;
    struct augment_map map;
    float grey;  /* mean luminance, if contrast changes */
    bool copied; /* every value is a function of a stored byte and the channel */
    bool is_kept;
    float kept[PICTURE_KEPT]; /* [out_h][out_w][c] after brightness, where is_kept */
};

/* Up to STRIP pixels of an output row; those in [begin, end) lie in the frame and, if plain, in the stored image. */
struct strip {
    int y, x, count, begin, end;
};

/* sample keys the draw with the control's seed and epoch. */
void picture_open(struct picture *picture, const struct gather_args *args, const uint8_t *pixels, uint64_t sample);
struct strip picture_strip(const struct picture *picture, int y, int x);
/* bytes: [count * c], the stored bytes or fill; not of a linear map. */
void picture_bytes(const struct picture *picture, const struct strip *strip, uint8_t *bytes);
/* values: [count * c] of a linear map, 0..255. */
void picture_interpolated(const struct picture *picture, const struct strip *strip, float *values);
/* values: [count * c] after colour, 0..1. */
void picture_units(const struct picture *picture, const struct strip *strip, float *values);
#endif
