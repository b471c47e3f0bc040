/* tile_amx: products of bf16 tiles by AMX: four sums of 16x16 at a time, two left and two right factors. Must not know
 * what is multiplied. See tile.h. */
#include "shuffle.h"
#include "tile.h"

#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#include <immintrin.h>

/* What ldtilecfg reads: all eight tiles are 16 rows of 64 bytes. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* In memory of its own: gcc believes that the instruction reads but its first eight bytes. */
static const struct tile_config all_tiles = {
    .palette = 1,
    .row_bytes = {STEP_BYTES, STEP_BYTES, STEP_BYTES, STEP_BYTES, STEP_BYTES, STEP_BYTES, STEP_BYTES, STEP_BYTES},
    .rows = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE},
};

static void amx_begin(void)
{
    _tile_loadconfig(&all_tiles);
}

/* Tiles in use are saved at every change of context. */
static void amx_end(void)
{
    _tile_release();
}

/* Tiles 0 to 3 are the sums, row by row; 4, 5 left and 6, 7 right factors. Called with constant shapes. */
static inline __attribute__((always_inline)) void multiply(const struct tile_product *product, bool two_rows,
                                                           bool two_columns)
{
    const size_t row = (size_t)product->row_bytes, sum_row = BLOCK * sizeof(float);
    float *const sums = product->sums;
    if (product->add) {
        _tile_loadd(0, sums, sum_row);
        if (two_columns)
            _tile_loadd(1, sums + TILE, sum_row);
        if (two_rows)
            _tile_loadd(2, sums + TILE * BLOCK, sum_row);
        if (two_rows && two_columns)
            _tile_loadd(3, sums + TILE * BLOCK + TILE, sum_row);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int s = 0; s < product->steps; s++) {
        const char *left = product->left + product->left_offset[s];
        const char *right = product->right + product->right_offset[s];
        _tile_loadd(4, left, row);
        _tile_loadd(6, right, STEP_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (two_columns) {
            _tile_loadd(7, right + product->right_apart, STEP_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (two_rows) {
            _tile_loadd(5, left + TILE * row, row);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (two_rows && two_columns)
            _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, sum_row);
    if (two_columns)
        _tile_stored(1, sums + TILE, sum_row);
    if (two_rows)
        _tile_stored(2, sums + TILE * BLOCK, sum_row);
    if (two_rows && two_columns)
        _tile_stored(3, sums + TILE * BLOCK + TILE, sum_row);
}

static void amx_multiply(const struct tile_product *product)
{
    if (product->rows == 2 && product->columns == 2)
        multiply(product, true, true);
    else if (product->rows == 2)
        multiply(product, true, false);
    else if (product->columns == 2)
        multiply(product, false, true);
    else
        multiply(product, false, false);
}

/* Four sums, two left and two right factors, each loaded from the first cache once a turn. */
static double amx_peak(void)
{
    enum { TURNS = 50000 };
    static const char factors[4 * TILE_BYTES] __attribute__((aligned(TILE_BYTES)));
    amx_begin();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int i = 0; i < TURNS; i++) {
        _tile_loadd(4, factors, STEP_BYTES);
        _tile_loadd(6, factors + TILE_BYTES, STEP_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, factors + 2 * TILE_BYTES, STEP_BYTES);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, factors + 3 * TILE_BYTES, STEP_BYTES);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    amx_end();
    return 2.0 * 4 * TILE * TILE * BLOCK * TURNS;
}

const struct tile_kernel *tile_amx(enum dtype dtype)
{
    static const struct tile_kernel kernel =
        TILE_KERNEL_SHUFFLED(amx_begin, amx_end, amx_multiply, tile_bf16_store, amx_peak);
    return dtype == DT_BF16 ? &kernel : NULL;
}
#else
const struct tile_kernel *tile_amx(enum dtype dtype)
{
    (void)dtype;
    return NULL;
}
#endif
