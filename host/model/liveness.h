/* liveness: places buffers with limited lifetimes into one slab. Private to host/model; pure arithmetic. */
#ifndef LIVENESS_H
#define LIVENESS_H
#include <stddef.h>

struct live_buffer {
    size_t bytes;
    int from, to;  /* first and last moment of use, both included */
    size_t offset; /* result, a multiple of LIVE_ALIGNMENT */
};
enum { LIVE_ALIGNMENT = 256 };

/* Gives every buffer an offset so that buffers alive at the same moment do not overlap; returns the slab's size.
 * Greedy, largest first, lowest free place (as in Pisarchyk and Lee, "Efficient memory management for deep neural net
 * inference", 2020). */
size_t liveness_place(struct live_buffer *buffers, int count);
#endif
