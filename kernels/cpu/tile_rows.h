/* tile_rows: what a tile kernel does (tile.h), in vectors of any width. Included once by the file of an instruction
 * set, which has defined LANES (fp32 numbers of a vector: 4, 8, 16), SPLAT(x) (a vector of equal numbers),
 * MULTIPLY_ADD(a, b, c) (a * b + c), and how much fits into its registers: MOST_VECTORS (columns of sums, in vectors),
 * MOST_ROWS in fp32 and MOST_PAIR_ROWS in bf16. */
#ifndef CPU_TILE_ROWS_H
#define CPU_TILE_ROWS_H
#include "lanes.h"
#include "tile.h"

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef uint32_t lanes_bits __attribute__((vector_size(LANES * sizeof(float))));
/* As they lie in memory. */
typedef float lanes_there __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef float word_there __attribute__((may_alias));

enum { TILE_VECTORS = TILE / LANES, MOST_TILES = MOST_VECTORS / TILE_VECTORS };

INLINE void rows_nothing(void) {}

/* ---- products ---- */

/* What some rows of sums are made of; all but first are constants where the compiler sees them. */
struct some_rows {
    int first, rows, vectors;
    bool deep_adjacent; /* of the left factor's strides one is that of adjacent words, so that the other alone takes a
                           register */
    bool pairs;         /* of bf16 numbers, taken apart: for CPUs that cannot multiply them */
};

INLINE ptrdiff_t right_place(const struct tile_product *product, int vector)
{
    return vector / TILE_VECTORS * product->right_apart + vector % TILE_VECTORS * (ptrdiff_t)sizeof(lanes);
}

/* The first numbers of pairs, and the second ones. */
INLINE lanes low(lanes pairs)
{
    return (lanes)((lanes_bits)pairs << 16);
}
INLINE lanes high(lanes pairs)
{
    return (lanes)((lanes_bits)pairs & 0xFFFF0000u);
}

/* One word of every left row, and of the right factor what meets it. */
INLINE void add_words(lanes sum[MOST_ROWS][MOST_VECTORS], const struct some_rows *some, const char *left,
                      ptrdiff_t row_bytes, const struct tile_product *product, const char *right)
{
    lanes factor[MOST_VECTORS];
    UNROLL
    for (int v = 0; v < some->vectors; v++)
        factor[v] = *(const lanes_there *)(right + right_place(product, v));
    UNROLL
    for (int r = 0; r < some->rows; r++) {
        const lanes value = SPLAT(*(const word_there *)(left + r * row_bytes));
        UNROLL
        for (int v = 0; v < some->vectors; v++)
            if (some->pairs)
                sum[r][v] =
                    MULTIPLY_ADD(high(value), high(factor[v]), MULTIPLY_ADD(low(value), low(factor[v]), sum[r][v]));
            else
                sum[r][v] = MULTIPLY_ADD(value, factor[v], sum[r][v]);
    }
}

INLINE void add_rows(const struct tile_product *product, struct some_rows some)
{
    const ptrdiff_t word = sizeof(float), row_bytes = some.deep_adjacent ? product->row_bytes : word;
    const ptrdiff_t deep_bytes = some.deep_adjacent ? word : product->deep_bytes;
    float *const sums = product->sums + some.first * BLOCK;
    lanes sum[MOST_ROWS][MOST_VECTORS];
    UNROLL
    for (int r = 0; r < some.rows; r++)
        UNROLL
    for (int v = 0; v < some.vectors; v++)
        sum[r][v] = product->add ? (lanes) * (const lanes_there *)(sums + r * BLOCK + v * LANES) : (lanes){0};
    for (int s = 0; s < product->steps; s++) {
        const char *left = product->left + product->left_offset[s] + some.first * row_bytes;
        const char *right = product->right + product->right_offset[s];
        for (int deep = 0; deep < TILE; deep++, left += deep_bytes, right += STEP_BYTES)
            add_words(sum, &some, left, row_bytes, product, right);
    }
    UNROLL
    for (int r = 0; r < some.rows; r++)
        UNROLL
    for (int v = 0; v < some.vectors; v++)
        *(lanes_there *)(sums + r * BLOCK + v * LANES) = sum[r][v];
}

/* As many parts as registers ask for, as even as they can be. */
INLINE void add_all_rows(const struct tile_product *product, int rows, struct some_rows some)
{
    const int most = some.pairs ? MOST_PAIR_ROWS : MOST_ROWS, parts = (rows + most - 1) / most;
    const int least = rows / parts, longer = rows % parts;
    for (int i = 0; i < longer; i++, some.first += some.rows) {
        some.rows = least + 1;
        add_rows(product, some);
    }
    for (int i = longer; i < parts; i++, some.first += some.rows) {
        some.rows = least;
        add_rows(product, some);
    }
}

INLINE void multiply_steps(const struct tile_product *product, bool deep_adjacent, bool pairs)
{
    struct tile_product part = *product;
    for (; part.columns > 0; part.columns -= MOST_TILES) {
        struct some_rows some = {.vectors = TILE_VECTORS, .deep_adjacent = deep_adjacent, .pairs = pairs};
        if (MOST_TILES == 2 && part.columns == 2)
            some.vectors = MOST_VECTORS;
        if (part.rows == 2 && some.vectors == MOST_VECTORS)
            add_all_rows(&part, BLOCK, (struct some_rows){0, 0, MOST_VECTORS, deep_adjacent, pairs});
        else if (part.rows == 2)
            add_all_rows(&part, BLOCK, (struct some_rows){0, 0, TILE_VECTORS, deep_adjacent, pairs});
        else if (some.vectors == MOST_VECTORS)
            add_all_rows(&part, TILE, (struct some_rows){0, 0, MOST_VECTORS, deep_adjacent, pairs});
        else
            add_all_rows(&part, TILE, (struct some_rows){0, 0, TILE_VECTORS, deep_adjacent, pairs});
        part.right += part.right_apart;
        part.sums += TILE;
    }
}

/* Steps whose factors, 4 KiB each, stay in the first cache while they are read for one part of the rows after another.
 */
enum { NEAR_STEPS = 8 };

INLINE void rows_multiply(const struct tile_product *product, bool deep_adjacent, bool pairs)
{
    struct tile_product part = *product;
    int left = product->steps;
    do {
        part.steps = left < NEAR_STEPS ? left : NEAR_STEPS;
        multiply_steps(&part, deep_adjacent, pairs);
        left -= part.steps;
        part.left_offset += part.steps;
        part.right_offset += part.steps;
        part.add = true;
    } while (left > 0);
}

INLINE void rows_multiply_f32(const struct tile_product *product)
{
    if (product->deep_bytes == (ptrdiff_t)sizeof(float))
        rows_multiply(product, true, false);
    else
        rows_multiply(product, false, false);
}

INLINE void rows_multiply_pairs(const struct tile_product *product)
{
    rows_multiply(product, true, true);
}

/* ---- what they could come to ---- */

/* Multiply-adds of registers, as many chains as hide their latency; words: products of a lane. */
INLINE double rows_peak(int words)
{
    enum { CHAINS = 12, TURNS = 500000 };
    const lanes factor = SPLAT(0.999f);
    lanes sum[CHAINS], total = {0};
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        sum[c] = SPLAT((float)c);
    for (int i = 0; i < TURNS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            sum[c] = MULTIPLY_ADD(sum[c], factor, factor);
    }
    for (int c = 0; c < CHAINS; c++)
        total += sum[c];
    volatile float kept = total[0]; /* what would else not be computed */
    (void)kept;
    return 2.0 * words * LANES * CHAINS * TURNS;
}

INLINE double rows_peak_words(void)
{
    return rows_peak(1);
}

/* ---- what is around them ---- */

INLINE void rows_store_vector(enum dtype dtype, char *to, int first, int width, bool add, vec *sum)
{
    vec there;
    if (add) {
        vec_load(&there, to, first, width, dtype);
        *sum += there;
    }
    vec_store(to, first, width, dtype, sum);
}

INLINE void rows_store(enum dtype dtype, const struct tile_store *store)
{
    const float *sums = store->sums;
    char *to = store->to;
    for (int r = 0; r < store->count; r++, sums += store->sums_apart * BLOCK, to += store->to_apart)
        for (int first = 0; first < store->width; first += VEC) {
            const int left = store->width - first;
            vec sum, bias;
            vec_load(&sum, sums, first, VEC, DT_F32);
            vec_load(&bias, store->bias, first, VEC, DT_F32);
            sum += bias;
            if (left >= VEC)
                rows_store_vector(dtype, to, first, VEC, store->add, &sum);
            else
                rows_store_vector(dtype, to, first, left, store->add, &sum);
        }
}

INLINE void rows_store_f32(const struct tile_store *store)
{
    rows_store(DT_F32, store);
}
INLINE void rows_store_bf16(const struct tile_store *store)
{
    rows_store(DT_BF16, store);
}

INLINE void rows_transpose_f32(void *to, const void *from)
{
    for (int row = 0; row < TILE; row++)
        for (int column = 0; column < TILE; column++)
            memcpy((float *)to + column * TILE + row, (const float *)from + row * TILE + column, sizeof(float));
}

INLINE void rows_transpose_bf16(void *to, const void *from)
{
    uint16_t *const number = to;
    for (int deep = 0; deep < TILE; deep++)
        for (int column = 0; column < TILE; column++)
            number[column / 2 * BLOCK + 2 * deep + column % 2] =
                ((const uint16_t *)from)[deep / 2 * BLOCK + 2 * column + deep % 2];
}

INLINE void rows_turn(char *to, ptrdiff_t to_bytes, const char *from, ptrdiff_t from_bytes)
{
    for (int row = 0; row < BLOCK; row++)
        for (int column = 0; column < TILE; column++)
            ((uint16_t *)(to + column * to_bytes))[row] = ((const uint16_t *)(from + row * from_bytes))[column];
}

INLINE void rows_fill_f32(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles)
{
    for (int i = 0; i < count; i++, from += from_bytes, to += STEP_BYTES)
        for (int t = 0; t < tiles; t++)
            memcpy(to + t * to_apart, from + t * STEP_BYTES, STEP_BYTES);
}

INLINE void rows_fill_bf16(char *to, ptrdiff_t to_apart, const char *from, ptrdiff_t from_bytes, int count, int tiles)
{
    for (int i = 0; i < count; i += 2, from += 2 * from_bytes, to += STEP_BYTES)
        for (int t = 0; t < tiles; t++) {
            vec_half first, second;
            memcpy(&first, from + t * BLOCK, sizeof first);
            memcpy(&second, from + from_bytes + t * BLOCK, sizeof second);
            const vec_bits pairs = __builtin_convertvector(first, vec_bits) | __builtin_convertvector(second, vec_bits)
                                                                                  << 16;
            memcpy(to + t * to_apart, &pairs, sizeof pairs);
        }
}

INLINE void rows_lay_f32(float *to, const float *sums)
{
    for (int row = 0; row < TILE; row++)
        for (int column = 0; column < TILE; column++)
            to[column * TILE + row] = sums[row * BLOCK + column];
}

INLINE void rows_lay_bf16(float *to, const float *sums)
{
    for (int row = 0; row < TILE; row++)
        for (int column = 0; column < BLOCK; column++)
            to[column / 2 * BLOCK + 2 * row + column % 2] = sums[row * BLOCK + column];
}

#define TILE_KERNEL_F32(multiply_)                                                                                     \
    {                                                                                                                  \
        .dtype = DT_F32, .depth = TILE, .begin = rows_nothing, .end = rows_nothing, .multiply = multiply_,             \
        .store = rows_store_f32, .transpose = rows_transpose_f32, .fill = rows_fill_f32, .peak = rows_peak_words,      \
        .lay = rows_lay_f32                                                                                            \
    }
#define TILE_KERNEL_BF16(multiply_)                                                                                    \
    {                                                                                                                  \
        .dtype = DT_BF16, .depth = BLOCK, .begin = rows_nothing, .end = rows_nothing, .multiply = multiply_,           \
        .store = rows_store_bf16, .transpose = rows_transpose_bf16, .turn = rows_turn, .fill = rows_fill_bf16,         \
        .peak = rows_peak_words, .lay = rows_lay_bf16                                                                  \
    }
#endif
