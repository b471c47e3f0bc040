/* tile_plain: products of tiles in vectors of four, which every CPU has or its compiler makes up. See tile.h. */
#define LANES          4
#define MOST_VECTORS   4
#define MOST_ROWS      3
#define MOST_PAIR_ROWS 2
#define SPLAT(x)                                                                                                       \
    (lanes)                                                                                                            \
    {                                                                                                                  \
        (x), (x), (x), (x)                                                                                             \
    }
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "tile_rows.h"

static void multiply_f32(const struct tile_product *product)
{
    rows_multiply_f32(product);
}

static void multiply_bf16(const struct tile_product *product)
{
    rows_multiply_pairs(product);
}

const struct tile_kernel *tile_plain(enum dtype dtype)
{
    static const struct tile_kernel f32 = TILE_KERNEL_F32(multiply_f32), bf16 = TILE_KERNEL_BF16(multiply_bf16);
    return dtype == DT_F32 ? &f32 : dtype == DT_BF16 ? &bf16 : NULL;
}
