/* vector_winograd: Winograd's transforms for F(2x2, 3x3) (winograd.h), channels in vectors: additions and halves alone,
 * so that results are the same in every instruction set. */
#ifndef CPU_VECTOR_WINOGRAD_H
#define CPU_VECTOR_WINOGRAD_H
#include "tile.h"
#include "vector_register.h"
#include "winograd.h"

INLINE vector plane_load(const float *values, ptrdiff_t i)
{
    return vector_load(values, i, VECTOR, DT_F32);
}
INLINE void plane_store(float *values, ptrdiff_t i, vector value)
{
    vector_store(values, i, VECTOR, DT_F32, value);
}

/* Of the plane (h, w). */
INLINE void planes_store(const struct winograd_patch *patch, int h, int w, int c, vector value)
{
    const ptrdiff_t tile = c / TILE * patch->tile_apart + c % TILE;
    plane_store(patch->to, (4 * h + w) * patch->plane_apart + tile, value);
}

/* Four numbers of the source in a line. */
INLINE void from_four(const vector d[4], vector to[4])
{
    to[0] = d[0] - d[2];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[1] - d[3];
}

static void winograd_source(const struct winograd_patch *patch)
{
    const ptrdiff_t row = patch->row_apart, column = patch->column_apart;
    for (int c = 0; c < patch->lanes; c += VECTOR) {
        vector across[4][4];
        for (int h = 0; h < 4; h++) {
            const float *from = patch->from + h * row + c;
            const vector line[4] = {plane_load(from, 0), plane_load(from, column), plane_load(from, 2 * column),
                                    plane_load(from, 3 * column)};
            from_four(line, across[h]);
        }
        for (int w = 0; w < 4; w++) {
            const vector line[4] = {across[0][w], across[1][w], across[2][w], across[3][w]};
            vector down[4];
            from_four(line, down);
            for (int h = 0; h < 4; h++)
                planes_store(patch, h, w, c, down[h]);
        }
    }
}

/* Two numbers of the outputs' gradient in a line. */
INLINE void from_two(const vector y[2], vector to[4])
{
    to[0] = y[0];
    to[1] = y[0] + y[1];
    to[2] = y[0] - y[1];
    to[3] = -y[1];
}

static void winograd_grads(const struct winograd_patch *patch)
{
    for (int c = 0; c < patch->lanes; c += VECTOR) {
        vector across[2][4];
        for (int h = 0; h < 2; h++) {
            const float *from = patch->from + h * patch->row_apart + c;
            const vector line[2] = {plane_load(from, 0), plane_load(from, patch->column_apart)};
            from_two(line, across[h]);
        }
        for (int w = 0; w < 4; w++) {
            const vector line[2] = {across[0][w], across[1][w]};
            vector down[4];
            from_two(line, down);
            for (int h = 0; h < 4; h++)
                planes_store(patch, h, w, c, down[h]);
        }
    }
}

static void winograd_results(const struct winograd_patch *patch)
{
    const ptrdiff_t plane = patch->plane_apart;
    for (int c = 0; c < patch->lanes; c += VECTOR) {
        vector across[4][2];
        for (int h = 0; h < 4; h++) {
            const float *from = patch->from + 4 * h * plane + c;
            const vector middle = plane_load(from, plane), other = plane_load(from, 2 * plane);
            across[h][0] = plane_load(from, 0) + middle + other;
            across[h][1] = middle - other - plane_load(from, 3 * plane);
        }
        const vector bias = plane_load(patch->bias, c);
        for (int w = 0; w < patch->columns; w++) {
            const vector result[2] = {across[0][w] + across[1][w] + across[2][w] + bias,
                                      across[1][w] - across[2][w] - across[3][w] + bias};
            for (int h = 0; h < patch->rows; h++) {
                const ptrdiff_t at = h * patch->row_apart + w * patch->column_apart + c;
                plane_store(patch->to, at, patch->add ? result[h] + plane_load(patch->to, at) : result[h]);
            }
        }
    }
}

/* Three taps in a line. */
INLINE void from_three(const vector g[3], vector to[4])
{
    const vector ends = 0.5f * (g[0] + g[2]), middle = 0.5f * g[1];
    to[0] = g[0];
    to[1] = ends + middle;
    to[2] = ends - middle;
    to[3] = g[2];
}

static void winograd_taps(float *const to[], const float *const taps[], int count)
{
    for (int i = 0; i < count; i += VECTOR) {
        vector across[3][4];
        for (int h = 0; h < 3; h++) {
            const vector line[3] = {plane_load(taps[3 * h], i), plane_load(taps[3 * h + 1], i),
                                    plane_load(taps[3 * h + 2], i)};
            from_three(line, across[h]);
        }
        for (int w = 0; w < 4; w++) {
            const vector line[3] = {across[0][w], across[1][w], across[2][w]};
            vector down[4];
            from_three(line, down);
            for (int h = 0; h < 4; h++)
                plane_store(to[4 * h + w], i, down[h]);
        }
    }
}

/* Four planes' sums in a line. */
INLINE void to_three(const vector u[4], vector g[3])
{
    const vector both = 0.5f * (u[1] + u[2]);
    g[0] = u[0] + both;
    g[1] = 0.5f * (u[1] - u[2]);
    g[2] = both + u[3];
}

static void winograd_grad_taps(float *sums, ptrdiff_t apart, int count)
{
    for (int i = 0; i < count; i += VECTOR) {
        vector across[4][3];
        for (int h = 0; h < 4; h++) {
            const float *from = sums + 4 * h * apart + i;
            const vector line[4] = {plane_load(from, 0), plane_load(from, apart), plane_load(from, 2 * apart),
                                    plane_load(from, 3 * apart)};
            to_three(line, across[h]);
        }
        for (int w = 0; w < 3; w++) {
            const vector line[4] = {across[0][w], across[1][w], across[2][w], across[3][w]};
            vector down[3];
            to_three(line, down);
            for (int h = 0; h < 3; h++)
                plane_store(sums, (3 * h + w) * apart + i, down[h]);
        }
    }
}
#endif
