/* winograd_grad: the gradient of the weights by winograd.h: of each plane the product of the outputs' gradient and the
 * source, summed over patches; of all planes' sums the nine taps. Called for a task's units by direct_grad.c. */
#include "direct_grad.h"
#include <string.h>

enum { LINE = 64 };

static ptrdiff_t odd_lines(ptrdiff_t bytes)
{
    return ((bytes + LINE - 1) / LINE | 1) * LINE;
}

static ptrdiff_t left_bytes(const struct direct_grad *grad)
{
    return window_entry_bytes(grad->grads.tap_steps);
}

/* The last step has fewer patches: the rest are zeros in both factors. */
static void clear_beyond(const struct grad_task *task, int patches, int steps)
{
    const struct direct_grad *grad = &task->run->direct->grad;
    const size_t beyond = (size_t)(steps * TILE - patches);
    for (int p = 0; p < WINOGRAD_PLANES; p++) {
        memset(task->left + p * grad->left_plane + patches * left_bytes(grad), 0, beyond * (size_t)left_bytes(grad));
        for (int tile = 0; tile < 2 * task->blocks; tile++)
            memset(task->filled + p * grad->right_plane + tile * grad->right_apart + (ptrdiff_t)patches * STEP_BYTES, 0,
                   beyond * STEP_BYTES);
    }
}

static void make_planes(const struct grad_task *task)
{
    const struct direct *direct = task->run->direct;
    const struct direct_grad *grad = &direct->grad;
    const ptrdiff_t each = sizeof(float);
    const int numbers = grad->window.channels - task->first_block * BLOCK;
    const struct winograd_patch right = {.to = (float *)task->filled,
                                         .plane_apart = grad->right_plane / each,
                                         .tile_apart = grad->right_apart / each,
                                         .lanes = numbers < task->blocks * BLOCK ? numbers : task->blocks * BLOCK};
    const struct winograd_patch left = {
        .to = (float *)task->left, .plane_apart = grad->left_plane / each, .tile_apart = TILE, .lanes = direct->out.c};
    winograd_each(&grad->window, &task->unit, right, TILE, direct->vector->winograd_source);
    winograd_each(&grad->grads, &task->grads, left, left_bytes(grad) / each, direct->vector->winograd_grads);
}

void winograd_grad_unit(const struct grad_task *task)
{
    const struct direct *direct = task->run->direct;
    const struct direct_grad *grad = &direct->grad;
    const int patches = task->unit.rows / 2 * winograd_row_patches(&grad->window), steps = ceil_div(patches, TILE);
    make_planes(task);
    clear_beyond(task, patches, steps);
    for (int s = 0; s < steps; s++) {
        task->left_offset[s] = s * TILE * (int32_t)left_bytes(grad);
        task->right_offset[s] = s * TILE_BYTES;
    }
    struct tile_product product = {.left_offset = task->left_offset,
                                   .right_offset = task->right_offset,
                                   .row_bytes = sizeof(float),
                                   .deep_bytes = left_bytes(grad),
                                   .right_apart = grad->right_apart,
                                   .steps = steps,
                                   .sums = task->sums,
                                   .add = true};
    for (int n = 0; n < task->blocks; n++) {
        product.columns = grad->window.channels - (task->first_block + n) * BLOCK <= TILE ? 1 : 2;
        for (int block = 0; block < grad->column_blocks; block++) {
            product.rows = block_tiles(direct->forward.column_tiles, block);
            for (int p = 0; p < WINOGRAD_PLANES; p++, product.sums += BLOCK_SUMS) {
                product.left = task->left + p * grad->left_plane + block * BLOCK * product.row_bytes;
                product.right = task->filled + p * grad->right_plane + 2 * n * grad->right_apart;
                direct->kernel->multiply(&product);
            }
        }
    }
}

void winograd_grad_finish(const struct grad_run *run, float *sums, int slices, int n, int block)
{
    const struct direct_grad *grad = &run->direct->grad;
    for (int s = 1; s < slices; s++) {
        const float *more = sums + (size_t)s * (grad->sums_bytes / sizeof *sums);
        for (int i = 0; i < WINOGRAD_PLANES * BLOCK_SUMS; i++)
            sums[i] += more[i];
    }
    run->direct->vector->winograd_grad_taps(sums, BLOCK_SUMS, BLOCK_SUMS);
    for (int tap = 0; tap < WINOGRAD_TAPS; tap++)
        direct_grad_finish(run, sums + tap * BLOCK_SUMS, 1, n, block, tap);
}

void winograd_grad_reserve(struct direct_grad *grad)
{
    const int patches = grad->window.band / 2 * winograd_row_patches(&grad->window), steps = ceil_div(patches, TILE);
    grad->right_apart = odd_lines((ptrdiff_t)steps * TILE_BYTES);
    grad->right_plane = grad->right_apart * 2 * grad->chunk_blocks;
    grad->right_bytes = (size_t)grad->right_plane * WINOGRAD_PLANES;
    grad->left_plane = odd_lines(steps * TILE * left_bytes(grad));
    grad->left_bytes = (size_t)grad->left_plane * WINOGRAD_PLANES;
    grad->offset_bytes = 2 * (size_t)odd_lines(steps * (ptrdiff_t)sizeof(int32_t));
}
