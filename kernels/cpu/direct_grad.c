/* direct_grad: the gradient of the weights and bias of convolution and linear layers: for each tap the product of what
 * is read at all grid positions and the output's gradient there. Layouts are direct.h's.
 *
 * Left factors are filters, right ones channels, steps go along positions. An even number of images lies side by side,
 * so that bf16's pairs of positions are the same for every tap. A task has some channels of one slice of the images and
 * goes through it some units at a time, packing what it needs into its thread's memory: where images are small, a
 * unit's steps alone would be few for the sums that they are added to. */
#include "direct_grad.h"
#include "lanes.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRAD_POSITIONS = 512,       /* grid positions of a unit, about */
    CHUNK_BYTES = 640 << 10,    /* of a task's sums, at most, unless it has but one block */
    CHUNK_BLOCKS = 8,           /* at most */
    UNIT_CHUNKS = 8,            /* of a single unit, at least */
    TASKS = 16,                 /* as many at least, where there are images to slice */
    SLICE_STEPS = 14,           /* of a slice, at least: else its sums take longer than they */
    TOGETHER_BYTES = 512 << 10, /* of the factors of units that are multiplied together, at most */
    SLICES_BYTES = 8 << 20,     /* of all slices' sums, at most */
    LINE = 64
};

static size_t align_line(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

/* ---- a unit ---- */

/* What is read at each position, where entries are not right factors as they are. Beyond the last entry there must be
 * numbers: they are multiplied by 0. at: the unit's place among those together. */
static void fill_right(struct grad_task *task, int at)
{
    const struct direct_grad *grad = &task->run->direct->grad;
    const struct unit *unit = &task->unit;
    const int entries = unit->packed_rows * window_row_entries(&grad->window);
    const int beyond = grad->window.kind == PACK_NOTHING ? 0 : BLOCK;
    if (!task->run->direct->kernel->turn && grad->window.channels == TILE && unit->entry_bytes == STEP_BYTES) {
        task->right = unit->entries;
        return;
    }
    task->right = task->filled;
    const int tiles = (grad->window.channels - task->first_block * BLOCK) / TILE, most = task->blocks * 2;
    task->run->direct->kernel->fill(task->filled + at * grad->unit_right, grad->right_apart, unit->entries,
                                    unit->entry_bytes, entries + beyond, tiles < most ? tiles : most);
}

/* The output's gradient, whose rows were packed with zeros up to whole steps. */
static void turn_left(const struct grad_task *task, int at)
{
    const struct direct *direct = task->run->direct;
    const struct direct_grad *grad = &direct->grad;
    const ptrdiff_t row_bytes = window_row_step(&grad->grads) * task->grads.entry_bytes;
    for (int row = 0; row < task->unit.rows; row++) {
        for (int step = 0; step < grad->row_steps; step++) {
            const char *from = task->grads.entries + row * row_bytes + step * BLOCK * task->grads.entry_bytes;
            char *to = task->left + (ptrdiff_t)((row * task->together + at) * grad->row_steps + step) * STEP_BYTES;
            for (int tile = 0; tile < direct->forward.column_tiles; tile++)
                direct->kernel->turn(to + tile * TILE * grad->line_bytes, grad->line_bytes, from + tile * BLOCK,
                                     task->grads.entry_bytes);
        }
    }
}

INLINE void add_channels(enum dtype dtype, float *restrict sums, const char *from, int channels)
{
#pragma omp simd
    for (int c = 0; c < channels; c++)
        sums[c] += lane_load(from, c, dtype);
}

static void sum_bias(const struct grad_task *task)
{
    const struct direct *direct = task->run->direct;
    const struct window *grads = &direct->grad.grads;
    float sums[BLOCK];
    for (int first = 0; first < direct->out.c; first += BLOCK) {
        const int channels = direct->out.c - first < BLOCK ? direct->out.c - first : BLOCK;
        memset(sums, 0, sizeof sums);
        for (int row = 0; row < task->unit.rows; row++) {
            const char *from = task->grads.entries + row * window_row_step(grads) * task->grads.entry_bytes +
                               first * grads->number_bytes;
            const int positions = window_row_positions(grads, task->unit.first_row + row);
            for (int p = 0; p < positions; p++, from += task->grads.entry_bytes)
                BY_DTYPE(direct->kernel->dtype, add_channels, sums, from, channels);
        }
        for (int c = 0; c < channels; c++)
            task->biases[first + c] += (double)sums[c];
    }
}

/* The rows of the unit for which a tap is inside the image. */
static void rows_of_tap(const struct grad_task *task, int tap, int *first, int *end)
{
    const struct window *window = &task->run->direct->grad.window;
    int from, to;
    for (*first = 0, *end = task->unit.rows; *first < *end; ++*first) {
        window_taps(window, task->unit.first_row + *first, &from, &to);
        if (from <= tap && tap < to)
            break;
    }
    for (; *first < *end; --*end) {
        window_taps(window, task->unit.first_row + *end - 1, &from, &to);
        if (from <= tap && tap < to)
            break;
    }
}

static void find_steps(const struct grad_task *task)
{
    const struct direct_grad *grad = &task->run->direct->grad;
    const struct tile_kernel *kernel = task->run->direct->kernel;
    const int right_bytes = TILE_BYTES / kernel->depth; /* of an entry */
    const int row_steps = task->together * grad->row_steps;
    for (int s = 0; s < task->unit.rows * row_steps; s++) {
        const int row = s / row_steps, at = s % row_steps / grad->row_steps;
        const int position = s % grad->row_steps * kernel->depth;
        task->left_offset[s] =
            kernel->turn ? s * STEP_BYTES
                         : (int32_t)((row * window_row_step(&grad->grads) + position) * task->grads.entry_bytes);
        task->right_offset[s] =
            (int32_t)(at * grad->unit_right + (row * window_row_step(&grad->window) + position) * right_bytes);
    }
}

void direct_grad_finish(const struct grad_run *run, const float *sums, int slices, int n, int block, int tap)
{
    const struct direct *direct = run->direct;
    const struct direct_grad *grad = &direct->grad;
    const struct direct_pass *forward = &direct->forward;
    const int depth = direct->kernel->depth, each = STEP_BYTES / depth;
    const int tiles = block_tiles(forward->column_tiles, block);
    float total[BLOCK_SUMS];
    if (slices > 1) {
        memcpy(total, sums, sizeof total);
        for (int s = 1; s < slices; s++) {
            const float *more = sums + (size_t)s * (grad->sums_bytes / sizeof *sums);
            for (int i = 0; i < BLOCK_SUMS; i++)
                total[i] += more[i];
        }
        sums = total;
    }
    for (int deep = 0; deep < BLOCK && n * BLOCK + deep < grad->window.channels; deep += depth) {
        const int step = tap * forward->window.tap_steps + (n * BLOCK + deep) / depth;
        float *to =
            run->weight_grad + block_first(forward->steps, block) / each + (int64_t)step * tiles * TILE_BYTES / each;
        for (int tile = 0; tile < tiles; tile++)
            direct->kernel->lay(to + tile * TILE_BYTES / each, sums + tile * TILE * BLOCK + deep);
    }
}

/* What is packed, times each other; begins: the task's sums, which hold nothing yet. */
static void multiply_units(const struct grad_task *task, bool begins)
{
    const struct direct *direct = task->run->direct;
    const struct direct_grad *grad = &direct->grad;
    const struct tile_kernel *kernel = direct->kernel;
    const int each = STEP_BYTES / kernel->depth, row_steps = task->together * grad->row_steps;
    struct tile_product product = {.row_bytes = kernel->turn ? grad->line_bytes : each,
                                   .deep_bytes = kernel->turn ? each : task->grads.entry_bytes,
                                   .right_apart = grad->right_apart,
                                   .sums = task->sums};
    product.add = !begins;
    for (int n = 0; n < task->blocks; n++) {
        const int numbers_left = grad->window.channels - (task->first_block + n) * BLOCK;
        product.columns = numbers_left <= TILE ? 1 : 2;
        for (int block = 0; block < grad->column_blocks; block++) {
            product.rows = block_tiles(direct->forward.column_tiles, block);
            product.left = (kernel->turn ? task->left : task->grads.entries) + block * BLOCK * product.row_bytes;
            for (int tap = 0; tap < grad->taps; tap++) {
                int first, end;
                rows_of_tap(task, tap, &first, &end);
                product.left_offset = task->left_offset + first * row_steps;
                product.right_offset = task->right_offset + first * row_steps;
                product.steps = (end - first) * row_steps;
                product.right = task->right + 2 * n * grad->right_apart +
                                window_tap_entry(&grad->window, tap) * (TILE_BYTES / kernel->depth);
                kernel->multiply(&product);
                if (grad->at_once)
                    direct_grad_finish(task->run, task->sums, 1, task->first_block + n, block, tap);
                else
                    product.sums += BLOCK_SUMS;
            }
        }
    }
}

/* at: its place among those together. */
static void pack_unit(struct grad_task *task, int number, int at)
{
    const struct grad_run *run = task->run;
    const struct direct_grad *grad = &run->direct->grad;
    const bool windows = grad->window.kind == PACK_WINDOWS, whole = run->direct->in.c % run->direct->kernel->depth == 0,
               whole_out = run->direct->out.c % run->direct->kernel->depth == 0;
    const int first = windows ? 0 : task->first_block * BLOCK, left = run->direct->in.c - first;
    const int channels = windows || left < task->blocks * BLOCK ? left : task->blocks * BLOCK;
    window_pack(&grad->window, &run->in, number, first, channels, whole, task->entries, &task->unit);
    window_pack(&grad->grads, &run->out_grad, number, 0, run->direct->out.c,
                run->direct->kernel->turn ? whole_out : direct_in_place(&grad->grads), task->rows, &task->grads);
    if (task->biases)
        sum_bias(task);
    if (grad->by_patches) {
        winograd_grad_unit(task);
        return;
    }
    fill_right(task, at);
    if (run->direct->kernel->turn)
        turn_left(task, at);
}

/* ---- all of it ---- */

/* Block i of sums, whose first number block is n; by patches all its planes. */
static void finish_sums(const struct grad_run *run, float *sums, int slices, int n, int i)
{
    const struct direct_grad *grad = &run->direct->grad;
    const int tap = i % grad->taps, block = i / grad->taps % grad->column_blocks;
    n += i / grad->taps / grad->column_blocks;
    sums += (int64_t)i * BLOCK_SUMS;
    if (grad->by_patches)
        winograd_grad_finish(run, sums, slices, n, block);
    else
        direct_grad_finish(run, sums, slices, n, block, tap);
}

static void run_task(const struct grad_run *run, int number)
{
    const struct direct_grad *grad = &run->direct->grad;
    const int slice = number / grad->chunks, chunk = number % grad->chunks;
    const int first = own_begin(grad->number_blocks, chunk, grad->chunks);
    const int64_t block_sums = (int64_t)grad->column_blocks * grad->taps * BLOCK_SUMS;
    char *memory = run->scratch + (size_t)omp_get_thread_num() * grad->thread_bytes;
    struct grad_task task = {
        .run = run, .first_block = first, .blocks = own_begin(grad->number_blocks, chunk + 1, grad->chunks) - first};
    task.entries = memory;
    task.filled = task.entries + grad->entries_bytes;
    task.rows = task.filled + grad->right_bytes;
    task.left = task.rows + grad->rows_bytes;
    task.left_offset = (int32_t *)(task.left + grad->left_bytes);
    task.right_offset = task.left_offset + grad->offset_bytes / sizeof(int32_t) / 2;
    task.sums = grad->slices > 1 ? run->sums + slice * (int64_t)(grad->sums_bytes / sizeof(float)) + first * block_sums
                                 : (float *)(task.left + grad->left_bytes + grad->offset_bytes);
    if (grad->by_patches)
        memset(task.sums, 0, (size_t)(task.blocks * block_sums) * sizeof(float));
    if (run->bias_grad && first == 0) {
        task.biases = run->biases + (int64_t)slice * run->direct->out.c;
        memset(task.biases, 0, (size_t)run->direct->out.c * sizeof *task.biases);
    }
    const int begin = slice * grad->slice_units, units = grad->window.unit_count;
    const int end = begin + grad->slice_units < units ? begin + grad->slice_units : units;
    for (int u = begin; u < end; u += grad->together) {
        task.together = end - u < grad->together ? end - u : grad->together;
        for (int at = 0; at < task.together; at++)
            pack_unit(&task, u + at, at);
        if (grad->by_patches)
            continue;
        find_steps(&task);
        multiply_units(&task, u == begin);
    }
    if (grad->slices > 1 || grad->at_once)
        return;
    for (int64_t i = 0; i < task.blocks * block_sums / BLOCK_SUMS; i += grad->by_patches ? grad->taps : 1)
        finish_sums(run, task.sums, 1, first, (int)i);
}

void direct_grad_run(struct device *device, const struct direct *direct, const struct op_call *call,
                     const struct window_source *in)
{
    const struct direct_grad *grad = &direct->grad;
    struct grad_run run = {.direct = direct,
                           .in = *in,
                           .out_grad = {.values = call->out_grad},
                           .sums = call->scratch,
                           .weight_grad = call->weight_grad[0],
                           .bias_grad = direct->bias ? call->weight_grad[1] : NULL};
    run.biases = (double *)((char *)call->scratch + (grad->slices > 1 ? (size_t)grad->slices * grad->sums_bytes : 0));
    run.scratch = (char *)run.biases + align_line((size_t)grad->slices * grad->bias_bytes);
    const int planes = grad->by_patches ? grad->taps : 1; /* that are finished together */
    const int blocks = grad->number_blocks * grad->column_blocks * grad->taps / planes;
    int next = 0;
#pragma omp parallel num_threads(device->threads)
    {
        direct->kernel->begin();
        for (int task; (task = next_task(&next)) < grad->slices * grad->chunks;)
            run_task(&run, task);
        direct->kernel->end();
#pragma omp barrier
        if (grad->slices > 1) {
#pragma omp for schedule(static)
            for (int i = 0; i < blocks; i++)
                finish_sums(&run, run.sums, grad->slices, 0, i * planes);
        }
    }
    for (int c = 0; run.bias_grad && c < direct->out.c; c++) {
        double sum = 0.0;
        for (int s = 0; s < grad->slices; s++)
            sum += run.biases[(int64_t)s * direct->out.c + c];
        run.bias_grad[c] = (float)sum;
    }
}

/* ---- preparing ---- */

/* Who does what; a function of shapes alone. */
static void divide(struct direct_grad *grad)
{
    const int units = grad->window.unit_count;
    const size_t block_bytes = (size_t)grad->column_blocks * (size_t)grad->taps * BLOCK_SUMS * sizeof(float);
    const int fitting = (int)(CHUNK_BYTES / block_bytes);
    grad->chunk_blocks = fitting < 1 ? 1 : fitting > CHUNK_BLOCKS ? CHUNK_BLOCKS : fitting;
    grad->chunks = ceil_div(grad->number_blocks, grad->chunk_blocks);
    /* A single unit leaves nothing else to divide. */
    if (units == 1 && grad->chunks < UNIT_CHUNKS)
        grad->chunks = UNIT_CHUNKS < grad->number_blocks ? UNIT_CHUNKS : grad->number_blocks;
    if (grad->window.kind == PACK_WINDOWS)
        grad->chunks = 1;
    grad->chunk_blocks = ceil_div(grad->number_blocks, grad->chunks);
    grad->sums_bytes = (size_t)grad->number_blocks * block_bytes;
    const int wanted = ceil_div(TASKS, grad->chunks), affordable = (int)(SLICES_BYTES / grad->sums_bytes);
    const int least = ceil_div(SLICE_STEPS, (int64_t)grad->row_steps * grad->window.band);
    grad->slices = wanted < affordable ? wanted : affordable;
    grad->slices = grad->slices < 1 ? 1 : grad->slices > units ? units : grad->slices;
    grad->slice_units = ceil_div(units, grad->slices);
    grad->slice_units = grad->slice_units < least ? least : grad->slice_units;
    grad->slices = ceil_div(units, grad->slice_units);
    grad->at_once = units == 1 && !grad->by_patches;
}

/* A thread's memory. Distances between what is read together are odd numbers of cache lines, since rows one below the
 * other would else share few sets of the cache. */
static void reserve(struct direct_grad *grad, const struct tile_kernel *kernel, int filter_tiles)
{
    const int depth = kernel->depth, chunk_steps = ceil_div((int64_t)grad->chunk_blocks * BLOCK, depth);
    const int entry_steps = grad->window.tap_steps < chunk_steps ? grad->window.tap_steps : chunk_steps;
    const int64_t entries = window_unit_entries(&grad->window) + BLOCK;
    size_t steps = (size_t)grad->row_steps * (size_t)grad->window.band;
    grad->entries_bytes = align_line(window_unit_bytes(&grad->window, window_entry_bytes(entry_steps)) +
                                     BLOCK * (size_t)window_entry_bytes(entry_steps));
    grad->right_apart = (ceil_div(entries * (TILE_BYTES / depth), LINE) | 1) * LINE;
    grad->unit_right = grad->right_apart * 2 * grad->chunk_blocks;
    grad->together = 1;
    if (kernel->turn && grad->window.kind == PACK_PIXELS && grad->window.band_count == 1) {
        const size_t unit_bytes = (size_t)grad->unit_right + steps * STEP_BYTES * TILE * (size_t)filter_tiles;
        const int fitting = (int)(TOGETHER_BYTES / unit_bytes);
        grad->together = fitting < 1 ? 1 : fitting > grad->slice_units ? grad->slice_units : fitting;
    }
    grad->right_bytes = (size_t)grad->unit_right * (size_t)grad->together;
    steps *= (size_t)grad->together;
    grad->rows_bytes = (size_t)window_unit_entries(&grad->grads) * (size_t)window_entry_bytes(grad->grads.tap_steps);
    grad->line_bytes = ((ptrdiff_t)steps | 1) * STEP_BYTES;
    grad->left_bytes = kernel->turn ? (size_t)grad->line_bytes * TILE * (size_t)filter_tiles : 0;
    grad->offset_bytes = 2 * align_line(steps * sizeof(int32_t));
    if (grad->by_patches)
        winograd_grad_reserve(grad);
    const size_t own_sums = grad->at_once ? BLOCK_SUMS * sizeof(float)
                                          : grad->sums_bytes / (size_t)grad->number_blocks * (size_t)grad->chunk_blocks;
    grad->thread_bytes = grad->entries_bytes + grad->right_bytes + grad->rows_bytes + grad->left_bytes +
                         grad->offset_bytes + (grad->slices > 1 ? 0 : own_sums);
}

int direct_grad_init(struct direct *direct, int stride, struct tap *taps, int tap_count, bool by_patches)
{
    struct direct_grad *grad = &direct->grad;
    const struct tile_kernel *kernel = direct->kernel;
    const int depth = kernel->depth;
    struct tap *one = calloc(1, sizeof *one);
    if (!one) {
        free(taps);
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    }
    const struct shape in = direct->in, out = direct->out;
    /* Both or neither as they lie, so that their units are the same. */
    const enum pack_kind kind = direct->forward.window.kind == PACK_WINDOWS ? PACK_WINDOWS : PACK_NOTHING;
    const struct shape grid = by_patches ? winograd_grid(out) : out;
    const int row_unit = by_patches ? BLOCK : depth;
    const int positions = by_patches ? winograd_positions(out.c) : GRAD_POSITIONS;
    window_init(&grad->window, kernel, in, direct->groups, grid, stride, taps, tap_count, kind, row_unit, !by_patches,
                positions);
    window_init(&grad->grads, kernel, out, direct->groups, grid, 1, one, 1,
                grad->window.kind == PACK_NOTHING ? PACK_NOTHING : PACK_PIXELS, row_unit, !by_patches, positions);
    grad->by_patches = by_patches;
    grad->taps = by_patches ? WINOGRAD_PLANES : grad->window.kind == PACK_PIXELS ? tap_count : 1;
    grad->number_blocks = ceil_div(grad->window.channels, BLOCK);
    grad->column_blocks = ceil_div(direct->forward.column_tiles, 2);
    grad->row_steps = ceil_div((int64_t)grad->window.grid_w * grad->window.side, depth);
    /* What a row's last step has beyond the last position, packed as 0. */
    if (grad->grads.kind == PACK_PIXELS && !by_patches)
        grad->grads.phase_pixels = ceil_div((int64_t)grad->row_steps * depth, grad->grads.side);
    divide(grad);
    reserve(grad, kernel, direct->forward.column_tiles);
    grad->bias_bytes = (size_t)out.c * sizeof(double);
    return OK;
}

void direct_grad_release(struct direct_grad *grad)
{
    window_release(&grad->window);
    window_release(&grad->grads);
}

size_t direct_grad_scratch(const struct direct_grad *grad, int threads)
{
    return (grad->slices > 1 ? (size_t)grad->slices * grad->sums_bytes : 0) +
           align_line((size_t)grad->slices * grad->bias_bytes) + (size_t)threads * grad->thread_bytes;
}
