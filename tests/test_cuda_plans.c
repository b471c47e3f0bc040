/* test_cuda_plans: cuDNN plans every convolution of the zoo in every precision for a GPU that is only described, so
 * that neither GPU nor driver is needed; and choices are remembered. Skipped where the CUDA backend is not built. */
#include "config.h"
#include "fixtures.h"
#include "graph.h"

#include <dirent.h>
#include <stdio.h>

#ifdef WITH_CUDA
/* Of kernels/cuda/cuda.h, which is private. */
struct cuda_symbol {
    const char *name;
    void **at;
};
int cuda_library_load(const char *file, const char *product, const struct cuda_symbol *symbols);
int cuda_described_open(struct device **device, const char *name, const char *json);
void cuda_described_close(struct device *device);
extern const struct op_impl cuda_conv2d;

/* From NVIDIA's data sheet; the members' names are those in cuDNN's own library. */
static const char h200[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H200\",\"deviceVer\":900,\"driverVer\":13000,\"isTccDriver\":0,"
    "\"l2CacheSize\":62914560,\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"memClockRateKHz\":3201000,\"multiProcessorCount\":132,\"pciDeviceId\":0,\"regsPerBlock\":65536,"
    "\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":150754820096,\"warpSize\":32,\"maxBlockSize\":[1024,1024,64],"
    "\"maxGridSize\":[2147483647,65535,65535]}";

static struct device *device;

static int begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    setenv("XDG_CACHE_HOME", fixture_path("cache"), 1);
    return cuda_described_open(&device, "NVIDIA H200", h200);
}

static int end(void **state)
{
    cuda_described_close(device);
    return fixture_end(state);
}

/* All three passes of a convolution. */
static int prepare(const union op_params *params, struct shape in, struct shape out, enum dtype dtype)
{
    const struct op_desc desc = {
        .params = params, .in = {in}, .out = out, .in_count = 1, .dtype = dtype, .training = true, .in_grad = {true}};
    void *state = NULL;
    struct op_needs needs = {0};
    int status = cuda_conv2d.prepare(device, &desc, &state, &needs);
    if (status == OK) {
        const int64_t taps = (int64_t)params->conv2d.kernel_h * params->conv2d.kernel_w;
        assert_int_equal(needs.weight[0].count, out.c * taps * in.c / params->conv2d.groups);
        assert_int_equal(needs.weight[0].dtype, dtype);
        /* A gradient in 16 bits lies in scratch before it is widened. */
        assert_true(needs.scratch_bytes >= (dtype == DT_F32 ? 0 : (size_t)needs.weight[0].count * 2));
    } else {
        assert_null(state);
    }
    cuda_conv2d.release(state);
    return status;
}

static void plan_model(enum model_kind kind, struct shape image, int batch)
{
    const struct config config = {.model = {.name = kind, .width = 32, .hidden = 128, .batch_norm = true}};
    struct graph graph;
    assert_int_equal(model_build(&graph, &config, image, 10), OK);
    int convolutions = 0;
    for (int i = 0; i < graph.node_count; i++) {
        const struct node *node = &graph.nodes[i];
        if (node->op != OP_CONV2D)
            continue;
        convolutions++;
        struct shape in = graph.values[node->in[0]].shape, out = graph.values[node->out].shape;
        in.n = out.n = batch;
        for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
            if (prepare(&node->params, in, out, dtype) < 0)
                fail_msg("%s: %s", node->name, fail_text());
    }
    assert_true(convolutions > 0);
    graph_free(&graph);
}

static void test_small_cnn(void **state)
{
    (void)state;
    plan_model(MODEL_SMALL_CNN, (struct shape){1, 28, 28, 1}, 128);
    plan_model(MODEL_SMALL_CNN, (struct shape){1, 64, 64, 3}, 128);
}

static void test_resnet18_on_small_images(void **state)
{
    (void)state;
    plan_model(MODEL_RESNET18, (struct shape){1, 32, 32, 3}, 512);
}

static void test_resnet50(void **state)
{
    (void)state;
    plan_model(MODEL_RESNET50, (struct shape){1, 224, 224, 3}, 256);
}

static void test_odd_shapes(void **state)
{
    (void)state;
    static const struct {
        struct shape in, out;
        union op_params params;
    } odd[] = {
        {{1, 7, 5, 3}, {1, 7, 5, 5}, {.conv2d = {5, 3, 3, 1, 1, 1, 1, true}}},
        {{3, 15, 14, 10}, {3, 8, 7, 20}, {.conv2d = {20, 3, 3, 2, 1, 1, 5, true}}},
        {{8, 16, 16, 8}, {8, 16, 16, 8}, {.conv2d = {8, 3, 3, 1, 1, 1, 8, false}}},
        {{2, 9, 9, 4}, {2, 9, 9, 7}, {.conv2d = {7, 1, 5, 1, 0, 2, 1, false}}},
    };
    for (int i = 0; i < COUNT_OF(odd); i++)
        for (enum dtype dtype = DT_F32; dtype <= DT_F16; dtype++)
            if (prepare(&odd[i].params, odd[i].in, odd[i].out, dtype) < 0)
                fail_msg("case %d: %s", i, fail_text());
}

/* The output's shape is not the convolution's. */
static void test_says_what_it_cannot_plan(void **state)
{
    (void)state;
    const union op_params params = {.conv2d = {8, 1, 1, 1, 0, 0, 1, false}};
    const struct shape in = {4, 8, 8, 8}, wrong = {4, 9, 9, 8};
    CHECK_FAILS(prepare(&params, in, wrong, DT_F32), ERR_DEVICE, "cuDNN: ", "BAD_PARAM");
}

/* ---- remembered choices ---- */

static int files(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count;
}

/* Writes over every file of that cache. */
static void spoil(const char *path, const char *text)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            fixture_write(fixture_path("other/evenkeel/cudnn/%s", entry->d_name), text, strlen(text));
    closedir(folder);
}

static void test_remembers(void **state)
{
    (void)state;
    const union op_params params = {.conv2d = {16, 3, 3, 1, 1, 1, 1, false}};
    const struct shape in = {4, 8, 8, 8}, out = {4, 8, 8, 16};
    char cudnn[PATH_BYTES];
    setenv("XDG_CACHE_HOME", fixture_path("other"), 1);
    snprintf(cudnn, sizeof cudnn, "%s", fixture_path("other/evenkeel/cudnn"));
    assert_int_equal(prepare(&params, in, out, DT_BF16), OK);
    assert_int_equal(files(cudnn), 3);
    assert_int_equal(prepare(&params, in, out, DT_BF16), OK);
    assert_int_equal(files(cudnn), 3);
    spoil(cudnn, "not a plan");
    assert_int_equal(prepare(&params, in, out, DT_BF16), OK);
    size_t bytes;
    DIR *folder = opendir(cudnn);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        uint8_t *text = fixture_read(fixture_path("other/evenkeel/cudnn/%s", entry->d_name), &bytes);
        assert_true(bytes > 100);
        assert_memory_equal(text + bytes - 1, "}", 1);
        free(text);
    }
    closedir(folder);
}

/* Without a folder to write to, plans are chosen anew each time. */
static void test_needs_no_cache(void **state)
{
    (void)state;
    const union op_params params = {.conv2d = {16, 3, 3, 1, 1, 1, 1, false}};
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    assert_int_equal(prepare(&params, (struct shape){4, 8, 8, 8}, (struct shape){4, 8, 8, 16}, DT_F32), OK);
}

static void test_says_what_it_cannot_load(void **state)
{
    (void)state;
    void *found[2] = {NULL, NULL};
    const struct cuda_symbol symbols[] = {{"malloc", &found[0]}, {"cudnnFlyToTheMoon", &found[1]}, {0}};
    CHECK_FAILS(cuda_library_load("libnowhere.so.9", "cuDNN 9.8", symbols), ERR_DEVICE, "libnowhere.so.9",
                "install cuDNN 9.8", "train.device = \"cpu\"");
    assert_null(found[0]);
    CHECK_FAILS(cuda_library_load("libc.so.6", "cuDNN 9.8", symbols), ERR_DEVICE, "libc.so.6 has no cudnnFlyToTheMoon");
    assert_non_null(found[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_it_cannot_load),
        cmocka_unit_test(test_small_cnn),
        cmocka_unit_test(test_resnet18_on_small_images),
        cmocka_unit_test(test_resnet50),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_says_what_it_cannot_plan),
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_needs_no_cache),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
#else
static void test_without_cuda(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_cuda)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
