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
};

struct random_block {
    uint32_t word[4];
};

/* Four independent uniform words. draw distinguishes several blocks wanted for one (stream, epoch, index). */
HOST_DEVICE struct random_block random_words(uint64_t seed, uint32_t stream, uint32_t epoch, uint64_t index,
                                             uint32_t draw)
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32) ^ (draw << 8), c2 = epoch, c3 = stream;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    struct random_block block = {{c0, c1, c2, c3}};
    return block;
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
