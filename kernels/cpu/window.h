/* window: what a convolution reads at each position of a grid, packed so that a product's left factors are rows one
 * after another. Private to kernels/cpu/; knows shapes and taps, not weights or results.
 *
 * Grid position (h, w) reads source pixels (h * step + tap.h, w * step + tap.w), 0 beyond the border. The grid is cut
 * into units: a band of grid rows of a few images, which are packed side by side, pixel by pixel, so that a row is long
 * even where images are small. Three ways to pack:
 *   PACK_PIXELS   source rows with their border, an entry per pixel and image, pixels of one remainder of step
 * together: the entries that a tap needs for a grid row follow one another PACK_WINDOWS  an entry per grid position:
 * all taps' numbers one after another; for few channels PACK_NOTHING  the source as one long row of pixels cut into
 * pieces, as it lies where its pixels are whole entries; for a single tap at 0 */
#ifndef CPU_WINDOW_H
#define CPU_WINDOW_H
#include "tile.h"

struct tap {
    int h, w;
    int number; /* in the kernel */
};

enum pack_kind { PACK_PIXELS, PACK_WINDOWS, PACK_NOTHING };
enum { STEP_MOST = 8 };

struct window {
    enum pack_kind kind;
    struct shape image; /* the source; PACK_NOTHING: {1, pieces, pixels of a piece, c} */
    int pixel_numbers;  /* of the source, from one pixel to the next: image.c, or those of all groups */
    int64_t pixels;     /* of the source */
    int grid_h, grid_w, step;
    struct tap *taps; /* each row's together, in order or in reverse; owned */
    int tap_count, tap_top, tap_rows;
    int number_bytes, depth; /* of a number; numbers in 64 bytes */
    int side;                /* images side by side */
    int lead;                /* border pixels on the left */
    int phase[STEP_MOST];    /* of a remainder of step: which block of a row; -1: never read */
    int phase_pixels;        /* of one remainder, images apart */
    int phases;              /* that are read */
    int channels;            /* numbers of an entry: a multiple of depth. Of all channels */
    int tap_steps;           /* of 64 bytes, per tap; PACK_WINDOWS: of the one there is */
    int band;                /* grid rows of a unit */
    int band_count, unit_count;
    int bordered_h, bordered_w; /* PACK_WINDOWS: what a unit reads of an image, its border included */
};

/* What is packed: an array as it lies, or what a normalisation makes of it (not PACK_WINDOWS); nothing lies ready then.
 * made: of the array's first channel. */
struct window_source {
    const void *values;
    struct norm_made made;
    const struct vector_kernel *vector; /* with made */
};

struct unit {
    int first_image, images; /* that exist; the rest of side are 0 */
    int first_row, rows;     /* of the grid */
    int packed_rows;
    const char *entries; /* of all channels, or those packed */
    ptrdiff_t entry_bytes;
};

/* Fills *window, taking taps over. image.c: the channels that are read, of groups those of one. PACK_NOTHING becomes
 * PACK_PIXELS where the source is not ready as it lies. row_unit: a grid row of several images is made as near to a
 * multiple of it as images allow; even: of an even number of images, one of which may be missing; positions: of a unit,
 * about. */
void window_init(struct window *window, const struct tile_kernel *kernel, struct shape image, int groups,
                 struct shape grid, int step, struct tap *taps, int tap_count, enum pack_kind kind, int row_unit,
                 bool even, int positions);
void window_release(struct window *window);

/* Of a packed entry of so many steps: an odd number of cache lines where there are many, since entries in a row would
 * else share few sets of the cache. */
ptrdiff_t window_entry_bytes(int steps);

/* Entries of a packed row, and of a packed unit with what may be read beyond it; the memory that packing one takes. */
int window_row_entries(const struct window *window);
int64_t window_unit_entries(const struct window *window);
size_t window_unit_bytes(const struct window *window, ptrdiff_t entry_bytes);

/* Grid positions of a row: of every image side by side. PACK_NOTHING: the last piece may be shorter. */
int window_row_positions(const struct window *window, int grid_row);

/* Describes unit `number`; packs channels [first, first + count) of it into memory. channels of an entry are rounded up
 * to depth with zeros. in_place: where nothing need be packed, memory is left alone. */
void window_pack(const struct window *window, const struct window_source *source, int number, int first_channel,
                 int channels, bool in_place, void *memory, struct unit *unit);

/* Taps [*first, *end) have their source row inside the image for this grid row; none: both 0. */
void window_taps(const struct window *window, int grid_row, int *first, int *end);

/* Where in a unit's entries a tap's first entry for its first grid row lies, and how far apart grid rows are. */
ptrdiff_t window_tap_entry(const struct window *window, int tap);
ptrdiff_t window_row_step(const struct window *window);
#endif
