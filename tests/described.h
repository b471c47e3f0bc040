/* described: a GPU that is not there, for tests of planning: cuDNN plans for it without GPU and driver. Only where the
 * CUDA backend is built. */
#ifndef TESTS_DESCRIBED_H
#define TESTS_DESCRIBED_H
#include "backend.h"

/* Setup and teardown of a group of tests: a fixture folder, $XDG_CACHE_HOME in it, and an H200. */
extern struct device *described;
int described_begin(void **state);
int described_end(void **state);
/* Another GPU instead: capability 80, 89, 90 (the H200), 100 or 120. A status. */
int described_use(int capability);

/* Prepares all three passes of a convolution, checks what it says it needs, and releases it. */
int described_conv(const union op_params *params, struct shape in, struct shape out, enum dtype dtype, bool tf32);
/* What a convolution in training needs for which desc asks: dtype, in_grad, joins. */
int described_prepare(const struct op_desc *desc, const union op_params *params, struct shape in, struct shape out,
                      struct op_needs *needs);

#endif
