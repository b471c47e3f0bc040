/* direct: the forward pass and the pass by data of convolution and linear layers, both a product of packed pixels and
 * right factors. The gradient of the weights is in direct_grad.c, layouts of weights in direct_weights.c. */
#include "direct.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNIT_POSITIONS = 512, /* grid positions that are packed at a time, about */
    TOGETHER = 16,        /* units that share a visit to the weights, at most */
    TOGETHER_BYTES = 768 << 10,
    LINE = 64
};

/* ---- running a pass ---- */

struct pass_run {
    const struct tile_kernel *kernel;
    const struct direct_pass *pass;
    const void *source;
    const char *right; /* unless each block's are made of the weights */
    const struct direct *direct;
    const void *weights;
    const float *bias; /* or NULL */
    void *out;
    bool add; /* to what lies in out */
    char *scratch; /* of all threads */
    int together;  /* units of a task */
    int parts;     /* tasks that share units, each with some of the blocks of columns */
};

/* The results of `count` grid positions from `first` on, 32 columns of each. */
static void store_block(const struct pass_run *run, const struct unit *unit, int grid_row, int first, int count,
                        int block, const float *bias, const float *sums)
{
    const struct direct_pass *pass = run->pass;
    const struct window *window = &pass->window;
    const struct shape out = pass->out;
    const ptrdiff_t each = window->number_bytes, pixel_bytes = pass->out_numbers * each;
    struct tile_store store = {.to = (char *)run->out + block * BLOCK * each,
                               .to_apart = pass->out_step * pixel_bytes,
                               .sums = sums,
                               .bias = bias,
                               .sums_apart = window->side,
                               .count = count,
                               .width = out.c - block * BLOCK < BLOCK ? out.c - block * BLOCK : BLOCK,
                               .add = run->add};
    if (window->kind == PACK_NOTHING) {
        store.to += ((int64_t)grid_row * window->grid_w + first) * pixel_bytes;
        run->kernel->store(&store);
        return;
    }
    const int64_t image_pixels = (int64_t)out.h * out.w;
    const int64_t row = (int64_t)unit->first_image * image_pixels +
                        (int64_t)(pass->out_top + grid_row * pass->out_step) * out.w + pass->out_left;
    char *const to = store.to;
    for (int r = 0; r < window->side && r < count; r++) {
        const int image = (first + r) % window->side, column = (first + r) / window->side;
        if (image >= unit->images)
            continue;
        store.to = to + (row + image * image_pixels + (int64_t)column * pass->out_step) * pixel_bytes;
        store.sums = sums + r * BLOCK;
        store.count = (count - r + window->side - 1) / window->side;
        run->kernel->store(&store);
    }
}

/* One block of columns of one grid row; `right` are the block's. */
static void run_row(const struct pass_run *run, const struct unit *unit, int row, int block, const char *right,
                    const float *bias, struct ahead *ahead)
{
    const struct direct_pass *pass = run->pass;
    const struct window *window = &pass->window;
    float sums[BLOCK * BLOCK] __attribute__((aligned(LINE)));
    const int grid_row = unit->first_row + row, positions = window_row_positions(window, grid_row);
    const int columns = block_tiles(pass->column_tiles, block);
    int first_tap, end_tap;
    window_taps(window, grid_row, &first_tap, &end_tap);
    const int first_step = first_tap * window->tap_steps;
    struct tile_product product = {
        .right = right,
        .left_offset = pass->offset + first_step,
        .right_offset = pass->right_offset[columns - 1] + first_step,
        .right_apart = TILE_BYTES,
        .row_bytes = unit->entry_bytes,
        .deep_bytes = window->number_bytes,
        .steps = end_tap * window->tap_steps - first_step,
        .columns = columns,
        .sums = sums,
    };
    const char *left = unit->entries + row * window_row_step(window) * unit->entry_bytes;
    for (int first = 0; first < positions; first += BLOCK) {
        const int count = positions - first < BLOCK ? positions - first : BLOCK;
        product.left = left + first * unit->entry_bytes;
        product.rows = ceil_div(count, TILE);
        run->kernel->multiply(&product);
        ahead_fetch(ahead);
        store_block(run, unit, grid_row, first, count, block, bias, sums);
    }
}

/* Units that a thread has packed at one time. */
static int most_together(const struct direct_pass *pass)
{
    const size_t fitting = TOGETHER_BYTES / pass->unit_bytes;
    return fitting < 1 ? 1 : fitting > TOGETHER ? TOGETHER : (int)fitting;
}

static size_t thread_bytes(const struct direct_pass *pass)
{
    return pass->panel_bytes + (size_t)most_together(pass) * pass->unit_bytes;
}

/* Fetches what the task after this one, or after those that other threads are at, will pack. */
static void look_ahead(const struct pass_run *run, int next, int blocks, struct ahead *ahead)
{
    const struct window *window = &run->pass->window;
    const int first = next / run->parts * run->together, left = window->unit_count - first;
    const int count = left < run->together ? left : run->together;
    const int row = ceil_div(window->grid_w * window->side, BLOCK), calls = count * window->band * row * blocks;
    window_ahead(ahead, window, run->source, first, left > 0 ? first + count : first, calls);
}

static void run_task(const struct pass_run *run, int task, int next)
{
    const struct direct_pass *pass = run->pass;
    const int first = task / run->parts * run->together, blocks = ceil_div(pass->column_tiles, 2);
    const int part = task % run->parts, left = pass->window.unit_count - first;
    const int count = left < run->together ? left : run->together;
    char *const panel = run->scratch + (size_t)omp_get_thread_num() * thread_bytes(pass);
    char *memory = panel + pass->panel_bytes;
    struct unit units[TOGETHER];
    for (int u = 0; u < count; u++, memory += pass->unit_bytes)
        window_pack(&pass->window, run->source, first + u, 0, pass->window.image.c, pass->in_place, memory, &units[u]);
    const int begin = part * blocks / run->parts, end = (part + 1) * blocks / run->parts;
    struct ahead ahead;
    look_ahead(run, next, end - begin, &ahead);
    for (int block = begin; block < end; block++) {
        float bias[BLOCK] = {0};
        for (int i = 0; run->bias && i < BLOCK && block * BLOCK + i < pass->out.c; i++)
            bias[i] = run->bias[block * BLOCK + i];
        const char *right = panel;
        if (pass->panel_bytes)
            direct_transpose_block(run->direct, pass, run->weights, block, panel);
        else
            right = run->right + block_first(pass->steps, block);
        for (int u = 0; u < count; u++)
            for (int row = 0; row < units[u].rows; row++)
                run_row(run, &units[u], row, block, right, bias, &ahead);
    }
}

/* Results do not depend on the division into tasks, so it may depend on the number of threads. */
static void run_pass(struct device *device, struct pass_run *run)
{
    const struct direct_pass *pass = run->pass;
    const int units = pass->window.unit_count, blocks = ceil_div(pass->column_tiles, 2);
    const int fair = ceil_div(units, 2 * device->threads), most = most_together(pass);
    run->together = most < fair ? most : fair;
    const int shares = ceil_div(units, run->together);
    run->parts = shares >= device->threads ? 1 : ceil_div(device->threads, shares);
    run->parts = run->parts > blocks ? blocks : run->parts;
    int next = 0;
#pragma omp parallel num_threads(device->threads)
    {
        run->kernel->begin();
        for (int task; (task = next_task(&next)) < shares * run->parts;)
            run_task(run, task, __atomic_load_n(&next, __ATOMIC_RELAXED));
        run->kernel->end();
    }
}

/* What a call means for one group: its channels, its weights. */
static struct op_call group_call(const struct direct *direct, const struct op_call *call, int group)
{
    const ptrdiff_t each = (ptrdiff_t)dtype_bytes(direct->kernel->dtype), weights = direct_weight_count(direct);
    const ptrdiff_t in = group * direct->in.c * each, out = group * direct->out.c * each;
    struct op_call part = *call;
    part.in[0] = (char *)call->in[0] + in;
    part.out = (char *)call->out + out;
    part.weight[0] = (char *)call->weight[0] + group * weights * each;
    if (direct->bias)
        part.weight[1] = (float *)call->weight[1] + group * direct->out.c;
    if (!call->weight_grad[0])
        return part;
    part.out_grad = (char *)call->out_grad + out;
    if (call->in_grad[0])
        part.in_grad[0] = (char *)call->in_grad[0] + in;
    part.weight_grad[0] = call->weight_grad[0] + group * weights;
    if (direct->bias)
        part.weight_grad[1] = call->weight_grad[1] + group * direct->out.c;
    return part;
}

static void forward(struct device *device, const struct direct *direct, const struct op_call *call)
{
    struct pass_run run = {
        .kernel = direct->kernel,
        .pass = &direct->forward,
        .source = call->in[0],
        .right = call->weight[0],
        .bias = direct->bias ? call->weight[1] : NULL,
        .out = call->out,
        .scratch = call->scratch,
    };
    run_pass(device, &run);
}

static int direct_forward(struct device *device, const struct op_call *call)
{
    const struct direct *direct = call->state;
    for (int group = 0; group < direct->groups; group++) {
        const struct op_call part = group_call(direct, call, group);
        forward(device, direct, &part);
    }
    return OK;
}

static size_t right_bytes(const struct direct *direct)
{
    size_t bytes = 0;
    for (int i = 0; i < direct->data_count; i++)
        bytes += direct->data[i].panel_bytes ? 0 : direct->data[i].right_bytes;
    return bytes;
}

static void backward_data(struct device *device, const struct direct *direct, const struct op_call *call)
{
    for (int i = 0; i < direct->data_count; i++) {
        const struct direct_pass *pass = &direct->data[i];
        char *right = (char *)call->scratch + pass->right_first;
        if (!pass->panel_bytes)
            direct_transpose(device, direct, pass, call->weight[0], right);
        struct pass_run run = {
            .kernel = direct->kernel,
            .pass = pass,
            .source = call->out_grad,
            .right = right,
            .direct = direct,
            .weights = call->weight[0],
            .out = call->in_grad[0],
            .add = call->adds_grad,
            .scratch = (char *)call->scratch + right_bytes(direct),
        };
        run_pass(device, &run);
    }
}

static int direct_backward(struct device *device, const struct op_call *call)
{
    const struct direct *direct = call->state;
    if (call->in_grad[0] && direct->data_gaps && !call->adds_grad)
        memset(call->in_grad[0], 0,
               (size_t)(shape_count(direct->in) * direct->groups) * dtype_bytes(direct->kernel->dtype));
    for (int group = 0; group < direct->groups; group++) {
        const struct op_call part = group_call(direct, call, group);
        direct_grad_run(device, direct, &part);
        if (call->in_grad[0])
            backward_data(device, direct, &part);
    }
    return OK;
}

/* ---- preparing ---- */

static int pass_init(struct direct_pass *pass, const struct direct *direct, struct shape source, struct shape grid,
                     int step, struct tap *taps, int tap_count, enum pack_kind kind)
{
    struct window *window = &pass->window;
    window_init(window, direct->kernel, source, direct->groups, grid, step, taps, tap_count, kind, BLOCK, false,
                UNIT_POSITIONS);
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
                                 .right_first = right_bytes(direct)};
    direct->data_count++;
    TRY(pass_init(pass, direct, direct->out, grid, 1, taps, count, stride == 1 ? PACK_NOTHING : PACK_PIXELS));
    if (direct->forward.window.kind != PACK_WINDOWS)
        pass->panel_bytes = (size_t)block_tiles(pass->column_tiles, 0) * (size_t)pass->steps * TILE_BYTES;
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
                  few ? PACK_WINDOWS : PACK_NOTHING));
    if (!direct->tap_stride)
        direct->tap_stride = few ? direct->in.c : direct->forward.window.channels;
    const size_t threads = (size_t)device->threads;
    needs->scratch_bytes = threads * thread_bytes(&direct->forward);
    if (!desc->training)
        return OK;
    struct tap *again = forward_taps(params);
    if (!again)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    TRY(direct_grad_init(direct, stride, again, tap_count));
    direct->data = desc->in_grad[0] ? malloc((size_t)tap_count * sizeof *direct->data) : NULL;
    if (desc->in_grad[0] && !direct->data)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    for (int i = 0; desc->in_grad[0] && i < stride * stride; i++)
        TRY(data_init(direct, params, i / stride, i % stride));
    size_t largest = direct_grad_scratch(&direct->grad, device->threads);
    for (int i = 0; i < direct->data_count; i++) {
        const struct direct_pass *pass = &direct->data[i];
        const size_t bytes = right_bytes(direct) + threads * thread_bytes(pass);
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
    direct->training = desc->training;
    const int status = direct_build(device, direct, params, desc, needs);
    if (status < 0) {
        direct_release(direct);
        return status;
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
    return prepare(device, desc, &model, params, state, needs);
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
