/* tile_bf16: products of bf16 tiles by AVX-512's instruction for pairs of them. See tile.h. */
#include "shuffle.h"
#include "tile.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#define LANES          16
#define MOST_VECTORS   2
#define MOST_ROWS      11
#define MOST_PAIR_ROWS 11
#define SPLAT(x)       (lanes) _mm512_set1_ps(x)
/* A pair of the one times a pair of the other, in each lane. */
#define MULTIPLY_ADD(a, b, c) (lanes) _mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b))
#include "tile_rows.h"

static void multiply(const struct tile_product *product)
{
    rows_multiply(product, true, false);
}

static inline __m512 wide(__m256i halves)
{
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
}

/* Results' numbers are two bytes wide: a register holds a row. */
void tile_bf16_store(const struct tile_store *store)
{
    const __m512 bias0 = _mm512_loadu_ps(store->bias), bias1 = _mm512_loadu_ps(store->bias + TILE);
    const __mmask32 wanted = (__mmask32)(0xFFFFFFFFu >> (BLOCK - store->width));
    const float *sums = store->sums;
    char *to = store->to;
    for (int r = 0; r < store->count; r++, sums += store->sums_apart * BLOCK, to += store->to_apart) {
        __m512 first = _mm512_add_ps(_mm512_loadu_ps(sums), bias0);
        __m512 second = _mm512_add_ps(_mm512_loadu_ps(sums + TILE), bias1);
        if (store->add) {
            const __m512i there = _mm512_maskz_loadu_epi16(wanted, to);
            first = _mm512_add_ps(first, wide(_mm512_castsi512_si256(there)));
            second = _mm512_add_ps(second, wide(_mm512_extracti64x4_epi64(there, 1)));
        }
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
        if (store->width == BLOCK)
            _mm512_storeu_si512(to, both);
        else
            _mm512_mask_storeu_epi16(to, wanted, both);
    }
}

static double peak(void)
{
    return rows_peak(2);
}

const struct tile_kernel *tile_bf16(enum dtype dtype)
{
    static const struct tile_kernel kernel =
        TILE_KERNEL_SHUFFLED(rows_nothing, rows_nothing, multiply, tile_bf16_store, peak);
    return dtype == DT_BF16 ? &kernel : NULL;
}
#else
const struct tile_kernel *tile_bf16(enum dtype dtype)
{
    (void)dtype;
    return NULL;
}
#endif
