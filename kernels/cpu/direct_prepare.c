/* direct_prepare: what convolution and linear layers need to know before they run (direct.h): windows, steps, memory.
 * Computes nothing. */
#include "direct.h"
#include <stdlib.h>

enum { UNIT_POSITIONS = 512 }; /* grid positions that are packed at a time, about */

/* by_patches: by winograd.h. */
static int pass_init(struct direct_pass *pass, const struct direct *direct, struct shape source, struct shape grid,
                     int step, struct tap *taps, int tap_count, enum pack_kind kind, bool by_patches)
{
    struct window *window = &pass->window;
    window_init(window, direct->kernel, source, direct->groups, by_patches ? winograd_grid(grid) : grid, step, taps,
                tap_count, kind, BLOCK, false, by_patches ? winograd_positions(source.c) : UNIT_POSITIONS);
    pass->column_tiles = ceil_div(pass->out.c, TILE);
    pass->in_place = direct_in_place(window);
    const int used_taps = window->kind == PACK_PIXELS ? tap_count : 1;
    pass->steps = used_taps * window->tap_steps;
    pass->offset = malloc(3 * (size_t)pass->steps * sizeof *pass->offset);
    if (!pass->offset)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    const ptrdiff_t entry_bytes = window_entry_bytes(window->tap_steps);
    for (int s = 0; s < pass->steps; s++)
        pass->offset[s] = (int32_t)(window_tap_entry(window, s / window->tap_steps) * entry_bytes +
                                    s % window->tap_steps * STEP_BYTES);
    for (int tiles = 1; tiles <= 2; tiles++) {
        pass->right_offset[tiles - 1] = pass->offset + tiles * pass->steps;
        for (int s = 0; s < pass->steps; s++)
            pass->right_offset[tiles - 1][s] = s * tiles * TILE_BYTES;
    }
    pass->unit_bytes = window_unit_bytes(window, entry_bytes);
    pass->right_bytes = (size_t)pass->column_tiles * (size_t)pass->steps * TILE_BYTES;
    if (by_patches)
        winograd_init(pass);
    return OK;
}

static struct tap *new_taps(int count)
{
    return malloc((size_t)count * sizeof(struct tap));
}

/* The kernel's taps in row-major order, as the forward pass reads them. */
static struct tap *forward_taps(const union op_params *params)
{
    const int height = params->conv2d.kernel_h, width = params->conv2d.kernel_w;
    struct tap *taps = new_taps(height * width);
    for (int t = 0; taps && t < height * width; t++)
        taps[t] = (struct tap){t / width - params->conv2d.pad_h, t % width - params->conv2d.pad_w, t};
    return taps;
}

/* Input pixels with remainders (top, left) of stride read output pixels: those whose windows cover them. */
static int data_init(struct direct *direct, const union op_params *params, int top, int left)
{
    const int stride = params->conv2d.stride, width = params->conv2d.kernel_w;
    const struct shape in = direct->in;
    const struct shape grid = {in.n, ceil_div(in.h - top, stride), ceil_div(in.w - left, stride), in.c};
    struct tap *taps = new_taps(params->conv2d.kernel_h * width);
    if (!taps)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    int count = 0;
    for (int h = 0; h < params->conv2d.kernel_h; h++)
        for (int w = 0; w < width; w++) {
            const int row = top + params->conv2d.pad_h - h, column = left + params->conv2d.pad_w - w;
            if (row % stride == 0 && column % stride == 0)
                taps[count++] = (struct tap){row / stride, column / stride, h * width + w};
        }
    if (count == 0 || grid.h < 1 || grid.w < 1) {
        free(taps);
        direct->data_gaps = true;
        return OK;
    }
    struct direct_pass *pass = &direct->data[direct->data_count];
    *pass = (struct direct_pass){.out = in,
                                 .out_numbers = in.c * direct->groups,
                                 .out_top = top,
                                 .out_left = left,
                                 .out_step = stride,
                                 .right_first = direct_right_bytes(direct)};
    direct->data_count++;
    TRY(pass_init(pass, direct, direct->out, grid, 1, taps, count, stride == 1 ? PACK_NOTHING : PACK_PIXELS,
                  winograd_fits(direct, params)));
    if (direct->forward.window.kind != PACK_WINDOWS)
        pass->panel_bytes = (size_t)block_tiles(pass->column_tiles, 0) * (size_t)pass->steps * TILE_BYTES;
    else
        pass->scratch_bytes = pass->right_bytes;
    return OK;
}

static int direct_build(struct device *device, struct direct *direct, const union op_params *params,
                        const struct op_desc *desc, struct op_needs *needs)
{
    struct tap *taps = forward_taps(params);
    const int tap_count = params->conv2d.kernel_h * params->conv2d.kernel_w, stride = params->conv2d.stride;
    if (!taps)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    /* Whole entries of which half is zeros are made sooner than windows. */
    const bool few = (2 * direct->in.c < direct->kernel->depth && tap_count > 1) || stride > STEP_MOST;
    direct->forward =
        (struct direct_pass){.out = direct->out, .out_numbers = direct->out.c * direct->groups, .out_step = 1};
    TRY(pass_init(&direct->forward, direct, direct->in, direct->out, stride, taps, tap_count,
                  few ? PACK_WINDOWS : PACK_NOTHING, winograd_fits(direct, params)));
    if (!direct->tap_stride)
        direct->tap_stride = few ? direct->in.c : direct->forward.window.channels;
    const size_t threads = (size_t)device->threads;
    needs->scratch_bytes = direct->forward.scratch_bytes + threads * direct_thread_bytes(&direct->forward);
    if (!desc->training)
        return OK;
    struct tap *again = forward_taps(params);
    if (!again)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    TRY(direct_grad_init(direct, stride, again, tap_count, winograd_fits(direct, params)));
    direct->data = desc->in_grad[0] ? malloc((size_t)tap_count * sizeof *direct->data) : NULL;
    if (desc->in_grad[0] && !direct->data)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    for (int i = 0; desc->in_grad[0] && i < stride * stride; i++)
        TRY(data_init(direct, params, i / stride, i % stride));
    size_t largest = direct_grad_scratch(&direct->grad, device->threads);
    for (int i = 0; i < direct->data_count; i++) {
        const struct direct_pass *pass = &direct->data[i];
        const size_t bytes = direct_right_bytes(direct) + threads * direct_thread_bytes(pass);
        largest = bytes > largest ? bytes : largest;
    }
    if (largest > needs->scratch_bytes)
        needs->scratch_bytes = largest;
    return OK;
}

static void direct_release(void *state)
{
    struct direct *direct = state;
    if (!direct)
        return;
    window_release(&direct->forward.window);
    free(direct->forward.offset);
    for (int i = 0; i < direct->data_count; i++) {
        window_release(&direct->data[i].window);
        free(direct->data[i].offset);
    }
    free(direct->data);
    direct_grad_release(&direct->grad);
    free(direct);
}

static int prepare(struct device *device, const struct op_desc *desc, const struct direct *model,
                   const union op_params *params, void **state, struct op_needs *needs)
{
    struct direct *direct = malloc(sizeof *direct);
    *state = NULL;
    if (!direct)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    *direct = *model;
    direct->kernel = tile_kernel_of(device->set, desc->dtype);
    direct->vector = device->vector;
    direct->training = desc->training;
    const int status = direct_build(device, direct, params, desc, needs);
    if (status < 0) {
        direct_release(direct);
        return status;
    }
    if (desc->norm_after) {
        const struct conv_sums sums = {direct->forward.window.unit_count,
                                       (int64_t)ceil_div((int64_t)direct->out.c * direct->groups, TILE) * TILE};
        direct->conv.sums = sums;
        needs->gives_sums = true;
        needs->saved_bytes = sums_bytes(&sums);
    }
    needs->adds_grad = desc->in_grad[0];
    needs->weight[0].count = direct_weight_count(direct) * direct->groups;
    needs->weight[0].dtype = desc->dtype;
    if (direct->bias) {
        needs->weight[1].count = direct->out.c * direct->groups;
        needs->weight[1].dtype = DT_F32;
    }
    *state = direct;
    return OK;
}

static int conv_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const union op_params *params = desc->params;
    const int groups = params->conv2d.groups;
    const struct shape in = desc->in[0], out = desc->out;
    const struct direct model = {
        .conv.impl = &cpu_direct,
        .in = {in.n, in.h, in.w, in.c / groups},
        .out = {out.n, out.h, out.w, out.c / groups},
        .groups = groups,
        .pack_taps = params->conv2d.kernel_h * params->conv2d.kernel_w,
        .pack_channels = in.c / groups,
        .bias = params->conv2d.bias,
    };
    TRY(prepare(device, desc, &model, params, state, needs));
    /* Packing rounds and rectifies on its way, for less than it costs to write and read what it packs. */
    const struct direct *direct = *state;
    const bool packs = direct->forward.window.kind != PACK_WINDOWS;
    needs->makes_norm = desc->norm_before && packs;
    needs->remakes_norm = desc->norm_above && packs;
    return OK;
}

/* A linear layer is a 1x1 convolution of pixels that hold the whole row. */
static int linear_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    const struct shape in = desc->in[0];
    const union op_params one = {.conv2d = {.filters = desc->out.c, .kernel_h = 1, .kernel_w = 1, .stride = 1}};
    const struct direct model = {
        .in = {in.n, 1, 1, in.h * in.w * in.c},
        .out = desc->out,
        .groups = 1,
        .pack_taps = in.h * in.w,
        .pack_channels = in.c,
        .tap_stride = in.c,
        .bias = desc->params->linear.bias,
    };
    return prepare(device, desc, &model, &one, state, needs);
}

const struct op_impl cpu_direct = {
    .prepare = conv_prepare,
    .forward = direct_forward,
    .backward = direct_backward,
    .release = direct_release,
    .pack = direct_pack,
    .unpack = direct_unpack,
};

const struct op_impl cpu_linear = {
    .prepare = linear_prepare,
    .forward = direct_forward,
    .backward = direct_backward,
    .release = direct_release,
    .pack = direct_pack,
    .unpack = direct_unpack,
};
