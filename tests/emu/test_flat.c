/* The element-wise work of the CUDA backend gives what the CPU backend gives, bit for bit and in every schedule,
 * aligned or not, and touches nothing else. fp16, which the CPU backend lacks, is held against its own arithmetic. */
#include "backend.h"
#include "cuda.h"
#include "emu.h"
#include "kernels/common/fp16.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the four above. */
#include <cmocka.h>

#ifdef EMU_TSAN
enum { ROUNDS = 3, MOST = 260 };
#else
enum { ROUNDS = 8, MOST = 5000 };
#endif
enum { AROUND = 32, GUARD_BYTE = 0xA5 };

static const int64_t counts[] = {1, 7, 8, 255, 256, 259, 700, 4096, 5000};
extern const struct backend backend_cuda;
static struct device *cpu, *gpu;

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, fail_text());                                                                    \
    } while (0)

/* An array on both devices, between sentinels. */
struct twin {
    char *host, *device;
    int64_t count, shift; /* elements before it */
    enum dtype dtype;
};

static size_t twin_bytes(const struct twin *twin)
{
    return (size_t)(twin->count + twin->shift + AROUND) * dtype_bytes(twin->dtype);
}

static void *on_host(const struct twin *twin)
{
    return twin->host + (size_t)twin->shift * dtype_bytes(twin->dtype);
}

static void *on_device(const struct twin *twin)
{
    return twin->device + (size_t)twin->shift * dtype_bytes(twin->dtype);
}

/* Mostly plain numbers; now and then a zero of either sign, a very small or large one, an infinity, a NaN. */
static float draw(uint64_t seed, int64_t i)
{
    const struct random_block words = random_words(seed, RANDOM_TILE, 0, (uint64_t)i, 0);
    static const float odd[] = {0.0f, -0.0f, 1e-40f, 6e-8f, 65519.0f, 65520.0f, 3e38f, INFINITY, -INFINITY, NAN};
    if (random_below(words.word[0], 40) == 0)
        return odd[random_below(words.word[1], COUNT_OF(odd))];
    return (random_unit(words.word[2]) - 0.5f) * ldexpf(1.0f, (int)random_below(words.word[3], 20) - 10);
}

static void store(void *to, int64_t i, enum dtype dtype, float value)
{
    if (dtype == DT_F32)
        ((float *)to)[i] = value;
    else
        ((uint16_t *)to)[i] = dtype == DT_BF16 ? bf16_from_float(value) : fp16_from_float(value);
}

static float value_at(const void *from, int64_t i, enum dtype dtype)
{
    return dtype == DT_F32    ? ((const float *)from)[i]
           : dtype == DT_BF16 ? bf16_to_float(((const uint16_t *)from)[i])
                              : fp16_to_float(((const uint16_t *)from)[i]);
}

static struct twin twin_new(int64_t count, int64_t shift, enum dtype dtype, uint64_t seed)
{
    struct twin twin = {.count = count, .shift = shift, .dtype = dtype};
    void *memory;
    twin.host = malloc(twin_bytes(&twin));
    assert_non_null(twin.host);
    memset(twin.host, GUARD_BYTE, twin_bytes(&twin));
    for (int64_t i = 0; i < count; i++)
        store(on_host(&twin), i, dtype, draw(seed, i));
    MUST(backend_cuda.alloc(gpu, twin_bytes(&twin), &memory));
    twin.device = memory;
    MUST(backend_cuda.upload(gpu, memory, twin.host, twin_bytes(&twin)));
    return twin;
}

/* Both hold the same, sentinels included. */
static void twin_check(const struct twin *twin, const char *what, int round)
{
    char *got = malloc(twin_bytes(twin));
    assert_non_null(got);
    MUST(backend_cuda.download(gpu, got, twin->device, twin_bytes(twin)));
    MUST(backend_cuda.wait(gpu));
    const size_t each = dtype_bytes(twin->dtype);
    for (int64_t i = 0; i < twin->count + twin->shift + AROUND; i++) {
        const bool inside = i >= twin->shift && i < twin->shift + twin->count;
        const float a = value_at(got, i, twin->dtype), b = value_at(twin->host, i, twin->dtype);
        if (memcmp(got + (size_t)i * each, twin->host + (size_t)i * each, each) != 0 && !(inside && a != a && b != b))
            fail_msg("%s, %s, %lld elements, shift %lld, round %d: element %lld is %.9g, should be %.9g", what,
                     dtype_name(twin->dtype), (long long)twin->count, (long long)twin->shift, round,
                     (long long)(i - twin->shift), (double)a, (double)b);
    }
    free(got);
}

static void twin_free(struct twin *twin)
{
    backend_cuda.release(gpu, twin->device);
    free(twin->host);
}

/* Calls check for every count, shift, dtype and schedule. */
static void in_every_way(void (*check)(int64_t count, int64_t shift, enum dtype dtype, int round), bool floats_only)
{
    for (int round = 0; round < emu_rounds(ROUNDS); round++)
        for (int i = 0; i < COUNT_OF(counts) && counts[i] <= MOST; i++)
            for (int shift = 0; shift < 2; shift++)
                for (int dtype = DT_F32; dtype <= (floats_only ? DT_F32 : DT_F16); dtype++) {
                    emu_reset_round(round);
                    check(counts[i], shift, (enum dtype)dtype, round);
                }
}

static void check_accumulate(int64_t count, int64_t shift, enum dtype dtype, int round)
{
    struct twin to = twin_new(count, shift, dtype, 1), from = twin_new(count, 0, dtype, 2);
    for (int first = 1; first >= 0; first--) {
        for (int64_t i = 0; dtype == DT_F16 && i < count; i++)
            store(on_host(&to), i, dtype,
                  (first ? 0.0f : value_at(on_host(&to), i, dtype)) + value_at(on_host(&from), i, dtype));
        if (dtype == DT_F16 && first)
            memcpy(on_host(&to), on_host(&from), (size_t)count * 2);
        if (dtype != DT_F16)
            MUST(backend_cpu.accumulate(cpu, on_host(&to), on_host(&from), count, dtype, first));
        MUST(backend_cuda.accumulate(gpu, on_device(&to), on_device(&from), count, dtype, first));
        twin_check(&to, first ? "first sum" : "sum", round);
    }
    twin_check(&from, "what was added", round);
    twin_free(&to);
    twin_free(&from);
}

static void accumulate_as_on_the_cpu(void **state)
{
    (void)state;
    in_every_way(check_accumulate, false);
}

static void check_lower(int64_t count, int64_t shift, enum dtype dtype, int round)
{
    if (dtype == DT_F32)
        return;
    struct twin low = twin_new(count, shift, dtype, 3), param = twin_new(count, shift, DT_F32, 4);
    for (int64_t i = 0; dtype == DT_F16 && i < count; i++)
        store(on_host(&low), i, dtype, value_at(on_host(&param), i, DT_F32));
    if (dtype != DT_F16)
        MUST(backend_cpu.lower(cpu, on_host(&low), dtype, on_host(&param), count));
    MUST(backend_cuda.lower(gpu, on_device(&low), dtype, on_device(&param), count));
    twin_check(&low, "lowered", round);
    twin_check(&param, "what was lowered", round);
    twin_free(&low);
    twin_free(&param);
}

static void lower_as_on_the_cpu(void **state)
{
    (void)state;
    in_every_way(check_lower, false);
}

static void check_blend(int64_t count, int64_t shift, enum dtype dtype, int round)
{
    static const double decays[] = {0.0, 0.3, 0.999};
    void *control;
    MUST(backend_cuda.alloc(gpu, sizeof(struct step_control), &control));
    for (int k = 0; k <= COUNT_OF(decays); k++) {
        const bool bad = k == COUNT_OF(decays);
        const struct step_control step = {.ema_decay = bad ? 0.5 : decays[k], .bad = bad};
        struct twin to = twin_new(count, shift, dtype, 5), from = twin_new(count, 0, dtype, 6);
        MUST(backend_cuda.upload(gpu, control, &step, sizeof step));
        MUST(backend_cpu.blend(cpu, on_host(&to), on_host(&from), count, &step));
        MUST(backend_cuda.blend(gpu, on_device(&to), on_device(&from), count, control));
        twin_check(&to, bad ? "blend of a bad step" : "blend", round);
        twin_check(&from, "what was blended in", round);
        twin_free(&to);
        twin_free(&from);
    }
    backend_cuda.release(gpu, control);
}

static void blend_as_on_the_cpu(void **state)
{
    (void)state;
    in_every_way(check_blend, true);
}

static void check_swap(int64_t count, int64_t shift, enum dtype dtype, int round)
{
    struct twin a = twin_new(count, shift, dtype, 7), b = twin_new(count, 0, dtype, 8);
    MUST(backend_cpu.swap(cpu, on_host(&a), on_host(&b), count));
    MUST(backend_cuda.swap(gpu, on_device(&a), on_device(&b), count));
    twin_check(&a, "first of swapped", round);
    twin_check(&b, "second of swapped", round);
    twin_free(&a);
    twin_free(&b);
}

static void swap_as_on_the_cpu(void **state)
{
    (void)state;
    in_every_way(check_swap, true);
}

static void check_count(int64_t count, int64_t shift, enum dtype dtype, int round)
{
    struct twin values = twin_new(count, shift, dtype, 9 + (uint64_t)shift);
    int64_t want = -1, got = -1;
    MUST(backend_cpu.count_nonfinite(cpu, on_host(&values), dtype, count, &want));
    MUST(backend_cuda.count_nonfinite(gpu, on_device(&values), dtype, count, &got));
    assert_int_equal(got, want);
    twin_check(&values, "what was counted", round);
    twin_free(&values);
}

static void count_as_on_the_cpu(void **state)
{
    (void)state;
    in_every_way(check_count, false);
}

/* What is neither of the floating-point types has no such values. */
static void integers_are_finite(void **state)
{
    (void)state;
    struct twin values = twin_new(100, 0, DT_F32, 10);
    int64_t found = -1;
    MUST(backend_cuda.count_nonfinite(gpu, on_device(&values), DT_I32, 100, &found));
    assert_int_equal(found, 0);
    twin_free(&values);
}

/* Every half as float and back, and what is rounded. */
static void halves(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        const float value = fp16_to_float((uint16_t)i);
        const bool nan = (i & 0x7FFF) > 0x7C00;
        assert_int_equal(nan, value != value);
        if (nan)
            continue;
        assert_int_equal(fp16_from_float(value), i);
        const double truth = (i & 0x7FFF) == 0x7C00 ? (double)INFINITY
                             : (i & 0x7C00) == 0    ? ldexp((double)(i & 0x3FF), -24)
                                                    : ldexp((double)((i & 0x3FF) | 0x400), (int)(i >> 10 & 31) - 25);
        assert_true((double)value == (i & 0x8000 ? -truth : truth));
        if ((i & 0x7FFF) >= 0x7BFF)
            continue;
        /* Half way to the next goes to the even one, a little beyond it up, a little before it down. */
        const float half_way = (value + fp16_to_float((uint16_t)(i + 1))) * 0.5f;
        const float away = i & 0x8000 ? -INFINITY : INFINITY;
        assert_int_equal(fp16_from_float(half_way), i + (i & 1));
        assert_int_equal(fp16_from_float(nextafterf(half_way, away)), i + 1);
        assert_int_equal(fp16_from_float(nextafterf(half_way, 0.0f)), i);
    }
    assert_int_equal(fp16_from_float(65519.0f), 0x7BFF);
    assert_int_equal(fp16_from_float(-65520.0f), 0xFC00);
    assert_int_equal(fp16_from_float(-3e38f), 0xFC00);
    assert_int_equal(fp16_from_float(NAN), 0x7FFF);
    assert_int_equal(fp16_from_float(1e-30f), 0);
}

static int setup(void **state)
{
    (void)state;
    if (backend_cpu.open(&cpu, 0, 1) < 0 || backend_cuda.open(&gpu, 0, 0) < 0)
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    backend_cpu.close(cpu);
    backend_cuda.close(gpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accumulate_as_on_the_cpu),
        cmocka_unit_test(lower_as_on_the_cpu),
        cmocka_unit_test(blend_as_on_the_cpu),
        cmocka_unit_test(swap_as_on_the_cpu),
        cmocka_unit_test(count_as_on_the_cpu),
        cmocka_unit_test(integers_are_finite),
        cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
