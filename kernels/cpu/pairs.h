/* pairs: rearranges bf16 numbers into the pairs that the instructions multiply. Private to kernels/cpu/; there where
 * AVX-512 is, as every kernel that needs it. */
#ifndef CPU_PAIRS_H
#define CPU_PAIRS_H
#include "tile.h"

/* from: 8 rows of 16 pairs, pair j of row i being (2i, j) and (2i+1, j). to: the transpose's, (j, 2i) and (j, 2i+1)
 * apart: pair i of row j being what stands at (i, 2j) and (i, 2j+1). */
void pairs_transpose(void *to, const void *from);

/* See tile.h. */
void pairs_fill(char *to, const void *first, const void *second, int tiles);
void pairs_turn(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes);
void pairs_lay(float *to, const float *sums);
#endif
