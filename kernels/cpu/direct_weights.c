/* direct_weights: the layout of weights (see direct.h), from and to the canonical one, and the right factors of the
 * pass by data. Must not know how products are computed. */
#include "direct.h"
#include <string.h>

int64_t direct_weight_count(const struct direct *direct)
{
    const struct direct_pass *forward = &direct->forward;
    return (int64_t)forward->right_bytes / forward->window.number_bytes;
}

/* The element of a filter's number `deep` of all steps; filters of all groups are counted through. */
static int64_t place(const struct direct *direct, int filter, int64_t deep)
{
    const struct tile_kernel *kernel = direct->kernel;
    const int64_t group_first = filter / direct->out.c * direct_weight_count(direct);
    filter %= direct->out.c;
    const int each = direct->forward.window.number_bytes, block = filter / BLOCK;
    const int tiles = block_tiles(direct->forward.column_tiles, block);
    const int64_t tile = deep / kernel->depth * tiles + filter % BLOCK / TILE;
    return group_first + (block_first(direct->forward.steps, block) + tile * TILE_BYTES) / each +
           tile_index(kernel, (int)(deep % kernel->depth), filter % TILE);
}

/* Either way between the layouts: numbers of a filter's tap that lie in one step at a time. */
static void move_weights(const struct direct *direct, float *own, float *canonical, bool packs)
{
    const int depth = direct->kernel->depth, taps = direct->pack_taps, channels = direct->pack_channels;
    for (int filter = 0; filter < direct->groups * direct->out.c; filter++, canonical += (int64_t)channels * taps)
        for (int t = 0; t < taps; t++)
            for (int c = 0, end; c < channels; c = end) {
                const int64_t deep = (int64_t)t * direct->tap_stride + c;
                const int within = (int)(deep % depth), left = channels - c;
                float *const step = own + place(direct, filter, deep - within);
                end = c + (left < depth - within ? left : depth - within);
                for (int i = c; i < end; i++) {
                    float *const ours = step + tile_index(direct->kernel, within + i - c, 0);
                    float *const theirs = canonical + (int64_t)i * taps + t;
                    if (packs)
                        *ours = *theirs;
                    else
                        *theirs = *ours;
                }
            }
}

void direct_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct direct *direct = state;
    if (weight > 0) {
        memcpy(own, canonical, (size_t)(direct->groups * direct->out.c) * sizeof(float));
        return;
    }
    memset(own, 0, (size_t)(direct_weight_count(direct) * direct->groups) * sizeof(float));
    move_weights(direct, own, (float *)(uintptr_t)canonical, true);
}

void direct_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct direct *direct = state;
    if (weight > 0)
        memcpy(canonical, own, (size_t)(direct->groups * direct->out.c) * sizeof(float));
    else
        move_weights(direct, (float *)(uintptr_t)own, canonical, false);
}

/* ---- for the pass by data ---- */

struct transposing {
    const struct direct *direct;
    const struct direct_pass *pass;
    const char *weights;
    char *right;
    int64_t first; /* what lies there, bytes */
};

/* Sixteen rows of a tile: where they lie for this step of 16 numbers and these 16 columns. */
static int64_t sixteen(const struct tile_kernel *kernel, int steps, int column_tiles, int number_tile, int column_tile,
                       int first_step)
{
    const int sixteens = kernel->depth / TILE, block = column_tile / 2;
    const int64_t step = first_step + number_tile / sixteens;
    return block_first(steps, block) + (step * block_tiles(column_tiles, block) + column_tile % 2) * TILE_BYTES +
           number_tile % sixteens * (TILE_BYTES / sixteens);
}

/* All filters for 16 channels of a tap, where both layouts hold whole steps of channels. */
static void transpose_whole(const struct transposing *work, int tap, int channel_tile)
{
    const struct tile_kernel *kernel = work->direct->kernel;
    const struct direct_pass *forward = &work->direct->forward, *pass = work->pass;
    const int sixteens = kernel->depth / TILE, number = pass->window.taps[tap].number;
    const int from_step = number * forward->window.tap_steps, to_step = tap * pass->window.tap_steps;
    for (int filter_tile = 0; filter_tile < pass->window.tap_steps * sixteens; filter_tile++) {
        char *to = work->right +
                   (sixteen(kernel, pass->steps, pass->column_tiles, filter_tile, channel_tile, to_step) - work->first);
        if (filter_tile < forward->column_tiles)
            kernel->transpose(to, work->weights + sixteen(kernel, forward->steps, forward->column_tiles, channel_tile,
                                                          filter_tile, from_step));
        else
            memset(to, 0, TILE_BYTES / sixteens);
    }
}

/* The same, element by element: of layers with few channels, whose steps hold several taps. */
static void transpose_few(const struct transposing *work, int tap, int channel_tile)
{
    const struct tile_kernel *kernel = work->direct->kernel;
    const struct direct_pass *pass = work->pass;
    const int each = pass->window.number_bytes, number = pass->window.taps[tap].number, block = channel_tile / 2;
    const int tiles = block_tiles(pass->column_tiles, block), filters = pass->window.channels;
    for (int filter = 0; filter < filters; filter++) {
        const int64_t step = tap * pass->window.tap_steps + filter / kernel->depth;
        char *tile = work->right + block_first(pass->steps, block) + (step * tiles + channel_tile % 2) * TILE_BYTES;
        for (int column = 0; column < TILE; column++) {
            const int channel = channel_tile * TILE + column;
            char *to = tile + tile_index(kernel, filter % kernel->depth, column) * each;
            if (channel < work->direct->in.c && filter < work->direct->out.c) {
                const int64_t deep = (int64_t)number * work->direct->tap_stride + channel;
                memcpy(to, work->weights + place(work->direct, filter, deep) * each, (size_t)each);
            } else {
                memset(to, 0, (size_t)each);
            }
        }
    }
}

void direct_transpose_block(const struct direct *direct, const struct direct_pass *pass, const void *weights, int block,
                            void *panel)
{
    const struct transposing work = {direct, pass, weights, panel, block_first(pass->steps, block)};
    const int taps = pass->window.kind == PACK_PIXELS ? pass->window.tap_count : 1;
    for (int tile = 0; tile < block_tiles(pass->column_tiles, block); tile++)
        for (int tap = 0; tap < taps; tap++)
            transpose_whole(&work, tap, 2 * block + tile);
}

void direct_transpose(struct device *device, const struct direct *direct, const struct direct_pass *pass,
                      const void *weights, void *right)
{
    const struct transposing work = {direct, pass, weights, right, 0};
    const int taps = pass->window.kind == PACK_PIXELS ? pass->window.tap_count : 1;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device->threads)
    for (int channel_tile = 0; channel_tile < pass->column_tiles; channel_tile++)
        for (int tap = 0; tap < taps; tap++)
            transpose_few(&work, tap, channel_tile);
}
