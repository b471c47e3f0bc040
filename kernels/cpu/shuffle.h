/* shuffle: rearranges small squares of numbers in the registers of AVX-512. Private to kernels/cpu/; there where
 * AVX-512 is, as every kernel that needs it. Distances between rows are in bytes. */
#ifndef CPU_SHUFFLE_H
#define CPU_SHUFFLE_H
#include <stddef.h>

/* Transposes 16x16 numbers of 32 bits. */
void shuffle_32(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes);

/* bf16, as tile.h describes them. */
void shuffle_transpose(void *to, const void *from);
void shuffle_turn(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes);
void shuffle_fill(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles);
void shuffle_lay(float *to, const float *sums);

/* A kernel for bf16 tiles that rearranges by these (tile.h). */
#define TILE_KERNEL_SHUFFLED(begin_, end_, multiply_, store_, peak_)                                                   \
    {                                                                                                                  \
        .dtype = DT_BF16, .depth = BLOCK, .begin = begin_, .end = end_, .multiply = multiply_, .store = store_,        \
        .transpose = shuffle_transpose, .turn = shuffle_turn, .fill = shuffle_fill, .peak = peak_, .lay = shuffle_lay  \
    }
#endif
