/* window: see window.h. */
#include "window.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What a product may read beyond the last entry of a unit. */
enum { SLACK = BLOCK, PIECE = 256, MANY_STEPS = 8, LOOSE = 32, UNIT_BYTES = 1 << 20 };

/* ---- geometry ---- */

/* More images only where they save this share of a row at least: results of one image are stored together. */
static const double worthwhile = 0.15;

/* As few images as waste least of their last row_unit; more than one image only while rows are short. */
static int best_side(int grid_w, int images, int row_unit, bool even)
{
    const int unit = even ? 2 : 1;
    int best = unit;
    double least = 2.0 * row_unit;
    for (int side = unit; side <= images && (side == unit || side * grid_w <= 8 * row_unit); side += unit) {
        const double share = (double)ceil_div((int64_t)side * grid_w, row_unit) * row_unit / (side * grid_w);
        if (share < least - worthwhile) {
            least = share;
            best = side;
        }
    }
    return best;
}

static void find_phases(struct window *window)
{
    int right = 0;
    for (int i = 0; i < STEP_MOST; i++)
        window->phase[i] = -1;
    for (int t = 0; t < window->tap_count; t++) {
        if (-window->taps[t].w > window->lead)
            window->lead = -window->taps[t].w;
        if (window->taps[t].w > right)
            right = window->taps[t].w;
    }
    for (int t = 0; t < window->tap_count; t++) {
        int *phase = &window->phase[(window->taps[t].w + window->lead) % window->step];
        if (*phase < 0)
            *phase = window->phases++;
    }
    window->phase_pixels =
        ceil_div(window->lead + (int64_t)(window->grid_w - 1) * window->step + right + 1, window->step);
}

/* A single tap at 0 that visits every pixel. */
static bool lies_ready(const struct window *window)
{
    return window->tap_count == 1 && window->taps[0].h == 0 && window->taps[0].w == 0 && window->step == 1 &&
           window->grid_h == window->image.h && window->grid_w == window->image.w;
}

void window_init(struct window *window, const struct tile_kernel *kernel, struct shape image, int groups,
                 struct shape grid, int step, struct tap *taps, int tap_count, enum pack_kind kind, int row_unit,
                 bool even, int positions)
{
    assert(step <= STEP_MOST || kind == PACK_WINDOWS);
    *window = (struct window){.kind = kind,
                              .image = image,
                              .pixel_numbers = image.c * groups,
                              .pixels = (int64_t)image.n * image.h * image.w,
                              .grid_h = grid.h,
                              .grid_w = grid.w,
                              .step = step,
                              .taps = taps,
                              .tap_count = tap_count,
                              .number_bytes = (int)dtype_bytes(kernel->dtype),
                              .depth = kernel->depth,
                              .side = 1,
                              .tap_top = taps[0].h};
    int bottom = taps[0].h;
    for (int t = 0; t < tap_count; t++) {
        window->tap_top = taps[t].h < window->tap_top ? taps[t].h : window->tap_top;
        bottom = taps[t].h > bottom ? taps[t].h : bottom;
    }
    window->tap_rows = bottom - window->tap_top + 1;
    if (kind == PACK_NOTHING && !lies_ready(window))
        window->kind = PACK_PIXELS;
    if (window->kind == PACK_NOTHING) {
        /* Even pieces: what the last one lacks is multiplied nevertheless. */
        const int pieces = ceil_div(window->pixels, PIECE);
        window->grid_w = ceil_div(ceil_div(window->pixels, pieces), BLOCK) * BLOCK;
        window->grid_h = ceil_div(window->pixels, window->grid_w);
        window->image = (struct shape){1, window->grid_h, window->grid_w, image.c};
    } else {
        window->side = best_side(grid.w, image.n, row_unit, even);
    }
    if (window->kind == PACK_PIXELS)
        find_phases(window);
    const int numbers = window->kind == PACK_WINDOWS ? image.c * tap_count : image.c;
    window->tap_steps = ceil_div(numbers, window->depth);
    window->channels = window->tap_steps * window->depth;
    /* Long entries are of few positions. */
    if (kind == PACK_WINDOWS && positions > UNIT_BYTES / (window->channels * window->number_bytes))
        positions = UNIT_BYTES / (window->channels * window->number_bytes);
    window->band = ceil_div(positions, window->grid_w * window->side);
    if (window->band < 1)
        window->band = 1;
    /* In pairs, as winograd.h takes them. */
    if (window->kind != PACK_NOTHING)
        window->band += window->band % 2;
    if (window->band > window->grid_h)
        window->band = window->grid_h;
    window->band_count = ceil_div(window->grid_h, window->band);
    window->bordered_h = (window->band - 1) * step + window->tap_rows;
    window->bordered_w = (window->grid_w - 1) * step + tap_count / window->tap_rows;
    window->unit_count = window->band_count * ceil_div(window->image.n, window->side);
}

void window_release(struct window *window)
{
    free(window->taps);
}

int window_row_entries(const struct window *window)
{
    return window->side * (window->kind == PACK_PIXELS ? window->phases * window->phase_pixels : window->grid_w);
}

static int packed_rows(const struct window *window, int grid_rows)
{
    return window->kind == PACK_PIXELS ? (grid_rows - 1) * window->step + window->tap_rows : grid_rows;
}

size_t window_unit_bytes(const struct window *window, ptrdiff_t entry_bytes)
{
    const size_t entries = (size_t)window_unit_entries(window) * (size_t)entry_bytes;
    const size_t image = (size_t)window->bordered_h * (size_t)window->bordered_w * (size_t)window->image.c;
    const size_t images = (size_t)window->side * image * (size_t)window->number_bytes + LOOSE;
    return entries + (window->kind == PACK_WINDOWS ? (images + STEP_BYTES) / STEP_BYTES * STEP_BYTES : 0);
}

int64_t window_unit_entries(const struct window *window)
{
    return (int64_t)packed_rows(window, window->band) * window_row_entries(window) + SLACK;
}

int window_row_positions(const struct window *window, int grid_row)
{
    const int64_t left = window->pixels - (int64_t)grid_row * window->grid_w;
    return window->kind == PACK_NOTHING && left < window->grid_w ? (int)left : window->grid_w * window->side;
}

void window_taps(const struct window *window, int grid_row, int *first, int *end)
{
    *first = 0;
    *end = window->kind == PACK_PIXELS ? window->tap_count : 1;
    if (window->kind != PACK_PIXELS)
        return;
    const int row = grid_row * window->step, rows = window->image.h;
    while (*first < *end && (row + window->taps[*first].h < 0 || row + window->taps[*first].h >= rows))
        ++*first;
    while (*first < *end && (row + window->taps[*end - 1].h < 0 || row + window->taps[*end - 1].h >= rows))
        --*end;
    if (*first == *end)
        *first = *end = 0;
}

ptrdiff_t window_tap_entry(const struct window *window, int tap)
{
    if (window->kind != PACK_PIXELS)
        return 0;
    const struct tap at = window->taps[tap];
    const int x = at.w + window->lead;
    const ptrdiff_t pixel = (ptrdiff_t)window->phase[x % window->step] * window->phase_pixels + x / window->step;
    return (ptrdiff_t)(at.h - window->tap_top) * window_row_entries(window) + pixel * window->side;
}

ptrdiff_t window_row_step(const struct window *window)
{
    return (ptrdiff_t)window_row_entries(window) * (window->kind == PACK_PIXELS ? window->step : 1);
}

ptrdiff_t window_entry_bytes(int steps)
{
    return (ptrdiff_t)(steps < MANY_STEPS ? steps : steps | 1) * STEP_BYTES;
}

/* ---- packing ---- */

struct packing {
    const struct window *window;
    const char *source; /* its first channel */
    struct norm_made made;
    const struct vector_kernel *vector;
    ptrdiff_t pixel_bytes;
    size_t used_bytes, entry_bytes; /* of an entry: from the source, and in all */
    size_t bordered_bytes;          /* of a pixel of a bordered image */
};

static inline void copy_entry(char *to, const char *from, size_t used, size_t all)
{
    if (used % STEP_BYTES == 0) {
        for (size_t i = 0; i < used; i += STEP_BYTES)
            memcpy(to + i, from + i, STEP_BYTES);
    } else {
        memcpy(to, from, used);
        memset(to + used, 0, all - used);
    }
}

static const char *row_of(const struct packing *packing, int image, int row)
{
    const struct shape shape = packing->window->image;
    return packing->source + ((int64_t)image * shape.h + row) * shape.w * packing->pixel_bytes;
}

/* Entries are whole steps; as many calls of memset for one or two steps each would take longer. */
static void clear_entries(const struct packing *packing, char *to, ptrdiff_t to_apart, int count)
{
    for (int i = 0; i < count; i++, to += to_apart)
        for (size_t step = 0; step < packing->entry_bytes; step += STEP_BYTES)
            memset(to + step, 0, STEP_BYTES);
}

/* Pixels that are there. */
static void pack_entries(const struct packing *packing, char *to, ptrdiff_t to_apart, const char *from,
                         ptrdiff_t from_apart, int count)
{
    const size_t used = packing->used_bytes, all = packing->entry_bytes;
    if (!packing->made.mean) {
        for (int i = 0; i < count; i++, to += to_apart, from += from_apart)
            copy_entry(to, from, used, all);
        return;
    }
    const struct window *window = packing->window;
    packing->vector->norm_make(&(struct norm_copy){
        .dtype = window->number_bytes == (int)sizeof(float) ? DT_F32 : DT_BF16,
        .lanes = (int)used / window->number_bytes,
        .pixels = count,
        .from = from,
        .to = to,
        .from_apart = from_apart,
        .to_apart = to_apart,
        .made = packing->made,
    });
    for (int i = 0; i < count && used < all; i++, to += to_apart)
        memset(to + used, 0, all - used);
}

/* A source row of one image, its pixels `side` entries apart; NULL: a row of the border. */
static void pack_row(const struct packing *packing, const char *row, char *to)
{
    const struct window *window = packing->window;
    const ptrdiff_t apart = (ptrdiff_t)packing->entry_bytes * window->side;
    for (int p = 0; p < window->step; p++) {
        if (window->phase[p] < 0)
            continue;
        char *const entry = to + window->phase[p] * window->phase_pixels * apart;
        /* Entry q is column q * step - left. */
        const int left = window->lead - p, last = ceil_div(window->image.w + left, window->step);
        int first = left > 0 ? ceil_div(left, window->step) : 0;
        int end = last < window->phase_pixels ? last : window->phase_pixels;
        if (!row || end < first)
            end = first = window->phase_pixels;
        clear_entries(packing, entry, apart, first);
        if (end > first)
            pack_entries(packing, entry + first * apart, apart,
                         row + (first * window->step - left) * packing->pixel_bytes,
                         window->step * packing->pixel_bytes, end - first);
        clear_entries(packing, entry + end * apart, apart, window->phase_pixels - end);
    }
}

static void pack_pixels(const struct packing *packing, const struct unit *unit, char *to)
{
    const struct window *window = packing->window;
    const size_t row_bytes = (size_t)window_row_entries(window) * packing->entry_bytes;
    for (int r = 0; r < unit->packed_rows; r++, to += row_bytes) {
        const int row = unit->first_row * window->step + window->tap_top + r;
        const bool read = r % window->step < window->tap_rows && row >= 0 && row < window->image.h;
        for (int i = 0; i < window->side; i++)
            pack_row(packing, read && i < unit->images ? row_of(packing, unit->first_image + i, row) : NULL,
                     to + (size_t)i * packing->entry_bytes);
    }
    memset(to, 0, SLACK * packing->entry_bytes);
}

static void copy_pixels(const struct packing *packing, char *to, const char *from, int count)
{
    const size_t each = packing->bordered_bytes;
    if (packing->pixel_bytes == (ptrdiff_t)each)
        memcpy(to, from, (size_t)count * each);
    else
        for (; count > 0; count--, to += each, from += packing->pixel_bytes)
            memcpy(to, from, each);
}

/* One image's rows that a unit reads, with their border: what follows then need not look at borders. */
static void pack_border(const struct packing *packing, const struct unit *unit, int image, char *to)
{
    const struct window *window = packing->window;
    const int left = -window->taps[0].w, top = unit->first_row * window->step + window->tap_top;
    const size_t pixel_bytes = packing->bordered_bytes, row_bytes = (size_t)window->bordered_w * pixel_bytes;
    const int right = window->bordered_w - left - window->image.w;
    const int begin = left < 0 ? -left : 0, end = right < 0 ? window->image.w + right : window->image.w;
    for (int r = 0; r < (unit->rows - 1) * window->step + window->tap_rows; r++, to += row_bytes) {
        const int row = top + r;
        memset(to, 0, row_bytes);
        if (row >= 0 && row < window->image.h && end > begin)
            copy_pixels(packing, to + (size_t)(begin + left) * pixel_bytes,
                        row_of(packing, image, row) + begin * packing->pixel_bytes, end - begin);
    }
}

/* A grid position's entry: of each tap row, the pixels follow one another in the bordered image too. Reads and writes
 * somewhat more: what follows the entry is written later. */
static inline void pack_window(char *to, const char *from, int rows, size_t taps_bytes, ptrdiff_t row_bytes)
{
    for (; rows > 0; rows--, to += taps_bytes, from += row_bytes)
        for (size_t i = 0; i < taps_bytes; i += LOOSE)
            memcpy(to + i, from + i, LOOSE);
    memset(to, 0, STEP_BYTES);
}

static void pack_windows(const struct packing *packing, const struct unit *unit, char *to)
{
    const struct window *window = packing->window;
    const int side = window->side, grid_w = window->grid_w, tap_rows = window->tap_rows, images = unit->images;
    const size_t entry_bytes = packing->entry_bytes;
    const ptrdiff_t pixel_bytes = (ptrdiff_t)packing->bordered_bytes, step_bytes = window->step * pixel_bytes;
    const size_t taps_bytes = (size_t)(window->tap_count / tap_rows) * packing->bordered_bytes;
    const ptrdiff_t row_bytes = window->bordered_w * pixel_bytes, image_bytes = window->bordered_h * row_bytes;
    char *const bordered = to + window_unit_entries(window) * (ptrdiff_t)entry_bytes;
    for (int i = 0; i < images; i++)
        pack_border(packing, unit, unit->first_image + i, bordered + i * image_bytes);
    for (int r = 0; r < unit->rows; r++) {
        const char *from = bordered + r * window->step * row_bytes;
        for (int w = 0; w < grid_w; w++, from += step_bytes) {
            for (int i = 0; i < images; i++, to += entry_bytes)
                pack_window(to, from + i * image_bytes, tap_rows, taps_bytes, row_bytes);
            for (int i = images; i < side; i++, to += entry_bytes)
                memset(to, 0, entry_bytes);
        }
    }
    memset(to, 0, SLACK * entry_bytes);
}

static void pack_pieces(const struct packing *packing, const struct unit *unit, char *to)
{
    const struct window *window = packing->window;
    const int64_t first = (int64_t)unit->first_row * window->grid_w, wanted = (int64_t)unit->rows * window->grid_w;
    const int64_t left = window->pixels - first, there = left < wanted ? left : wanted;
    pack_entries(packing, to, (ptrdiff_t)packing->entry_bytes, packing->source + first * packing->pixel_bytes,
                 packing->pixel_bytes, (int)there);
    memset(to + (size_t)there * packing->entry_bytes, 0, (size_t)(wanted - there + SLACK) * packing->entry_bytes);
}

void window_pack(const struct window *window, const struct window_source *source, int number, int first_channel,
                 int channels, bool in_place, void *memory, struct unit *unit)
{
    const int group = number / window->band_count, left = window->image.n - group * window->side;
    *unit = (struct unit){.first_image = group * window->side,
                          .images = left < window->side ? left : window->side,
                          .first_row = number % window->band_count * window->band,
                          .entries = memory};
    const int rows_left = window->grid_h - unit->first_row;
    unit->rows = rows_left < window->band ? rows_left : window->band;
    unit->packed_rows = packed_rows(window, unit->rows);
    const bool windows = window->kind == PACK_WINDOWS;
    const int numbers = windows ? window->tap_count * channels : channels, each = window->number_bytes;
    struct packing packing = {
        .window = window,
        .source = (const char *)source->values + (ptrdiff_t)first_channel * each,
        .pixel_bytes = (ptrdiff_t)window->pixel_numbers * each,
        .used_bytes = (size_t)numbers * (size_t)each,
        .entry_bytes = (size_t)window_entry_bytes(ceil_div(numbers, window->depth)),
        .bordered_bytes = (size_t)window->image.c * (size_t)each,
    };
    if (source->made.mean) {
        const struct norm_made *made = &source->made;
        assert(!windows);
        packing.vector = source->vector;
        packing.made =
            (struct norm_made){made->mean + first_channel, made->scale + first_channel, made->bias + first_channel};
    }
    unit->entry_bytes = (ptrdiff_t)packing.entry_bytes;
    const int64_t end = (int64_t)(unit->first_row + unit->rows) * window->grid_w;
    if (window->kind == PACK_NOTHING && in_place && !source->made.mean && end <= window->pixels) {
        unit->entries = packing.source + (int64_t)unit->first_row * window->grid_w * packing.pixel_bytes;
        unit->entry_bytes = packing.pixel_bytes;
    } else if (window->kind == PACK_NOTHING) {
        pack_pieces(&packing, unit, memory);
    } else if (windows) {
        pack_windows(&packing, unit, memory);
    } else {
        pack_pixels(&packing, unit, memory);
    }
}
