/* libraries: stands in for the CUDA backend's own file of this name where there is neither cuBLAS nor cuDNN. */
#include "cuda.h"
#include <stdio.h>

int cuda_libraries_open(struct device *device)
{
    (void)device;
    return OK;
}

void cuda_libraries_close(struct device *device)
{
    (void)device;
}

void cuda_libraries_describe(char *text, size_t bytes)
{
    snprintf(text, bytes, "no cuBLAS, no cuDNN");
}
