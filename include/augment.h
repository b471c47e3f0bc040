/* augment: what happens to an image between the stored bytes and the network's input.
 * Level 1. A plain struct shared by config, data and backends; the arithmetic is in kernels/common/augment.h. */
#ifndef AUGMENT_H
#define AUGMENT_H
#include <stdbool.h>

enum interpolation { INTERPOLATE_NEAREST, INTERPOLATE_BILINEAR };

/* Order of effect, as in torchvision's RandomHorizontalFlip, RandomRotation, RandomCrop(padding), ColorJitter,
 * ToTensor, Normalize: flip -> rotate about the centre -> crop out of the zero-padded image -> brightness -> contrast
 * -> (x/255 - mean) / std. Flip, rotation and crop are one affine sampling. Outside the image the value is 0 before
 * normalisation. With random false (evaluation): centre crop and normalisation only. */
struct augment {
    bool random;
    int out_h, out_w;                 /* network input */
    int pad;                          /* zero padding around the image before the random crop, pixels */
    float flip_share;                 /* probability of a horizontal flip, 0..1 */
    float rotate_degrees;             /* uniform in ±this, counter-clockwise */
    enum interpolation interpolation; /* for rotation */
    float brightness, contrast;       /* factor uniform in [max(0, 1-x), 1+x]; 0: none */
    float mean[4], std[4];            /* per channel, of values in 0..1 */
};
#endif
