/* A step of the networks on offer allocates nothing, in the whole process, with each instruction
 * set that the CPU has. */
#include "config.h"
#include "plan.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- counting allocations of the whole process ---- */

static long allocations; /* by this program's code and by shared libraries */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
enum { COUNTS_ALLOCATIONS = 0 };
#else
enum { COUNTS_ALLOCATIONS = 1 };
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static void count_allocation(void)
{
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void *malloc(size_t bytes)
{
    count_allocation();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_allocation();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count_allocation();
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_allocation();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    count_allocation();
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : 12;
}
#endif

/* ---- networks and data ---- */

enum { SIZE = 12, CHANNELS = 3, CLASSES = 4, ROWS = 8, IMAGES = 24 };

static const struct backend *const backend = &backend_cpu;
static struct device *device;
static uint8_t pixels[IMAGES * SIZE * SIZE * CHANNELS];
static int32_t labels[IMAGES], order[IMAGES];

static const struct config configs[] = {
    {.model = {.name = MODEL_SMALL_CNN, .width = 8, .batch_norm = true}},
    {.model = {.name = MODEL_SMALL_CNN, .width = 8, .dropout = 0.2}},
    {.model = {.name = MODEL_MLP, .hidden = 16}},
    {.model = {.name = MODEL_RESNET18, .stem = STEM_CIFAR}},
};

static void check(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static int make_data(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i % CLASSES;
        order[i] = (i * 7) % IMAGES;
    }
    for (int p = 0; p < COUNT_OF(pixels); p++)
        pixels[p] = (uint8_t)(p * 37 % 251);
    return 0;
}

static void open_plan(struct graph *graph, struct plan *plan, const struct config *config, enum dtype dtype)
{
    const struct augment augment = {
        .out_h = SIZE, .out_w = SIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}};
    struct plan_options options = {
        .batch = ROWS,
        .dtype = dtype,
        .training = true,
        .ema = true,
        .image = {1, SIZE, SIZE, CHANNELS},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .grad_scale = 1.0f},
    };
    options.augment_train.random = true;
    options.augment_train.flip_share = 0.5f;
    check(model_build(graph, config, (struct shape){1, SIZE, SIZE, CHANNELS}, CLASSES));
    check(plan_build(plan, graph, backend, device, &options));
    check(plan_init_weights(plan, 3));
    plan_set_data(plan, pixels, labels, order);
}

static void train(struct plan *plan, int steps)
{
    for (int step = 0; step < steps; step++) {
        const struct step_control control = {
            .seed = 1, .step = step, .first = step % 3 * ROWS, .valid = ROWS, .lr = 0.01f, .ema_decay = 0.9f};
        check(plan_train_batch(plan, &control, true, true));
    }
    check(backend->wait(device));
}

static void check_steps(struct plan *plan)
{
    train(plan, 3);
    const long before = allocations;
    const size_t in_use = mallinfo2().uordblks;
    train(plan, 5);
    const struct step_control control = {.seed = 1, .valid = ROWS};
    check(plan_eval_batch(plan, &control));
    assert_int_equal(allocations - before, 0);
    assert_int_equal(mallinfo2().uordblks, in_use);
    void *volatile proof = malloc(16);
    assert_int_equal(allocations - before, 1); /* the counter works */
    free(proof);
}

/* ---- tests ---- */

/* A set that the CPU lacks stands for the best one below it. */
static void check_networks(enum dtype dtype)
{
    static const char *const sets[] = {"plain", "avx2", "avx512", "avx512_bf16", "amx"};
    if (!COUNTS_ALLOCATIONS)
        skip();
    for (int set = 0; set < COUNT_OF(sets); set++) {
        setenv("EVENKEEL_CPU", sets[set], 1);
        check(backend->open(&device, 0, 0));
        for (int i = 0; i < COUNT_OF(configs); i++) {
            struct graph graph;
            struct plan plan;
            open_plan(&graph, &plan, &configs[i], dtype);
            check_steps(&plan);
            plan_free(&plan);
            graph_free(&graph);
        }
        backend->close(device);
    }
}

static void test_f32(void **state)
{
    (void)state;
    check_networks(DT_F32);
}

static void test_bf16(void **state)
{
    (void)state;
    check_networks(DT_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
