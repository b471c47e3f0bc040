/* rows: an NHWC tensor cut for threads that each keep to a few channels. Knows nothing of what is computed.
 *
 * A pack is 16 bytes. A row is as many pixels side by side as make whole packs (one where the channels do), so any
 * number of channels is read 16 bytes at a time; an element's place in a row is its lane, and its channel is the lane
 * modulo the channels. The last row may end early. A block has columns x strands threads: a thread keeps to one pack of
 * the row, and its strand takes every strands-th row of the block's chunk. The cut is a function of the tensor's shape
 * alone, so sums over it are the same on every device. */
#ifndef ROWS_CUH
#define ROWS_CUH
#include "cuda.h"
#include "reduce.cuh"

namespace gpu
{
struct rows_cut {
    int64_t count;        /* elements */
    int channels, lanes;  /* lanes: elements of a row */
    int rows, chunk;      /* of the tensor, the last one perhaps partial; of a block */
    int columns, strands; /* threads of a block */
    int tiles, chunks;    /* blocks: across a row, over the rows */
};

constexpr int COLUMNS_MOST = 32;
constexpr int64_t STRAND_ROWS_LEAST = 8, STRAND_ROWS_MOST = 128;

inline int64_t rows_divide(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* pixels * channels elements, pack of them in 16 bytes. Fails where an int cannot count the rows. */
inline int rows_cut_make(struct rows_cut *cut, int64_t pixels, int channels, int pack)
{
    int sides = 1;
    while (int64_t(sides) * channels % pack != 0)
        sides++;
    if (pixels * channels / pack >= INT32_MAX)
        return FAIL(ERR_UNSUPPORTED, "cuda: a layer of %lld values is too large; use a smaller train.batch_size",
                    (long long)(pixels * channels));
    cut->count = pixels * channels;
    cut->channels = channels;
    cut->lanes = channels * sides;
    cut->rows = int(rows_divide(pixels, sides));
    const int packs = cut->lanes / pack;
    cut->tiles = int(rows_divide(packs, COLUMNS_MOST));
    cut->columns = int(rows_divide(packs, cut->tiles));
    cut->strands = THREADS / cut->columns;
    int64_t each = rows_divide(int64_t(cut->rows) * cut->tiles, int64_t(cut->strands) * MOST_BLOCKS);
    each = each < STRAND_ROWS_LEAST ? STRAND_ROWS_LEAST : each < STRAND_ROWS_MOST ? each : STRAND_ROWS_MOST;
    cut->chunk = int(each * cut->strands);
    cut->chunks = int(rows_divide(cut->rows, cut->chunk));
    return OK;
}

inline unsigned rows_blocks(const struct rows_cut &cut)
{
    return unsigned(cut.chunks) * unsigned(cut.tiles);
}

/* Pixels of a chunk that stand at one side of its rows. */
__device__ inline int rows_pixels(const struct rows_cut &cut, int chunk, int side)
{
    const int64_t begin = int64_t(chunk) * cut.chunk;
    const int64_t end = begin + cut.chunk < cut.rows ? begin + cut.chunk : cut.rows;
    const bool ends_early = end == cut.rows && int64_t(cut.rows - 1) * cut.lanes + side * cut.channels >= cut.count;
    return int(end - begin) - (ends_early ? 1 : 0);
}

/* Where a thread works. */
struct rows_place {
    int chunk, strand;
    int lane;      /* the pack's first */
    int64_t first; /* element: the pack in the strand's first row */
    int rows;      /* whole packs of this thread; 0 where it has nothing to do */
    int last;      /* elements of one pack more, which ends early; or 0 */
};

/* Back: blocks that start first take the tensor's end. */
template <int PACK> __device__ inline struct rows_place rows_place_of(const struct rows_cut &cut, bool back)
{
    struct rows_place place;
    const int block = int(back ? gridDim.x - 1 - blockIdx.x : blockIdx.x), thread = int(threadIdx.x);
    place.chunk = block / cut.tiles;
    place.strand = thread / cut.columns;
    place.lane = (block % cut.tiles * cut.columns + thread % cut.columns) * PACK;
    const int64_t begin = int64_t(place.chunk) * cut.chunk + place.strand;
    const int64_t end =
        int64_t(place.chunk + 1) * cut.chunk < cut.rows ? int64_t(place.chunk + 1) * cut.chunk : cut.rows;
    place.first = begin * cut.lanes + place.lane;
    place.rows = place.last = 0;
    if (place.strand < cut.strands && place.lane < cut.lanes && begin < end) {
        place.rows = int((end - begin + cut.strands - 1) / cut.strands);
        const int64_t at = place.first + int64_t(place.rows - 1) * cut.strands * cut.lanes;
        if (at + PACK > cut.count) {
            place.rows--;
            place.last = at < cut.count ? int(cut.count - at) : 0;
        }
    }
    return place;
}

/* Goes over the thread's packs: load(slot, at, width) for AHEAD of them, slot 0 to AHEAD - 1, then use(slot, at, width)
 * for each; at: its first element; width: PACK, or fewer for the tensor's last. */
template <int PACK, int AHEAD, class LOAD, class USE>
__device__ inline void rows_walk(const struct rows_cut &cut, const struct rows_place &place, bool back, LOAD load,
                                 USE use)
{
    const int64_t forward = int64_t(cut.strands) * cut.lanes, stride = back ? -forward : forward;
    int64_t at = back ? place.first + (place.rows - 1) * forward : place.first;
    int i = 0;
    for (; i + AHEAD <= place.rows; i += AHEAD, at += AHEAD * stride) {
        for (int slot = 0; slot < AHEAD; slot++)
            load(slot, at + slot * stride, PACK);
        for (int slot = 0; slot < AHEAD; slot++)
            use(slot, at + slot * stride, PACK);
    }
    for (; i < place.rows; i++, at += stride) {
        load(0, at, PACK);
        use(0, at, PACK);
    }
    if (place.last > 0) {
        at = place.first + place.rows * forward;
        load(0, at, place.last);
        use(0, at, place.last);
    }
}

/* Merges what the strands of a block have, per lane, into those of strand 0: neighbours first. A thread's number is
 * strand * columns + column. parts: shared, PACK * THREADS. Reached by all threads of the block. */
template <int PACK, class V, class F>
__device__ inline void merge_strands(int columns, int strands, V *parts, V *own, F merge)
{
    const int strand = int(threadIdx.x) / columns;
    V *const mine = parts + threadIdx.x;
    for (int j = 0; j < PACK; j++)
        mine[j * THREADS] = own[j];
    for (int step = 1; step < strands; step *= 2) {
        __syncthreads();
        if (strand % (2 * step) == 0 && strand + step < strands)
            for (int j = 0; j < PACK; j++) {
                own[j] = merge(own[j], mine[j * THREADS + step * columns]);
                mine[j * THREADS] = own[j];
            }
    }
}

/* ---- packs ---- */

/* The first width elements; the rest are 0. */
template <class T> __device__ inline void load_pack(T *values, const T *from, int width)
{
    if (width == PACK<T>) {
        load<PACK<T>>(values, from);
    } else {
        for (int j = 0; j < PACK<T>; j++)
            values[j] = j < width ? from[j] : T{0};
    }
}

template <class T> __device__ inline void store_pack(T *to, const T *values, int width)
{
    if (width == PACK<T>) {
        store<PACK<T>>(to, values);
    } else {
        for (int j = 0; j < PACK<T>; j++)
            if (j < width)
                to[j] = values[j];
    }
}

/* What N lanes from lane on have of an array with one value per channel. */
template <int N>
__device__ inline void load_channels(float *values, const float *from, const struct rows_cut &cut, int lane)
{
    int channel = lane % cut.channels;
    if (cut.lanes == cut.channels && lane < cut.lanes) {
        load<N>(values, from + channel);
    } else {
        for (int j = 0; j < N; j++, channel = channel + 1 < cut.channels ? channel + 1 : 0)
            values[j] = from[channel];
    }
}
} // namespace gpu
#endif
