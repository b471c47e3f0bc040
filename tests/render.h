/* render: one augmented sample pixel by pixel, from the shared arithmetic alone: what every backend's gather must give
 * bit for bit. */
#ifndef TESTS_RENDER_H
#define TESTS_RENDER_H
#include "backend.h"
#include "kernels/common/augment.h"
#include "kernels/common/augment_blend.h"

/* Values 0..255 of the output before colour, [out_h][out_w][c]; image: n unused. */
void render_values(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw);
/* The network's input in fp32, were it not mixed. */
void render_sample(float *values, const uint8_t *pixels, struct shape image, const struct augment *augment,
                   const struct augment_draw *draw);
/* Mixes a rendered partner into values. */
void render_blend(float *values, const float *partner, int c, const struct augment *augment,
                  const struct augment_blend *blend);
#endif
