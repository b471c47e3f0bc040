/* test_flat: the element-wise helpers of a backend: accumulate, lower, swap, blend, the search for non-finite values,
 * which have one right answer; rounding to low precision; opening and describing the CPU. */
#include "kernels/common/fp16.h"
#include "mirror.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { MOST = 4097 };
static const int64_t sizes[] = {1, 15, 16, 17, 63, 1023, 1025, 4095, 4096, 4097};

/* ---- rounding ---- */

static void test_bf16(void **state)
{
    (void)state;
    static const struct {
        uint32_t bits;
        uint16_t want;
    } cases[] = {
        {0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82}, {0x3F817FFF, 0x3F81},
        {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x00000001, 0x0000}, {0x80000000, 0x8000},
        {0x7F800001, 0x7FC0}, {0xFFFFFFFF, 0xFFFF}, {0x7FFFFFFF, 0x7FFF},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(bf16_from_float(float_from_bits(cases[i].bits)), cases[i].want);
    for (uint32_t half = 0; half < 65536; half++) {
        float value = bf16_to_float((uint16_t)half);
        if (value == value)
            assert_int_equal(bf16_from_float(value), half);
        else
            assert_true(bf16_to_float(bf16_from_float(value)) != bf16_to_float(bf16_from_float(value)));
    }
}

/* ---- arrays ---- */

static struct arrays {
    struct mirror mirror;
    float a[MOST], b[MOST], sum[MOST];
    uint16_t low_a[MOST], low_b[MOST], low_sum[MOST];
    struct step_control control;
    int64_t count, found;
    enum dtype dtype; /* of the low-precision ones */
} arrays;

static void arrays_open(void)
{
    memset(&arrays, 0, sizeof arrays);
    mirror_open(&arrays.mirror, 2);
    mirror_add(&arrays.mirror, arrays.a, sizeof arrays.a);
    mirror_add(&arrays.mirror, arrays.b, sizeof arrays.b);
    mirror_add(&arrays.mirror, arrays.sum, sizeof arrays.sum);
    mirror_add(&arrays.mirror, arrays.low_a, sizeof arrays.low_a);
    mirror_add(&arrays.mirror, arrays.low_b, sizeof arrays.low_b);
    mirror_add(&arrays.mirror, arrays.low_sum, sizeof arrays.low_sum);
    mirror_add(&arrays.mirror, &arrays.control, sizeof arrays.control);
}

static int lower_and_sum(struct mirror *mirror, const void *what)
{
    (void)what;
    const struct backend *backend = mirror->backend;
    float *a = mirror_at(mirror, arrays.a), *b = mirror_at(mirror, arrays.b), *sum = mirror_at(mirror, arrays.sum);
    void *low_a = mirror_at(mirror, arrays.low_a), *low_b = mirror_at(mirror, arrays.low_b);
    void *low_sum = mirror_at(mirror, arrays.low_sum);
    TRY(backend->accumulate(mirror->device, sum, a, arrays.count, DT_F32, true));
    TRY(backend->accumulate(mirror->device, sum, b, arrays.count, DT_F32, false));
    TRY(backend->lower(mirror->device, low_a, arrays.dtype, a, arrays.count));
    TRY(backend->lower(mirror->device, low_b, arrays.dtype, b, arrays.count));
    TRY(backend->accumulate(mirror->device, low_sum, low_a, arrays.count, arrays.dtype, true));
    return backend->accumulate(mirror->device, low_sum, low_b, arrays.count, arrays.dtype, false);
}

static void sums_check(enum dtype dtype, float (*widen)(uint16_t), uint16_t (*narrow)(float))
{
    arrays_open();
    arrays.dtype = dtype;
    for (int s = 0; s < COUNT_OF(sizes) && mirror_supports(&arrays.mirror, dtype); s++) {
        arrays.count = sizes[s];
        vectors_det(arrays.a, "a", MOST, -1, 1);
        vectors_det(arrays.b, "b", MOST, -1, 1);
        memset(arrays.sum, 0, sizeof arrays.sum);
        memset(arrays.low_a, 0, sizeof arrays.low_a);
        mirror_run(&arrays.mirror, lower_and_sum, NULL);
        for (int64_t i = 0; i < sizes[s]; i++) {
            assert_true(arrays.sum[i] == arrays.a[i] + arrays.b[i]);
            assert_int_equal(arrays.low_a[i], narrow(arrays.a[i]));
            assert_int_equal(arrays.low_sum[i], narrow(widen(arrays.low_a[i]) + widen(arrays.low_b[i])));
        }
        if (sizes[s] < MOST)
            assert_true(arrays.low_a[sizes[s]] == 0 && arrays.sum[sizes[s]] == 0.0f);
    }
    mirror_close(&arrays.mirror);
}

static void test_accumulate_lower(void **state)
{
    (void)state;
    sums_check(DT_BF16, bf16_to_float, bf16_from_float);
    sums_check(DT_F16, fp16_to_float, fp16_from_float);
}

static int swap(struct mirror *mirror, const void *what)
{
    (void)what;
    return mirror->backend->swap(mirror->device, mirror_at(mirror, arrays.a), mirror_at(mirror, arrays.b),
                                 arrays.count);
}

static void test_swap(void **state)
{
    (void)state;
    static float a[MOST], b[MOST];
    arrays_open();
    vectors_det(a, "a", MOST, -1, 1);
    vectors_det(b, "b", MOST, -1, 1);
    for (int s = 0; s < COUNT_OF(sizes); s++) {
        arrays.count = sizes[s];
        memcpy(arrays.a, a, sizeof a);
        memcpy(arrays.b, b, sizeof b);
        mirror_run(&arrays.mirror, swap, NULL);
        assert_memory_equal(arrays.a, b, (size_t)sizes[s] * 4);
        assert_memory_equal(arrays.b, a, (size_t)sizes[s] * 4);
        assert_memory_equal(arrays.a + sizes[s], a + sizes[s], (size_t)(MOST - sizes[s]) * 4);
    }
    mirror_close(&arrays.mirror);
}

static int blend(struct mirror *mirror, const void *what)
{
    (void)what;
    return mirror->backend->blend(mirror->device, mirror_at(mirror, arrays.sum), mirror_at(mirror, arrays.a),
                                  arrays.count, mirror_at(mirror, &arrays.control));
}

/* PyTorch's exponential moving averages. */
static void test_averages(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "ema");
    const json_t *cases = vectors_member(vectors.json, "cases");
    assert_int_equal(json_array_size(cases), 4);
    arrays_open();
    arrays.count = 4;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        float *model = vectors_floats(&vectors, one, "model", NULL), *want = vectors_floats(&vectors, one, "ema", NULL);
        double *decay = vectors_doubles(&vectors, one, "decay", NULL);
        memcpy(arrays.sum, vectors_floats(&vectors, one, "init", NULL), 16);
        for (int t = 0; t < 8; t++) {
            arrays.control.ema_decay = decay[t];
            memcpy(arrays.a, model + t * 4, 16);
            mirror_run(&arrays.mirror, blend, NULL);
            /* One rounding of values below 1: torch's vector loop fuses the multiply-add. */
            vectors_check(vectors_text(one, "name"), arrays.sum, want + t * 4, 4, 1.2e-7, 0);
        }
    }
    /* A copy is one whatever was there before. */
    static const float before[] = {NAN, INFINITY, 1e38f, 0}, value[] = {1, 2, -3e38f, 4};
    memcpy(arrays.sum, before, sizeof before);
    memcpy(arrays.a, value, sizeof value);
    arrays.control.ema_decay = 0;
    mirror_run(&arrays.mirror, blend, NULL);
    assert_memory_equal(arrays.sum, value, sizeof value);
    mirror_close(&arrays.mirror);
    vectors_close(&vectors);
}

struct search {
    const void *memory;
    enum dtype dtype;
    int64_t count;
};

static int search_work(struct mirror *mirror, const void *what)
{
    const struct search *search = what;
    return mirror->backend->count_nonfinite(mirror->device, mirror_at(mirror, search->memory), search->dtype,
                                            search->count, &arrays.found);
}

static void found_check(const void *memory, enum dtype dtype, int64_t count, int64_t want)
{
    const struct search search = {memory, dtype, count};
    mirror_run(&arrays.mirror, search_work, &search);
    assert_int_equal(arrays.found, want);
}

static void test_count_nonfinite(void **state)
{
    (void)state;
    arrays_open();
    arrays.a[0] = NAN, arrays.a[16] = INFINITY, arrays.a[4096] = -INFINITY, arrays.a[7] = 3e38f;
    arrays.low_a[3] = 0x7F80, arrays.low_a[4095] = 0xFFC1, arrays.low_a[9] = 0x7F7F, arrays.low_a[11] = 0x7C00;
    found_check(arrays.a, DT_F32, 4097, 3);
    found_check(arrays.a, DT_F32, 4096, 2);
    found_check(arrays.low_a, DT_BF16, 4097, 2);
    found_check(arrays.low_a, DT_F16, 12, 3);
    mirror_close(&arrays.mirror);
}

/* ---- the CPU ---- */

static void test_device(void **state)
{
    (void)state;
    const struct backend *const cpu = &backend_cpu;
    arrays_open();
    const bool tested = mirror_is_cpu(&arrays.mirror);
    mirror_close(&arrays.mirror);
    if (!tested)
        skip();
    struct device *device;
    char text[160];
    bool hardware;
    assert_int_equal(cpu->open(&device, 1, 0), ERR_DEVICE);
    assert_null(device);
    assert_int_equal(cpu->open(&device, 0, 3), OK);
    cpu->describe(device, text, sizeof text);
    assert_non_null(strstr(text, ", 3 threads, "));
    assert_true(cpu->supports(device, DT_F32, &hardware) && hardware);
    assert_true(cpu->supports(device, DT_BF16, &hardware));
    assert_false(cpu->supports(device, DT_F16, &hardware) || hardware);
    void *memory;
    assert_int_equal(cpu->alloc(device, 0, &memory), OK);
    cpu->release(device, memory);
    assert_int_equal(cpu->alloc(device, 1000, &memory), OK);
    assert_int_equal((uintptr_t)memory % 256, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(((char *)memory)[i], 0);
    cpu->release(device, memory);
    assert_int_equal(cpu->alloc(device, SIZE_MAX / 2, &memory), ERR_MEMORY);
    assert_int_equal(cpu->alloc(device, SIZE_MAX, &memory), ERR_MEMORY);
    cpu->release(device, NULL);
    cpu->close(device);
    cpu->close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16),     cmocka_unit_test(test_accumulate_lower), cmocka_unit_test(test_swap),
        cmocka_unit_test(test_averages), cmocka_unit_test(test_count_nonfinite),  cmocka_unit_test(test_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
