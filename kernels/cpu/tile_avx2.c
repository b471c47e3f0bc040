/* tile_avx2: products of tiles in vectors of eight, by AVX2 with FMA. See tile.h. */
#include "tile.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES                 8
#define MOST_VECTORS          2
#define MOST_ROWS             6
#define MOST_PAIR_ROWS        4
#define SPLAT(x)              (lanes) _mm256_set1_ps(x)
#define MULTIPLY_ADD(a, b, c) (lanes) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#include "tile_rows.h"

static void multiply_f32(const struct tile_product *product)
{
    rows_multiply_f32(product);
}

static void multiply_bf16(const struct tile_product *product)
{
    rows_multiply_pairs(product);
}

const struct tile_kernel *tile_avx2(enum dtype dtype)
{
    static const struct tile_kernel f32 = TILE_KERNEL_F32(multiply_f32), bf16 = TILE_KERNEL_BF16(multiply_bf16);
    return dtype == DT_F32 ? &f32 : dtype == DT_BF16 ? &bf16 : NULL;
}
#else
const struct tile_kernel *tile_avx2(enum dtype dtype)
{
    (void)dtype;
    return NULL;
}
#endif
