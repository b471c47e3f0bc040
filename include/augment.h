/* augment: what happens to an image between the stored bytes and the network's input.
 * Level 1. A plain struct shared by config, data and backends; the arithmetic is in
 * kernels/common/augment*.h. */
#ifndef AUGMENT_H
#define AUGMENT_H
#include <stdbool.h>
#include <stdint.h>

enum interpolation { INTERPOLATE_NEAREST, INTERPOLATE_BILINEAR };
/* What lies around the image where a crop reaches beyond it, named as torchvision's padding_mode: one colour, the edge
 * pixel, mirrored about the edge pixel, mirrored with the edge pixel repeated. */
enum padding { PADDING_CONSTANT, PADDING_EDGE, PADDING_REFLECT, PADDING_SYMMETRIC };

/* Order of effect, as in torchvision's RandomHorizontalFlip, RandomVerticalFlip, RandomAffine (RandomRotation where
 * only the angle is set), RandomCrop(padding) or RandomResizedCrop, ColorJitter, RandomGrayscale, ToTensor, Normalize,
 * RandomErasing, MixUp or CutMix: flips -> affine about the centre -> crop -> brightness -> contrast -> saturation ->
 * hue -> grayscale -> (x/255 - mean) / std -> erased box -> mixed with another sample. Flips, affine and crop are one
 * affine sampling. ColorJitter draws the order of its four, here it is fixed (docs/augmentation.md says why). With
 * random false (evaluation): centre crop and normalisation only. All zero: nothing. */
struct augment {
    bool random;
    int out_h, out_w;                       /* network input */
    int pad;                                /* around the image before the random crop, pixels */
    enum padding padding;                   /* what is in it */
    uint8_t fill[4];                        /* per channel: constant padding, and what rotation uncovers */
    float flip_share, vflip_share;          /* probability of a horizontal, a vertical flip, 0..1 */
    float rotate_degrees;                   /* uniform in ±this, counter-clockwise */
    float translate;                        /* each way, share of the side, rounded to whole pixels */
    float scale[2];                         /* factor uniform in [0], [1]; [1] 0: none */
    float shear_degrees;                    /* along x, uniform in ±this */
    enum interpolation interpolation;       /* wherever places are not pixels */
    float crop_area[2], crop_ratio[2];      /* random resized crop: share of the area, width / height; [1] 0: none */
    float brightness, contrast, saturation; /* factor uniform in [max(0, 1-x), 1+x]; 0: none */
    float hue;                              /* shift uniform in ±this, in turns, 0..0.5 */
    float grayscale_share;                  /* probability */
    float erase_share;                      /* probability of a box that becomes 0 after normalisation */
    float erase_area[2], erase_ratio[2];    /* share of the area, height / width */
    float mixup, cutmix;                    /* Beta(this, this); both: one of them by a fair draw; 0: none */
    float mean[4], std[4];                  /* per channel, of values in 0..1 */
    bool by_image;                          /* mean and std are not these: each stored image's own, of all its values */
};
#endif
