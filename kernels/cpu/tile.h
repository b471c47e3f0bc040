/* tile: the innermost product of convolutions and linear layers, and the order of numbers in memory that it reads.
 * Private to kernels/cpu/; knows nothing of images.
 *
 * Left factors are rows of numbers; a step takes 64 bytes of each. Right factors are tiles of 1 KiB: 64 bytes deep, 16
 * columns wide. In fp32 a tile is [16 deep][16 columns], in bf16 [16][16 columns][2 deep], as the instructions want it.
 * Sums are fp32, added in the order of the steps. */
#ifndef CPU_TILE_H
#define CPU_TILE_H
#include "vector.h"

enum { TILE = 16, BLOCK = 2 * TILE, TILE_BYTES = 1024, STEP_BYTES = 64 };

/* sums[row][column] (+)= the steps' left factors times their right ones. Number `deep` of a row of step s is at
 * left + left_offset[s] + row * row_bytes + deep * deep_bytes; the step's tiles are at right + right_offset[s] and
 * right_apart after that. */
struct tile_product {
    const char *left, *right;
    const int32_t *left_offset, *right_offset; /* bytes */
    ptrdiff_t row_bytes;
    ptrdiff_t deep_bytes; /* bf16: 2; fp32: 4, or row_bytes is 4 */
    ptrdiff_t right_apart;
    int steps;
    int rows, columns; /* in tiles, 1 or 2 */
    float *sums;       /* [BLOCK][BLOCK]; rows and columns beyond are left alone */
    bool add;
};

/* Where `count` rows of results go: BLOCK of them, or the first `width` of each. */
struct tile_store {
    char *to;
    ptrdiff_t to_apart; /* bytes between rows */
    const float *sums, *bias;
    int sums_apart; /* rows of sums between rows */
    int count, width;
    bool add; /* to what lies there */
};

struct tile_kernel {
    enum dtype dtype;
    int depth;           /* numbers of a step: 64 bytes */
    void (*begin)(void); /* what a thread must do before and after its products */
    void (*end)(void);
    void (*multiply)(const struct tile_product *product);
    /* Sums plus bias, or plus what lies there, rounded. */
    void (*store)(const struct tile_store *store);
    /* 16 rows of a right factor, 16 columns wide, to those of its transpose: half a bf16 tile, a whole fp32 one. */
    void (*transpose)(void *to, const void *from);
    /* 32 rows of 16 numbers, from_bytes apart, to 16 rows of 32, to_bytes apart: left factors whose steps lie across.
     * NULL: multiply takes them as they are. */
    void (*turn)(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes);
    /* Rows of 16 * tiles numbers, from_bytes apart, to right factors: one tile's rows one after another, those of the
     * next tile to_apart after them. In bf16 count is even. */
    void (*fill)(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles);
    /* A bare loop of the instructions that multiply, some milliseconds long: floating-point operations done. */
    double (*peak)(void);
    /* 16 rows of sums, depth columns wide and BLOCK apart, to the transpose's tile of weights, in fp32. */
    void (*lay)(float *to, const float *sums);
};

/* An instruction set, and its kernel for a dtype; NULL: it has none of its own, or is not compiled in. */
struct tile_set {
    const char *name, *option; /* for people; as the variable EVENKEEL_CPU names it */
    bool multiplies_bf16;
    bool (*there)(void); /* on this CPU */
    const struct tile_kernel *(*kernel)(enum dtype dtype);
    const struct vector_kernel *(*vector)(void);
};

/* The best set that this CPU has and EVENKEEL_CPU permits. An unknown name there is an error. */
int tile_best_set(const struct tile_set **set);

/* The kernel of a set for a dtype, or that of the best set below it which has one: never NULL in fp32 and bf16. */
const struct tile_kernel *tile_kernel_of(const struct tile_set *set, enum dtype dtype);

/* The set's loops over tensors, or those of the best set below it which has some. */
const struct vector_kernel *tile_vector_of(const struct tile_set *set);

const struct tile_kernel *tile_amx(enum dtype dtype);
const struct tile_kernel *tile_bf16(enum dtype dtype);
const struct tile_kernel *tile_avx512(enum dtype dtype);
const struct tile_kernel *tile_avx2(enum dtype dtype);
const struct tile_kernel *tile_plain(enum dtype dtype);

/* tile_bf16.c's, for AMX too, which comes with the same instructions. */
void tile_bf16_store(const struct tile_store *store);

static inline int ceil_div(int64_t value, int64_t unit)
{
    return (int)((value + unit - 1) / unit);
}

/* Where number `deep` of column `column` lies in a tile, in elements. */
static inline int tile_index(const struct tile_kernel *kernel, int deep, int column)
{
    return kernel->dtype == DT_F32 ? deep * TILE + column : deep / 2 * (2 * TILE) + 2 * column + deep % 2;
}
#endif
