/* direct: convolution and linear layers by this project's own products of tiles. Private to kernels/cpu/.
 *
 * One layout of the weights serves all passes: right factors of the forward pass, in blocks of 32 filters, of each
 * block every step of 64 bytes of (tap, channel), or of (tap and channel) where channels are few, of each step one or
 * two tiles. The forward pass reads them where they lie; the pass by data transposes each tile on its way into the
 * panel it multiplies with; the weights' gradient is written in this order. */
#ifndef CPU_DIRECT_H
#define CPU_DIRECT_H
#include "conv.h"
#include "window.h"
#include "winograd.h"

/* A product of a window's entries and right factors, whose results go to every out_step-th pixel of an image. */
struct direct_pass {
    struct window window;
    struct shape out;
    int out_numbers; /* from one pixel of the results to the next: out.c, or those of all groups */
    int out_top, out_left, out_step;
    int column_tiles; /* of results: 16 channels each */
    int steps;
    bool in_place;
    int32_t *offset;                 /* of each step, in bytes: left factors', from a grid row's first entry; owned */
    int32_t *right_offset[2];        /* right factors' in blocks of one and of two tiles */
    size_t right_bytes, right_first; /* by data only: where its own right factors lie in scratch */
    size_t panel_bytes;              /* by data: of a block of them, made where it is used; 0: all are in scratch */
    size_t unit_bytes;               /* of a packed unit */
    ptrdiff_t plane_bytes;           /* of a unit, by winograd.h; 0: not so */
    size_t scratch_bytes;            /* of right factors in scratch, for all threads */
};

/* The gradient of the weights. The images are cut into slices, each summed on its own and added up in order, so that
 * sums do not depend on the number of threads. */
struct direct_grad {
    struct window window, grads; /* what is read at each position, and the output's gradient there */
    bool by_patches;             /* by winograd.h: for position read patch, for tap plane */
    int taps;                    /* 1 where a step holds several */
    int row_steps;               /* steps of a grid row */
    int slices, slice_units;
    bool at_once;                      /* a single unit: sums go from registers to the gradient, block by block */
    int chunks, chunk_blocks;          /* a task's share: blocks of 32 numbers of a tap */
    int number_blocks, column_blocks;  /* of 32 numbers of a tap, of 32 filters */
    int together;                      /* units whose steps are multiplied one after another, at most */
    ptrdiff_t line_bytes;              /* bf16: of one filter's positions of those units, turned */
    ptrdiff_t right_apart;             /* of 16 numbers' right factors of a unit from the next 16's */
    ptrdiff_t unit_right;              /* of a unit's right factors from the next one's */
    ptrdiff_t right_plane, left_plane; /* by patches: of a plane's factors of a unit, bytes */
    size_t sums_bytes, bias_bytes;     /* of a slice */
    /* A thread's memory: packed entries, right factors, packed gradients, those turned, where steps begin. */
    size_t entries_bytes, right_bytes, rows_bytes, left_bytes, offset_bytes, thread_bytes;
};

struct direct {
    struct conv conv; /* of convolutions alone */
    const struct tile_kernel *kernel;
    const struct vector_kernel *vector;
    struct shape in, out;                     /* of a group, as the products see them: a linear layer's are pixels */
    int groups;                               /* one after another, as if each were a layer */
    int pack_taps, pack_channels, tap_stride; /* canonical weights are {out.c, channels, taps}; numbers between taps */
    bool bias;
    struct direct_pass forward;
    struct direct_pass *data; /* one for each remainder of stride that a tap has; owned */
    int data_count;
    bool data_gaps; /* pixels that no tap reaches */
    bool training;
    struct direct_grad grad;
};

/* One call of a pass. */
struct pass_run {
    const struct tile_kernel *kernel;
    const struct direct_pass *pass;
    struct window_source source;
    const char *right; /* unless each block's are made of the weights */
    const struct direct *direct;
    const void *weights;
    const float *bias; /* or NULL */
    void *out;
    bool add;          /* to what lies in out */
    void *sums;        /* for the normalisation after it, or NULL */
    int first_channel; /* of this group among all */
    char *scratch;     /* of all threads */
    int together;      /* units of a task */
    int parts;         /* tasks that share units, each with some of the blocks of columns */
};

/* direct.c. What a thread's part of a pass takes of scratch, and all passes' own right factors. */
int direct_forward(struct device *device, const struct op_call *call);
int direct_backward(struct device *device, const struct op_call *call);
size_t direct_thread_bytes(const struct direct_pass *pass);
size_t direct_right_bytes(const struct direct *direct);

/* winograd.c (winograd.h). Whether it computes a layer's forward pass and that by data; what a pass needs; the right
 * factors of all of a pass's blocks; a packed unit's planes; one block of its columns, with its right factors. */
bool winograd_fits(const struct direct *direct, const union op_params *params);
int winograd_positions(int channels);
void winograd_init(struct direct_pass *pass);
size_t winograd_thread_bytes(const struct direct_pass *pass);
void winograd_right(struct device *device, const struct direct *direct, const struct direct_pass *pass,
                    const void *weights, char *right, char *scratch);
void winograd_planes(const struct pass_run *run, const struct unit *unit, char *planes);
void winograd_block(const struct pass_run *run, const struct unit *unit, char *planes, int block, const float *bias);
/* Patches of a pair of grid rows. Each patch of a unit, in order: `patch` says what to do but for where it lies; its
 * planes go patch_apart floats after those of the patch before. */
int winograd_row_patches(const struct window *window);
void winograd_each(const struct window *window, const struct unit *unit, struct winograd_patch patch,
                   ptrdiff_t patch_apart, void (*transform)(const struct winograd_patch *patch));
/* Grid rows and columns in whole patches. */
struct shape winograd_grid(struct shape grid);

/* direct_grad.c */
int direct_grad_init(struct direct *direct, int stride, struct tap *taps, int tap_count, bool by_patches);
void direct_grad_release(struct direct_grad *grad);
size_t direct_grad_scratch(const struct direct_grad *grad, int threads);
void direct_grad_run(struct device *device, const struct direct *direct, const struct op_call *call,
                     const struct window_source *in);

/* direct_weights.c: between the layouts of weights, of all groups. */
void direct_pack(const void *state, int weight, float *own, const float *canonical);
void direct_unpack(const void *state, int weight, float *canonical, const float *own);
/* Fills a pass's own right factors from the weights: one block's; all, of layers with few channels. */
void direct_transpose_block(const struct direct *direct, const struct direct_pass *pass, const void *weights, int block,
                            void *panel);
void direct_transpose(struct device *device, const struct direct *direct, const struct direct_pass *pass,
                      const void *weights, void *right);

/* Elements of a group's weights in their layout. */
int64_t direct_weight_count(const struct direct *direct);

/* Whether left factors are read where they lie: not in long rows whose starts share few sets of the cache. */
static inline bool direct_in_place(const struct window *window)
{
    return window->kind == PACK_NOTHING && window->image.c % window->depth == 0 &&
           window_entry_bytes(window->tap_steps) == window->tap_steps * STEP_BYTES;
}

/* Where the right factors of a block of 32 columns begin, in bytes, and how many tiles each of its steps has. */
static inline int64_t block_first(int steps, int block)
{
    return (int64_t)block * steps * 2 * TILE_BYTES;
}
static inline int block_tiles(int column_tiles, int block)
{
    return column_tiles - 2 * block < 2 ? column_tiles - 2 * block : 2;
}
#endif
