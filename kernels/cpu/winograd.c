/* winograd: see winograd.h. A task has a unit of packed pixels (window.h), of which it makes the planes in its thread's
 * memory; then for every 32 columns and 32 patches the products of all planes, and at once their results. */
#include "winograd.h"
#include "direct.h"
#include <omp.h>

enum {
    FEWEST_CHANNELS = 32,                              /* fewer: the transforms take longer than they save */
    FEWEST_ROWS = 4,                                   /* of results, and columns */
    MOST_POSITIONS = 512,                              /* of a unit */
    PLANES_BYTES = 1 << 20,                            /* of a unit, about */
    LINE = 64,                                         /* planes are not to share sets of the cache */
    SUMS_APART = BLOCK * BLOCK + LINE / sizeof(float), /* of a plane's sums from the next's */
};

bool winograd_fits(const struct direct *direct, const union op_params *params)
{
    const int in = direct->in.c, out = direct->out.c;
    return direct->kernel->dtype == DT_F32 && params->conv2d.stride == 1 && params->conv2d.kernel_h == 3 &&
           params->conv2d.kernel_w == 3 && in % TILE == 0 && out % TILE == 0 && in >= FEWEST_CHANNELS &&
           out >= FEWEST_CHANNELS && direct->out.h >= FEWEST_ROWS && direct->out.w >= FEWEST_ROWS;
}

struct shape winograd_grid(struct shape grid)
{
    grid.h += grid.h % 2;
    grid.w += grid.w % 2;
    return grid;
}

/* Four numbers of planes for each position. */
int winograd_positions(int channels)
{
    const int fitting = PLANES_BYTES / (4 * channels * (int)sizeof(float));
    return fitting < MOST_POSITIONS ? fitting : MOST_POSITIONS;
}

int winograd_row_patches(const struct window *window)
{
    return window->grid_w / 2 * window->side;
}

/* The first source row and column that taps read, relative to a position's. */
static struct tap first_tap(const struct window *window)
{
    struct tap first = window->taps[0];
    for (int t = 1; t < window->tap_count; t++) {
        first.h = window->taps[t].h < first.h ? window->taps[t].h : first.h;
        first.w = window->taps[t].w < first.w ? window->taps[t].w : first.w;
    }
    return first;
}

void winograd_init(struct direct_pass *pass)
{
    const struct window *window = &pass->window;
    const int64_t patches = (int64_t)window->band / 2 * winograd_row_patches(window);
    const int64_t rows = ceil_div(patches, BLOCK) * BLOCK; /* the last product reads whole tiles */
    pass->plane_bytes = (rows * window_entry_bytes(window->tap_steps) / LINE | 1) * LINE;
    pass->scratch_bytes = (size_t)pass->column_tiles * WINOGRAD_PLANES * (size_t)window->tap_steps * TILE_BYTES;
    for (int s = 0; s < window->tap_steps; s++)
        pass->offset[s] = s * STEP_BYTES;
}

size_t winograd_thread_bytes(const struct direct_pass *pass)
{
    return pass->plane_bytes ? WINOGRAD_PLANES * ((size_t)pass->plane_bytes + SUMS_APART * sizeof(float)) : 0;
}

void winograd_right(struct device *device, const struct direct *direct, const struct direct_pass *pass,
                    const void *weights, char *right, char *scratch)
{
    const struct window *window = &pass->window;
    const int tap_steps = window->tap_steps;
    const struct tap first = first_tap(window);
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int block = 0; block < ceil_div(pass->column_tiles, 2); block++) {
        const int step_bytes = block_tiles(pass->column_tiles, block) * TILE_BYTES;
        const char *from = (const char *)weights + block_first(pass->steps, block);
        char *const to = right + block_first(WINOGRAD_PLANES * tap_steps, block);
        if (pass->panel_bytes) {
            char *const panel = scratch + (size_t)omp_get_thread_num() * direct_thread_bytes(pass);
            direct_transpose_block(direct, pass, weights, block, panel);
            from = panel;
        }
        for (int step = 0; step < tap_steps; step++) {
            const float *taps[WINOGRAD_TAPS];
            float *planes[WINOGRAD_PLANES];
            for (int t = 0; t < WINOGRAD_TAPS; t++)
                taps[(window->taps[t].h - first.h) * 3 + window->taps[t].w - first.w] =
                    (const float *)(from + (ptrdiff_t)(t * tap_steps + step) * step_bytes);
            for (int p = 0; p < WINOGRAD_PLANES; p++)
                planes[p] = (float *)(to + (ptrdiff_t)(p * tap_steps + step) * step_bytes);
            direct->vector->winograd_taps(planes, taps, step_bytes / (int)sizeof(float));
        }
    }
}

void winograd_each(const struct window *window, const struct unit *unit, struct winograd_patch patch,
                   ptrdiff_t patch_apart, void (*transform)(const struct winograd_patch *patch))
{
    const ptrdiff_t entry = unit->entry_bytes / (ptrdiff_t)sizeof(float), row = window_row_entries(window) * entry;
    const float *const first =
        (const float *)unit->entries + (first_tap(window).w + window->lead) * window->side * entry;
    patch.row_apart = row;
    patch.column_apart = window->side * entry;
    for (int h = 0; h < unit->rows; h += 2)
        for (int w = 0; w < window->grid_w; w += 2)
            for (int image = 0; image < window->side; image++, patch.to += patch_apart) {
                patch.from = first + h * row + (w * window->side + image) * entry;
                transform(&patch);
            }
}

void winograd_planes(const struct pass_run *run, const struct unit *unit, char *planes)
{
    const struct winograd_patch patch = {.to = (float *)planes,
                                         .plane_apart = run->pass->plane_bytes / (ptrdiff_t)sizeof(float),
                                         .tile_apart = TILE,
                                         .lanes = run->pass->window.channels};
    winograd_each(&run->pass->window, unit, patch, unit->entry_bytes / (ptrdiff_t)sizeof(float),
                  run->direct->vector->winograd_source);
}

/* The results of `count` patches from `first` on, 32 columns of each. */
static void store_patches(const struct pass_run *run, const struct unit *unit, int first, int count, int block,
                          const float *sums, const float *bias)
{
    const struct direct_pass *pass = run->pass;
    const struct window *window = &pass->window;
    const struct shape out = pass->out;
    const int side = window->side, of_row = winograd_row_patches(window), left = out.c - block * BLOCK;
    struct winograd_patch patch = {.from = sums,
                                   .plane_apart = SUMS_APART,
                                   .row_apart = (ptrdiff_t)out.w * pass->out_numbers,
                                   .column_apart = pass->out_numbers,
                                   .lanes = left < BLOCK ? left : BLOCK,
                                   .bias = bias,
                                   .add = run->add};
    int row = first / of_row * 2, column = first % of_row / side * 2, image = first % side;
    for (int i = 0; i < count; i++, patch.from += BLOCK) {
        const int h = unit->first_row + row;
        if (image < unit->images && h < out.h && column < out.w) {
            patch.rows = out.h - h < 2 ? 1 : 2;
            patch.columns = out.w - column < 2 ? 1 : 2;
            patch.to = (float *)run->out + block * BLOCK +
                       (((int64_t)(unit->first_image + image) * out.h + h) * out.w + column) * pass->out_numbers;
            run->direct->vector->winograd_results(&patch);
        }
        if (++image == side) {
            image = 0;
            column += 2;
        }
        if (column == window->grid_w) {
            column = 0;
            row += 2;
        }
    }
}

void winograd_block(const struct pass_run *run, const struct unit *unit, char *planes, int block, const float *bias)
{
    const struct direct_pass *pass = run->pass;
    const struct window *window = &pass->window;
    const int patches = unit->rows / 2 * winograd_row_patches(window), columns = block_tiles(pass->column_tiles, block);
    const char *const right = run->right + block_first(WINOGRAD_PLANES * window->tap_steps, block);
    float *const sums = (float *)(planes + WINOGRAD_PLANES * pass->plane_bytes);
    struct tile_product product = {
        .left_offset = pass->offset,
        .right_offset = pass->right_offset[columns - 1],
        .right_apart = TILE_BYTES,
        .row_bytes = unit->entry_bytes,
        .deep_bytes = window->number_bytes,
        .steps = window->tap_steps,
        .columns = columns,
    };
    for (int first = 0; first < patches; first += BLOCK) {
        const int count = patches - first < BLOCK ? patches - first : BLOCK;
        product.rows = ceil_div(count, TILE);
        for (int p = 0; p < WINOGRAD_PLANES; p++) {
            product.left = planes + p * pass->plane_bytes + first * unit->entry_bytes;
            product.right = right + (ptrdiff_t)p * window->tap_steps * columns * TILE_BYTES;
            product.sums = sums + p * SUMS_APART;
            run->kernel->multiply(&product);
        }
        store_patches(run, unit, first, count, block, sums, bias);
    }
}
