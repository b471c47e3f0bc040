/* augment_blend: mixup and cutmix: which other sample, how much of it, and where. The partner of a sample is the one
 * before it in the order of the epoch (of the first: the second), so that a pair is a function of (seed, epoch, sample)
 * at any batch size, every sample is a partner once, and a stream of images has it at hand. Each sample has a share of
 * its own, folded to at least one half (the pair, not the shares, decides which of the two dominates), so that a row's
 * own label is its dominant one. Compiled by the C compiler and by nvcc. */
#ifndef COMMON_AUGMENT_BLEND_H
#define COMMON_AUGMENT_BLEND_H
#include "augment_draw.h"

struct augment_blend {
    float share;            /* of the sample's own picture and label; 1: not mixed */
    struct augment_box box; /* cutmix: what comes from the partner; h 0: mixup, or nothing */
};

/* Beta(alpha, alpha) by Johnk's method (Metrika 8, 1964), in logarithms because powers of small alpha underflow.
 * alpha at most 2: 1 draw in 6 is taken then, and missing all of them has a chance of 1e-5. */
HOST_DEVICE double augment_beta(double alpha, uint64_t seed, uint32_t epoch, uint64_t sample)
{
    for (uint32_t attempt = 1; attempt <= 64; attempt++) {
        struct random_block block = random_words(seed, RANDOM_MIX, epoch, sample, attempt);
        double one = log((double)random_unit(block.word[0]) + 0x1p-25) / alpha;
        double other = log((double)random_unit(block.word[1]) + 0x1p-25) / alpha;
        if (exp(one) + exp(other) <= 1.0) {
            double most = one > other ? one : other;
            return exp(one - most) / (exp(one - most) + exp(other - most));
        }
    }
    return 0.5;
}

/* torchvision's CutMix: sides sqrt(1 - share) of the image's about a uniform centre, clipped. */
HOST_DEVICE struct augment_box augment_cut(double share, int centre_x, int centre_y, int h, int w)
{
    double half = 0.5 * sqrt(1.0 - share);
    int half_w = (int)(half * w), half_h = (int)(half * h);
    int left = centre_x > half_w ? centre_x - half_w : 0, top = centre_y > half_h ? centre_y - half_h : 0;
    int right = centre_x + half_w < w ? centre_x + half_w : w, bottom = centre_y + half_h < h ? centre_y + half_h : h;
    struct augment_box box;
    box.top = top;
    box.left = left;
    box.h = bottom - top;
    box.w = right - left;
    return box;
}

/* What is left of the sample's own picture beside the box. */
HOST_DEVICE float augment_cut_share(const struct augment_box *box, int h, int w)
{
    return 1.0f - (float)(box->h * box->w) / (float)(h * w);
}

HOST_DEVICE struct augment_blend augment_blend(const struct augment *augment, uint64_t seed, uint32_t epoch,
                                               uint64_t sample)
{
    struct augment_blend blend;
    blend.share = 1.0f;
    blend.box.top = blend.box.left = blend.box.h = blend.box.w = 0;
    if (!augment_blends(augment))
        return blend;
    const int h = augment->out_h, w = augment->out_w;
    struct random_block block = random_words(seed, RANDOM_MIX, epoch, sample, 0);
    bool cut = augment->cutmix > 0.0f && (!(augment->mixup > 0.0f) || block.word[0] >> 31);
    double share = augment_beta((double)(cut ? augment->cutmix : augment->mixup), seed, epoch, sample);
    share = share < 0.5 ? 1.0 - share : share;
    /* Whatever the last digits of this machine's logarithms. */
    share = floor(share * 65536.0 + 0.5) / 65536.0;
    if (cut) {
        blend.box = augment_cut(share, (int)random_below(block.word[1], (uint32_t)w),
                                (int)random_below(block.word[2], (uint32_t)h), h, w);
        blend.share = augment_cut_share(&blend.box, h, w);
    } else {
        blend.share = (float)share;
    }
    return blend;
}

/* own and partner: of the two pictures at output pixel (x, y). */
HOST_DEVICE float augment_blended(const struct augment_blend *blend, bool in_box, float own, float partner)
{
    if (blend->box.h > 0)
        return in_box ? partner : own;
    return blend->share * own + (1.0f - blend->share) * partner;
}
#endif
