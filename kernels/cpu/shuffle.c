/* shuffle: see shuffle.h. */
#include "shuffle.h"
#include "tile.h"

#ifdef __AVX512BW__
#include <immintrin.h>

#define ALWAYS static inline __attribute__((always_inline))

/* What is right within each quarter of four registers, to quarters 0, 1, 2 and 3 of all four. */
ALWAYS void quarters(__m512i *row0, __m512i *row1, __m512i *row2, __m512i *row3)
{
    const __m512i low0 = _mm512_shuffle_i32x4(*row0, *row1, 0x44), high0 = _mm512_shuffle_i32x4(*row0, *row1, 0xEE);
    const __m512i low1 = _mm512_shuffle_i32x4(*row2, *row3, 0x44), high1 = _mm512_shuffle_i32x4(*row2, *row3, 0xEE);
    *row0 = _mm512_shuffle_i32x4(low0, low1, 0x88);
    *row1 = _mm512_shuffle_i32x4(low0, low1, 0xDD);
    *row2 = _mm512_shuffle_i32x4(high0, high1, 0x88);
    *row3 = _mm512_shuffle_i32x4(high0, high1, 0xDD);
}

ALWAYS void square_64(char *to, ptrdiff_t to_bytes, const __m512i row[8])
{
    __m512i half[8];
    for (int i = 0; i < 4; i++) {
        half[i] = _mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]);
        half[4 + i] = _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1]);
    }
    quarters(&half[0], &half[1], &half[2], &half[3]);
    quarters(&half[4], &half[5], &half[6], &half[7]);
    for (int i = 0; i < 8; i++)
        _mm512_storeu_si512(to + i * to_bytes, half[i % 2 * 4 + i / 2]);
}

ALWAYS void square_32(char *to, ptrdiff_t to_bytes, const __m512i row[16])
{
    __m512i two[16], four[16];
    for (int i = 0; i < 16; i += 2) {
        two[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        two[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
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

void shuffle_32(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes)
{
    __m512i row[16];
    for (int i = 0; i < 16; i++)
        row[i] = _mm512_loadu_si512(from + i * from_bytes);
    square_32(to, to_bytes, row);
}

/* 8x8 of 64 bits. */
static void shuffle_64(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes)
{
    __m512i row[8];
    for (int i = 0; i < 8; i++)
        row[i] = _mm512_loadu_si512(from + i * from_bytes);
    square_64(to, to_bytes, row);
}

/* Eight rows of 16 pairs, pair j of row i being numbers (2i, j) and (2i + 1, j): their middles swapped, 64 bits are the
 * pairs (2i, 2j), (2i, 2j + 1) and (2i + 1, 2j), (2i + 1, 2j + 1). */
void shuffle_transpose(void *to, const void *from)
{
    const __m512i swap = _mm512_set4_epi32(0x0F0E0B0A, 0x0D0C0908, 0x07060302, 0x05040100);
    __m512i row[8];
    for (int i = 0; i < 8; i++)
        row[i] = _mm512_shuffle_epi8(_mm512_loadu_si512((const char *)from + 64 * i), swap);
    square_64(to, 64, row);
}

/* Sixteen pairs of numbers that stand one below the other. */
ALWAYS __m512i pairs(const char *first, const char *second)
{
    const __m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
    const __m512i b = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

void shuffle_turn(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes)
{
    __m512i row[16];
    for (int i = 0; i < 16; i++, from += 2 * from_bytes)
        row[i] = pairs(from, from + from_bytes);
    square_32(to, to_bytes, row);
}

void shuffle_fill(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles)
{
    for (int i = 0; i < count; i += 2, from += 2 * from_bytes, to += 64) {
        char *tile = to;
        for (int t = 0; t < tiles; t++, tile += to_apart)
            _mm512_storeu_si512(tile, pairs(from + 32 * t, from + from_bytes + 32 * t));
    }
}

void shuffle_lay(float *to, const float *sums)
{
    for (int half = 0; half < 4; half++)
        shuffle_64((char *)(to + half / 2 * 8 * BLOCK + half % 2 * TILE), BLOCK * sizeof(float),
                   (const char *)(sums + half % 2 * 8 * BLOCK + half / 2 * TILE), BLOCK * sizeof(float));
}
#endif
