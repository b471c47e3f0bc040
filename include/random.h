/* random: Philox 4x32-10 counter generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A number is a pure function of (seed, stream, epoch, index, draw): nothing is stored, so a
 * resumed run, another batch size or another thread sees the same numbers.
 * Level 1. Inline: compiled by the C compiler and by nvcc. */
#ifndef RANDOM_H
#define RANDOM_H
#include <stdint.h>

#ifdef __CUDACC__
#define HOST_DEVICE static inline __host__ __device__
#else
#define HOST_DEVICE static inline
#endif

/* Who draws. Values are part of the reproducibility contract: never renumber, only add. */
enum random_stream {
    RANDOM_ORDER = 1, /* index: position in the shuffle */
    RANDOM_SPLIT = 2, /* index: sample */
    RANDOM_INIT = 3,  /* epoch: parameter number, index: element */
    RANDOM_FLIP = 4,  /* augmentation, index: sample */
    RANDOM_ROTATE = 5,
    RANDOM_CROP = 6,
    RANDOM_BRIGHTNESS = 7,
    RANDOM_CONTRAST = 8,
    RANDOM_DROPOUT = 9, /* draw: node, index: element / 4 within the step's batch, epoch: step */
    RANDOM_TILE = 10,   /* generated images */
    RANDOM_SPOIL = 11,  /* faults planted into generated images */
    RANDOM_AFFINE = 12, /* augmentation again, index: sample */
    RANDOM_RESIZED_CROP = 13,
    RANDOM_SATURATION = 14,
    RANDOM_HUE = 15,
    RANDOM_GRAYSCALE = 16,
    RANDOM_ERASE = 17,
    RANDOM_MIX = 18,
    RANDOM_FOLLOWED = 19, /* index: row that is followed; of no seed */
};

struct random_block {
    uint32_t word[4];
};

/* Philox4x32 with ten rounds: a bijection of the counter for every key. */
HOST_DEVICE struct random_block random_rounds(struct random_block counter, uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * counter.word[0], p1 = (uint64_t)0xCD9E8D57u * counter.word[2];
        counter.word[0] = (uint32_t)(p1 >> 32) ^ counter.word[1] ^ key0;
        counter.word[1] = (uint32_t)p1;
        counter.word[2] = (uint32_t)(p0 >> 32) ^ counter.word[3] ^ key1;
        counter.word[3] = (uint32_t)p0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

/* Four independent uniform words. draw distinguishes several blocks wanted for one (stream, epoch, index). */
HOST_DEVICE struct random_block random_words(uint64_t seed, uint32_t stream, uint32_t epoch, uint64_t index,
                                             uint32_t draw)
{
    struct random_block counter = {{(uint32_t)index, (uint32_t)(index >> 32) ^ (draw << 8), epoch, stream}};
    return random_rounds(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
}

/* [0, 1) with 24 bits: exact in float. */
HOST_DEVICE float random_unit(uint32_t word)
{
    return (float)(word >> 8) * (1.0f / 16777216.0f);
}

/* Uniform integer in [0, count), count >= 1, by multiply-shift (bias below count / 2^32). */
HOST_DEVICE uint32_t random_below(uint32_t word, uint32_t count)
{
    return (uint32_t)(((uint64_t)word * count) >> 32);
}
#endif
