/* tile_avx512: products of tiles in vectors of sixteen, by AVX-512: up to 11 rows of two vectors of sums at a time. In
 * bf16 numbers are taken apart, for CPUs that cannot multiply them. See tile.h. */
#include "tile.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#define LANES                 16
#define MOST_VECTORS          2
#define MOST_ROWS             11
#define MOST_PAIR_ROWS        11
#define SPLAT(x)              (lanes) _mm512_set1_ps(x)
#define MULTIPLY_ADD(a, b, c) (lanes) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#include "shuffle.h"
#include "tile_rows.h"

static void multiply_f32(const struct tile_product *product)
{
    rows_multiply_f32(product);
}

static void multiply_bf16(const struct tile_product *product)
{
    rows_multiply_pairs(product);
}

static void store_f32(const struct tile_store *store)
{
    const __m512 bias[2] = {_mm512_loadu_ps(store->bias), _mm512_loadu_ps(store->bias + TILE)};
    const float *sums = store->sums;
    char *to = store->to;
    for (int r = 0; r < store->count; r++, sums += store->sums_apart * BLOCK, to += store->to_apart)
        for (int c = 0; c < 2 && c * TILE < store->width; c++) {
            const int left = store->width - c * TILE;
            const __mmask16 wanted = (__mmask16)(left < TILE ? (1u << left) - 1 : 0xFFFFu);
            __m512 value = _mm512_add_ps(_mm512_loadu_ps(sums + c * TILE), bias[c]);
            if (store->add)
                value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(wanted, to + c * STEP_BYTES));
            _mm512_mask_storeu_ps(to + c * STEP_BYTES, wanted, value);
        }
}

static void transpose_f32(void *to, const void *from)
{
    shuffle_32(to, STEP_BYTES, from, STEP_BYTES);
}

static void lay_f32(float *to, const float *sums)
{
    shuffle_32((char *)to, STEP_BYTES, (const char *)sums, BLOCK * sizeof(float));
}

const struct tile_kernel *tile_avx512(enum dtype dtype)
{
    static const struct tile_kernel f32 =
                                        {
                                            .dtype = DT_F32,
                                            .depth = TILE,
                                            .begin = rows_nothing,
                                            .end = rows_nothing,
                                            .multiply = multiply_f32,
                                            .store = store_f32,
                                            .transpose = transpose_f32,
                                            .fill = rows_fill_f32,
                                            .peak = rows_peak_words,
                                            .lay = lay_f32,
                                        },
                                    bf16 = TILE_KERNEL_SHUFFLED(rows_nothing, rows_nothing, multiply_bf16,
                                                                rows_store_bf16, rows_peak_words);
    return dtype == DT_F32 ? &f32 : dtype == DT_BF16 ? &bf16 : NULL;
}
#else
const struct tile_kernel *tile_avx512(enum dtype dtype)
{
    (void)dtype;
    return NULL;
}
#endif
