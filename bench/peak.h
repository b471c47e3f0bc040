/* peak: what this CPU's multipliers give at most, for bench_ops. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H
#include "op.h"

/* Floating-point operations a second of all threads together, operands in registers or the first cache: fp32 by
 * multiply-adds of AVX-512, bf16 by AMX. 0: not known for this dtype, program or CPU. */
double peak_rate(enum dtype dtype, int threads);
#endif
