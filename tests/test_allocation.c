/* Steps of the networks on offer allocate nothing: not this program's own code, and where every operation is its own,
 * nothing in the whole process. */
#include "config.h"
#include "plan.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- counting allocations of the whole process ---- */

/* Own: asked for by this program's code (the library is linked statically). Others': by shared libraries; oneDNN 2.6
 * allocates the table of arguments of every primitive it executes and frees it on return, which nobody can switch off.
 */
static struct {
    long own, others;
    size_t others_largest;
} allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
enum { COUNTS_ALLOCATIONS = 0 };
#else
enum { COUNTS_ALLOCATIONS = 1 };
extern char __executable_start, etext;
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static void count_allocation(const void *caller, size_t bytes)
{
    if ((const char *)caller >= &__executable_start && (const char *)caller < &etext) {
        __atomic_fetch_add(&allocations.own, 1, __ATOMIC_RELAXED);
        return;
    }
    __atomic_fetch_add(&allocations.others, 1, __ATOMIC_RELAXED);
    if (bytes > allocations.others_largest)
        allocations.others_largest = bytes;
}

__attribute__((noinline)) void *malloc(size_t bytes)
{
    count_allocation(__builtin_return_address(0), bytes);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_allocation(__builtin_return_address(0), count * bytes);
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count_allocation(__builtin_return_address(0), bytes);
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_allocation(__builtin_return_address(0), bytes);
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    count_allocation(__builtin_return_address(0), bytes);
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

static int open_all(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i % CLASSES;
        order[i] = (i * 7) % IMAGES;
    }
    for (int p = 0; p < COUNT_OF(pixels); p++)
        pixels[p] = (uint8_t)(p * 37 % 251);
    return backend->open(&device, 0, 0);
}

static int close_all(void **state)
{
    (void)state;
    backend->close(device);
    return 0;
}

/* Whether convolutions and linear layers of any size are this program's own in bf16, as the device says. */
static bool products_are_own(void)
{
    char text[200];
    backend->describe(device, text, sizeof text);
    return strstr(text, "own kernels (bf16") != NULL;
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

/* all_own: not even shared libraries may allocate. */
static void check_steps(struct plan *plan, bool all_own)
{
    bool in_hardware;
    backend->supports(device, DT_BF16, &in_hardware);
    train(plan, 3);
    const long own = allocations.own, others = allocations.others;
    const size_t in_use = mallinfo2().uordblks;
    allocations.others_largest = 0;
    train(plan, 5);
    const struct step_control control = {.seed = 1, .valid = ROWS};
    check(plan_eval_batch(plan, &control));
    assert_int_equal(allocations.own - own, 0);
    if (all_own)
        assert_int_equal(allocations.others - others, 0);
    /* On older CPUs oneDNN's matrix products take memory of their own for the time of a call. */
    if (in_hardware)
        assert_true(allocations.others_largest <= 1024);
    assert_int_equal(mallinfo2().uordblks, in_use);
    void *volatile proof = malloc(16);
    assert_int_equal(allocations.own - own, 1); /* the counter works */
    free(proof);
}

/* ---- tests ---- */

static void check_networks(enum dtype dtype, bool all_own)
{
    for (int i = 0; i < COUNT_OF(configs); i++) {
        struct graph graph;
        struct plan plan;
        open_plan(&graph, &plan, &configs[i], dtype);
        check_steps(&plan, all_own);
        plan_free(&plan);
        graph_free(&graph);
    }
}

static void test_own_code_allocates_nothing(void **state)
{
    (void)state;
    if (!COUNTS_ALLOCATIONS)
        skip();
    check_networks(DT_F32, false);
}

static void test_the_process_allocates_nothing(void **state)
{
    (void)state;
    if (!COUNTS_ALLOCATIONS)
        skip();
    if (!products_are_own()) {
        print_message("skipped: oneDNN, which allocates, computes some of the layers on this CPU: it has no AMX\n");
        skip();
    }
    check_networks(DT_BF16, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_code_allocates_nothing),
        cmocka_unit_test(test_the_process_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
