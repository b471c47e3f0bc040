/* liveness: see liveness.h. Must not know graphs or devices. */
#include "liveness.h"

#include "base.h"

#include <stdlib.h>

static size_t round_up(size_t bytes)
{
    return (bytes + LIVE_ALIGNMENT - 1) / LIVE_ALIGNMENT * LIVE_ALIGNMENT;
}

/* Largest first; ties by time of first use, then by position, so that the result is the same everywhere. */
static int compare_larger(const void *left, const void *right)
{
    const struct live_buffer *a = *(struct live_buffer *const *)left, *b = *(struct live_buffer *const *)right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return a < b ? -1 : 1;
}

static int compare_offset(const void *left, const void *right)
{
    const struct live_buffer *a = *(struct live_buffer *const *)left, *b = *(struct live_buffer *const *)right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

size_t liveness_place(struct live_buffer *buffers, int count)
{
    struct arena arena = {0};
    struct live_buffer **by_size = arena_push(&arena, (size_t)count * sizeof *by_size);
    struct live_buffer **neighbours = arena_push(&arena, (size_t)count * sizeof *neighbours);
    for (int i = 0; i < count; i++)
        by_size[i] = &buffers[i];
    qsort(by_size, (size_t)count, sizeof *by_size, compare_larger);

    size_t slab_bytes = 0;
    for (int i = 0; i < count; i++) {
        struct live_buffer *buffer = by_size[i];
        int neighbour_count = 0;
        for (int k = 0; k < i; k++)
            if (by_size[k]->from <= buffer->to && buffer->from <= by_size[k]->to)
                neighbours[neighbour_count++] = by_size[k];
        qsort(neighbours, (size_t)neighbour_count, sizeof *neighbours, compare_offset);
        size_t offset = 0;
        for (int k = 0; k < neighbour_count && offset + round_up(buffer->bytes) > neighbours[k]->offset; k++) {
            const size_t end = neighbours[k]->offset + round_up(neighbours[k]->bytes);
            if (end > offset)
                offset = end;
        }
        buffer->offset = offset;
        if (offset + round_up(buffer->bytes) > slab_bytes)
            slab_bytes = offset + round_up(buffer->bytes);
    }
    arena_free(&arena);
    return slab_bytes;
}
