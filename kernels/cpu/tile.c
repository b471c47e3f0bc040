/* tile: which of the kernels this program and CPU use for a dtype. See tile.h. */
#include "tile.h"

const struct tile_kernel *tile_kernel_of(enum dtype dtype)
{
    const unsigned set = (unsigned)dnnl_get_effective_cpu_isa();
    if (dtype == DT_BF16 && (set & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx)
        return tile_amx();
    if (dtype == DT_F32 && (set & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
        return tile_avx512();
    return NULL;
}
