/* pairs: see pairs.h. Shuffles within and between the registers of AVX-512. */
#include "pairs.h"

#ifdef __AVX512BW__
#include <immintrin.h>

static const int8_t middle_swapped[64] __attribute__((aligned(64))) = {
    0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15,
    0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};

/* Of registers whose elements are settled within 128 bits: gathers quarter q of rows r, r + stride, ... */
static inline __attribute__((always_inline)) void quarters(__m512i *row0, __m512i *row1, __m512i *row2, __m512i *row3)
{
    const __m512i low0 = _mm512_shuffle_i32x4(*row0, *row1, 0x44), high0 = _mm512_shuffle_i32x4(*row0, *row1, 0xEE);
    const __m512i low1 = _mm512_shuffle_i32x4(*row2, *row3, 0x44), high1 = _mm512_shuffle_i32x4(*row2, *row3, 0xEE);
    *row0 = _mm512_shuffle_i32x4(low0, low1, 0x88);
    *row1 = _mm512_shuffle_i32x4(low0, low1, 0xDD);
    *row2 = _mm512_shuffle_i32x4(high0, high1, 0x88);
    *row3 = _mm512_shuffle_i32x4(high0, high1, 0xDD);
}

/* An 8x8 transpose of what a shuffle within 64 bits has put together. */
void pairs_transpose(void *to, const void *from)
{
    const __m512i swap = _mm512_load_si512(middle_swapped);
    __m512i row[8], even[8];
    for (int i = 0; i < 8; i++)
        row[i] = _mm512_shuffle_epi8(_mm512_loadu_si512((const char *)from + 64 * i), swap);
    for (int i = 0; i < 4; i++) {
        even[i] = _mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]);
        even[4 + i] = _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1]);
    }
    quarters(&even[0], &even[1], &even[2], &even[3]);
    quarters(&even[4], &even[5], &even[6], &even[7]);
    for (int i = 0; i < 8; i++)
        _mm512_storeu_si512((char *)to + 64 * i, even[i % 2 * 4 + i / 2]);
}

/* Sixteen pairs of numbers that stand one below the other. */
static inline void fill_row(char *to, const char *first, const char *second)
{
    const __m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
    const __m512i b = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
    _mm512_storeu_si512(to, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
}

void pairs_fill(char *to, const void *first, const void *second, int tiles)
{
    for (int tile = 0; tile < tiles; tile++)
        fill_row(to + tile * TILE_BYTES, (const char *)first + tile * TILE * 2, (const char *)second + tile * TILE * 2);
}

/* Pairs of rows side by side, then a 16x16 transpose of pairs. */
void pairs_turn(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes)
{
    __m512i pair[16], two[16], four[16];
    for (int i = 0; i < 16; i++) {
        const __m256i *a = (const __m256i *)(from + 2 * i * from_bytes);
        const __m256i *b = (const __m256i *)(from + (2 * i + 1) * from_bytes);
        pair[i] = _mm512_or_si512(_mm512_cvtepu16_epi32(_mm256_loadu_si256(a)),
                                  _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(b)), 16));
    }
    for (int i = 0; i < 16; i += 2) {
        two[i] = _mm512_unpacklo_epi32(pair[i], pair[i + 1]);
        two[i + 1] = _mm512_unpackhi_epi32(pair[i], pair[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int half = 0; half < 2; half++) {
            four[i + 2 * half] = _mm512_unpacklo_epi64(two[i + half], two[i + half + 2]);
            four[i + 2 * half + 1] = _mm512_unpackhi_epi64(two[i + half], two[i + half + 2]);
        }
    /* four[4 i + k] now holds, in its quarter q, column 4 q + k of rows 4 i to 4 i + 3. */
    for (int k = 0; k < 4; k++)
        quarters(&four[k], &four[4 + k], &four[8 + k], &four[12 + k]);
    for (int i = 0; i < 16; i++)
        _mm512_storeu_si512(to + i * to_bytes, four[i]);
}

void pairs_lay(float *to, const float *sums)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (int row = 0; row < BLOCK; row += 2, to += 2 * TILE) {
        const __m512 a = _mm512_loadu_ps(sums + row * BLOCK), b = _mm512_loadu_ps(sums + (row + 1) * BLOCK);
        _mm512_storeu_ps(to, _mm512_permutex2var_ps(a, low, b));
        _mm512_storeu_ps(to + TILE, _mm512_permutex2var_ps(a, high, b));
    }
}
#endif
