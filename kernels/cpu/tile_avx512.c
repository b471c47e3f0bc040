/* tile_avx512: products of fp32 tiles by AVX-512: up to 11 rows of two vectors of sums at a time. Must not know what is
 * multiplied. See tile.h. */
#include "shuffle.h"
#include "tile.h"

#ifdef __AVX512F__
#include <immintrin.h>
#include <string.h>

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

static void nothing(void) {}

/* Called with constant shapes. One of the left factor's strides is that of adjacent numbers, so that the other alone
 * takes a register: along is its number of bytes. */
static inline __attribute__((always_inline)) void some_rows(const struct tile_product *product, int first, int rows,
                                                            int columns, bool deep_adjacent)
{
    const ptrdiff_t row_bytes = deep_adjacent ? product->row_bytes : (ptrdiff_t)sizeof(float);
    const ptrdiff_t deep_bytes = deep_adjacent ? (ptrdiff_t)sizeof(float) : product->deep_bytes;
    float *const sums = product->sums + first * BLOCK;
    __m512 sum[12][2];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int c = 0; c < columns; c++)
        sum[r][c] = product->add ? _mm512_loadu_ps(sums + r * BLOCK + c * TILE) : _mm512_setzero_ps();
    for (int s = 0; s < product->steps; s++) {
        const char *left = product->left + product->left_offset[s] + first * row_bytes;
        const char *right = product->right + product->right_offset[s];
        for (int deep = 0; deep < TILE; deep++, left += deep_bytes, right += STEP_BYTES) {
            __m512 factor[2];
            UNROLL
            for (int c = 0; c < columns; c++)
                factor[c] = _mm512_loadu_ps((const float *)(right + c * product->right_apart));
            UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512 value = _mm512_set1_ps(*(const float *)(left + r * row_bytes));
                UNROLL
                for (int c = 0; c < columns; c++)
                    sum[r][c] = _mm512_fmadd_ps(value, factor[c], sum[r][c]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int c = 0; c < columns; c++)
        _mm512_storeu_ps(sums + r * BLOCK + c * TILE, sum[r][c]);
}

/* 32 rows as 11 + 11 + 10, 16 as 8 + 8. */
static inline __attribute__((always_inline)) void all_rows(const struct tile_product *product, int columns,
                                                           bool deep_adjacent)
{
    if (product->rows == 2) {
        some_rows(product, 0, 11, columns, deep_adjacent);
        some_rows(product, 11, 11, columns, deep_adjacent);
        some_rows(product, 22, 10, columns, deep_adjacent);
    } else {
        some_rows(product, 0, 8, columns, deep_adjacent);
        some_rows(product, 8, 8, columns, deep_adjacent);
    }
}

static void multiply(const struct tile_product *product)
{
    const bool deep_adjacent = product->deep_bytes == (ptrdiff_t)sizeof(float);
    if (product->columns == 2 && deep_adjacent)
        all_rows(product, 2, true);
    else if (product->columns == 2)
        all_rows(product, 2, false);
    else if (deep_adjacent)
        all_rows(product, 1, true);
    else
        all_rows(product, 1, false);
}

static void store(const struct tile_store *store)
{
    const __m512 bias[2] = {_mm512_loadu_ps(store->bias), _mm512_loadu_ps(store->bias + TILE)};
    const float *sums = store->sums;
    char *to = store->to;
    for (int r = 0; r < store->count; r++, sums += store->sums_apart * BLOCK, to += store->to_apart)
        for (int c = 0; c < 2 && c * TILE < store->width; c++) {
            const int left = store->width - c * TILE;
            const __mmask16 wanted = (__mmask16)(left < TILE ? (1u << left) - 1 : 0xFFFFu);
            _mm512_mask_storeu_ps(to + c * STEP_BYTES, wanted,
                                  _mm512_add_ps(_mm512_loadu_ps(sums + c * TILE), bias[c]));
        }
}

static void transpose(void *to, const void *from)
{
    shuffle_32(to, STEP_BYTES, from, STEP_BYTES);
}

static void fill(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles)
{
    for (int i = 0; i < count; i++, from += from_bytes, to += STEP_BYTES)
        for (int t = 0; t < tiles; t++)
            memcpy(to + t * to_apart, from + t * STEP_BYTES, STEP_BYTES);
}

static void lay(float *to, const float *sums)
{
    shuffle_32((char *)to, STEP_BYTES, (const char *)sums, BLOCK * sizeof(float));
}

const struct tile_kernel *tile_avx512(void)
{
    static const struct tile_kernel kernel = {
        .dtype = DT_F32,
        .depth = TILE,
        .begin = nothing,
        .end = nothing,
        .multiply = multiply,
        .store = store,
        .transpose = transpose,
        .fill = fill,
        .lay = lay,
    };
    return &kernel;
}
#else
const struct tile_kernel *tile_avx512(void)
{
    return NULL;
}
#endif
