/* last: how one kernel does both stages of a sum: the block that finishes last merges what all blocks left, in their
 * order. Knows nothing of what is summed. */
#ifndef LAST_CUH
#define LAST_CUH
#include "reduce.cuh"

namespace gpu
{
/* Which of device->tickets a kernel counts its blocks with. */
enum ticket { TICKET_LOSS, TICKET_GRAD_NORM, TICKET_UPDATE, TICKET_PART_NORM, TICKET_SURVEY };

/* Leaves the block's part (thread 0's) in parts[block] and says, in every thread, whether all other blocks have left
 * theirs: then the parts may be merged. Reached once by all threads of a grid of one dimension. */
template <class T> __device__ inline bool leave_part(T *parts, T part, unsigned *ticket)
{
    SHARED(int, last);
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = part;
        __threadfence();
        last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1; /* back to 0 by the last */
        __threadfence();
    }
    __syncthreads();
    return last != 0;
}
} // namespace gpu
#endif
