/* range: NVTX ranges, which a profiler shows over the calls made in between. The library is a header that calls a
 * profiler if one is attached, and else nothing. */
#include "cuda.h"

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>

void cuda_range_begin(const char *name)
{
    nvtxRangePushA(name);
}

void cuda_range_end(void)
{
    nvtxRangePop();
}
#else
/* A toolkit without it. */
void cuda_range_begin(const char *name)
{
    (void)name;
}

void cuda_range_end(void) {}
#endif
