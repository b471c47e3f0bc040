/* direct: the forward pass and the pass by data of convolution and linear layers, both a product of packed pixels and
 * right factors. How they are prepared is in direct_prepare.c, the gradient of the weights in direct_grad.c, layouts of
 * weights in direct_weights.c. */
#include "direct.h"
#include <omp.h>
#include <string.h>

enum {
    TOGETHER = 16, /* units that share a visit to the weights, at most */
    TOGETHER_BYTES = 768 << 10,
    LINE = 64
};

/* ---- running a pass ---- */

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
                    const float *bias)
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
        store_block(run, unit, grid_row, first, count, block, bias, sums);
    }
}

/* The mean and squared deviations of 32 channels of what a unit's positions have become, which is in the cache still.
 */
static void sum_block(const struct pass_run *run, const struct unit *unit, int number, int block)
{
    const struct direct_pass *pass = run->pass;
    const struct window *window = &pass->window;
    const struct conv_sums *sums = &run->direct->conv.sums;
    const bool pieces = window->kind == PACK_NOTHING;
    const int64_t row_pixels = pieces ? window->grid_w : pass->out.w, first = unit->first_row * row_pixels;
    const int64_t image_pixels = (int64_t)pass->out.h * pass->out.w, there = window->pixels - first;
    const int rows_left = pass->out.h - unit->first_row, height = unit->rows < rows_left ? unit->rows : rows_left;
    const int64_t pixels = !pieces                           ? height * row_pixels
                           : there < unit->rows * row_pixels ? there
                                                             : unit->rows * row_pixels;
    const int left = pass->out.c - block * BLOCK, images = unit->images, channel = run->first_channel + block * BLOCK;
    float *mean = sums_row(sums, run->sums, number, SUMS_MEAN) + channel;
    float *squares = sums_row(sums, run->sums, number, SUMS_SQUARES) + channel;
    struct norm_rows rows = {.dtype = run->kernel->dtype,
                             .lanes = left < BLOCK ? left : BLOCK,
                             .apart = pass->out_numbers,
                             .x = (char *)run->out + (ptrdiff_t)block * BLOCK * window->number_bytes,
                             .mean = mean};
    const struct vector_kernel *vector = run->direct->vector;
    float each[BLOCK] = {0}, square[BLOCK] = {0};
    for (int pass_number = 0; pass_number < 2; pass_number++) {
        rows.sum = pass_number ? square : each;
        for (int i = 0; i < images; i++) {
            rows.begin = (first + (unit->first_image + i) * image_pixels) * pass->out_numbers;
            rows.end = rows.begin + pixels * pass->out_numbers;
            (pass_number ? vector->norm_squares : vector->norm_sum)(&rows);
        }
        for (int c = 0; c < rows.lanes && !pass_number; c++)
            mean[c] = each[c] / (float)(images * pixels);
    }
    memcpy(squares, square, (size_t)rows.lanes * sizeof *squares);
    if (channel == 0)
        sums_pixels(sums, run->sums)[number] = (float)(images * pixels);
}

/* Units that a thread has packed at one time. */
static int most_together(const struct direct_pass *pass)
{
    const size_t fitting = pass->plane_bytes ? 1 : TOGETHER_BYTES / pass->unit_bytes;
    return fitting < 1 ? 1 : fitting > TOGETHER ? TOGETHER : (int)fitting;
}

size_t direct_thread_bytes(const struct direct_pass *pass)
{
    return pass->panel_bytes + (size_t)most_together(pass) * pass->unit_bytes + winograd_thread_bytes(pass);
}

static void run_task(const struct pass_run *run, int task)
{
    const struct direct_pass *pass = run->pass;
    const int first = task / run->parts * run->together, blocks = ceil_div(pass->column_tiles, 2);
    const int part = task % run->parts, left = pass->window.unit_count - first;
    const int count = left < run->together ? left : run->together;
    char *const panel = run->scratch + (size_t)omp_get_thread_num() * direct_thread_bytes(pass);
    char *memory = panel + pass->panel_bytes;
    struct unit units[TOGETHER];
    for (int u = 0; u < count; u++, memory += pass->unit_bytes)
        window_pack(&pass->window, &run->source, first + u, 0, pass->window.image.c, pass->in_place, memory, &units[u]);
    if (pass->plane_bytes)
        winograd_planes(run, &units[0], memory);
    for (int block = part * blocks / run->parts; block < (part + 1) * blocks / run->parts; block++) {
        float bias[BLOCK] = {0};
        for (int i = 0; run->bias && i < BLOCK && block * BLOCK + i < pass->out.c; i++)
            bias[i] = run->bias[block * BLOCK + i];
        const char *right = panel;
        if (pass->plane_bytes)
            winograd_block(run, &units[0], memory, block, bias);
        else if (pass->panel_bytes)
            direct_transpose_block(run->direct, pass, run->weights, block, panel);
        else
            right = run->right + block_first(pass->steps, block);
        for (int u = 0; u < count; u++) {
            for (int row = 0; row < units[u].rows && !pass->plane_bytes; row++)
                run_row(run, &units[u], row, block, right, bias);
            if (run->sums)
                sum_block(run, &units[u], first + u, block);
        }
    }
}

/* Results do not depend on the division into tasks, so it may depend on the number of threads. */
static void run_pass(struct device *device, struct pass_run *run)
{
    const struct direct_pass *pass = run->pass;
    const int units = pass->window.unit_count, blocks = ceil_div(pass->column_tiles, 2);
    const int fair = ceil_div(units, 4 * device->threads), most = most_together(pass);
    run->together = most < fair ? most : fair;
    const int shares = ceil_div(units, run->together);
    run->parts = shares >= device->threads ? 1 : ceil_div(device->threads, shares);
    run->parts = run->parts > blocks ? blocks : run->parts;
    int next = 0;
#pragma omp parallel num_threads(device->threads)
    {
        run->kernel->begin();
        for (int task; (task = next_task(&next)) < shares * run->parts;)
            run_task(run, task);
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

/* A group's input: as it lies, or made of what a normalisation reads. */
static struct window_source source_of(const struct direct *direct, const struct op_call *part,
                                      const struct op_call *norm, int group)
{
    const ptrdiff_t each = (ptrdiff_t)dtype_bytes(direct->kernel->dtype);
    const int first = group * direct->in.c;
    if (!norm)
        return (struct window_source){.values = part->in[0]};
    return (struct window_source){(const char *)norm->in[0] + first * each, norm_made(norm, first), direct->vector};
}

static void forward(struct device *device, const struct direct *direct, const struct op_call *call, int group)
{
    struct pass_run run = {
        .kernel = direct->kernel,
        .pass = &direct->forward,
        .direct = direct,
        .sums = call->training && direct->conv.sums.parts ? call->saved : NULL,
        .first_channel = group * direct->out.c,
        .source = source_of(direct, call, call->training ? call->makes : NULL, group),
        .right = call->weight[0],
        .bias = direct->bias ? call->weight[1] : NULL,
        .out = call->out,
        .scratch = (char *)call->scratch + direct->forward.scratch_bytes,
    };
    if (direct->forward.plane_bytes) {
        winograd_right(device, direct, &direct->forward, call->weight[0], call->scratch, run.scratch);
        run.right = call->scratch;
    }
    run_pass(device, &run);
}

int direct_forward(struct device *device, const struct op_call *call)
{
    const struct direct *direct = call->state;
    for (int group = 0; group < direct->groups; group++) {
        const struct op_call part = group_call(direct, call, group);
        forward(device, direct, &part, group);
    }
    return OK;
}

size_t direct_right_bytes(const struct direct *direct)
{
    size_t bytes = 0;
    for (int i = 0; i < direct->data_count; i++)
        bytes += direct->data[i].scratch_bytes;
    return bytes;
}

static void backward_data(struct device *device, const struct direct *direct, const struct op_call *call)
{
    for (int i = 0; i < direct->data_count; i++) {
        const struct direct_pass *pass = &direct->data[i];
        char *const right = (char *)call->scratch + pass->right_first;
        char *const threads_scratch = (char *)call->scratch + direct_right_bytes(direct);
        if (pass->plane_bytes)
            winograd_right(device, direct, pass, call->weight[0], right, threads_scratch);
        else if (!pass->panel_bytes)
            direct_transpose(device, direct, pass, call->weight[0], right);
        struct pass_run run = {
            .kernel = direct->kernel,
            .pass = pass,
            .source = {.values = call->out_grad},
            .right = right,
            .direct = direct,
            .weights = call->weight[0],
            .out = call->in_grad[0],
            .add = call->adds_grad,
            .scratch = threads_scratch,
        };
        run_pass(device, &run);
    }
}

int direct_backward(struct device *device, const struct op_call *call)
{
    const struct direct *direct = call->state;
    if (call->in_grad[0] && direct->data_gaps && !call->adds_grad)
        memset(call->in_grad[0], 0,
               (size_t)(shape_count(direct->in) * direct->groups) * dtype_bytes(direct->kernel->dtype));
    for (int group = 0; group < direct->groups; group++) {
        const struct op_call part = group_call(direct, call, group);
        const struct window_source source = source_of(direct, &part, call->makes ? call->makes : call->remakes, group);
        direct_grad_run(device, direct, &part, &source);
        if (call->in_grad[0])
            backward_data(device, direct, &part);
    }
    return OK;
}
