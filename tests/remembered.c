/* remembered: see tests/remembered.h. */
#include "remembered.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a backend that only remembers ---- */

enum { PADDING = 3 };

static size_t fake_available(const struct device *device)
{
    (void)device;
    return SIZE_MAX;
}

static int fake_alloc(struct device *device, size_t bytes, void **memory)
{
    (void)device;
    TRY(memory_take(memory, bytes, "test"));
    return OK;
}

static void fake_release(struct device *device, void *memory)
{
    (void)device;
    memory_give(memory);
}

static int fake_copy(struct device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    memcpy(to, from, bytes);
    return OK;
}

static int fake_zero(struct device *device, void *memory, size_t bytes)
{
    (void)device;
    memset(memory, 0, bytes);
    return OK;
}

static int fake_wait(struct device *device)
{
    (void)device;
    return OK;
}

static int fake_prepare(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs,
                        enum op_kind kind)
{
    (void)device;
    struct op_weight weights[OP_MAX_WEIGHTS];
    int count = op_table[kind].weights ? op_table[kind].weights(desc->params, desc->in, weights) : 0;
    *needs = (struct op_needs){0};
    for (int i = 0; i < count; i++)
        needs->weight[i].count = shape_count(weights[i].shape) + (kind == OP_CONV2D ? PADDING : 0);
    *state = NULL;
    if (kind != OP_CONV2D)
        return OK;
    void *sizes;
    TRY(memory_take(&sizes, OP_MAX_WEIGHTS * sizeof(int64_t), "test"));
    for (int i = 0; i < count; i++)
        ((int64_t *)sizes)[i] = shape_count(weights[i].shape);
    *state = sizes;
    return OK;
}

static int prepare_conv(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return fake_prepare(device, desc, state, needs, OP_CONV2D);
}

static int prepare_norm(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return fake_prepare(device, desc, state, needs, OP_NORM);
}

static int prepare_linear(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    return fake_prepare(device, desc, state, needs, OP_LINEAR);
}

static int prepare_other(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs)
{
    (void)device, (void)desc;
    *needs = (struct op_needs){0};
    *state = NULL;
    return OK;
}

static void pack_backwards(const void *state, int weight, float *own, const float *canonical)
{
    int64_t count = ((const int64_t *)state)[weight];
    memset(own, 0, (size_t)(count + PADDING) * sizeof *own);
    for (int64_t i = 0; i < count; i++)
        own[i] = canonical[count - 1 - i];
}

static void unpack_backwards(const void *state, int weight, float *canonical, const float *own)
{
    int64_t count = ((const int64_t *)state)[weight];
    for (int64_t i = 0; i < count; i++)
        canonical[i] = own[count - 1 - i];
}

static const struct op_impl fake_conv = {
    .prepare = prepare_conv, .release = memory_give, .pack = pack_backwards, .unpack = unpack_backwards};
static const struct op_impl fake_norm = {.prepare = prepare_norm, .release = memory_give};
static const struct op_impl fake_linear = {.prepare = prepare_linear, .release = memory_give};
static const struct op_impl fake_other = {.prepare = prepare_other, .release = memory_give};
const struct backend remembering_backend = {
    .name = "remembering",
    .available = fake_available,
    .alloc = fake_alloc,
    .release = fake_release,
    .share = fake_alloc,
    .unshare = fake_release,
    .upload = fake_copy,
    .download = fake_copy,
    .zero = fake_zero,
    .wait = fake_wait,
    .ops = {[OP_CONV2D] = &fake_conv,
            [OP_NORM] = &fake_norm,
            [OP_LINEAR] = &fake_linear,
            [OP_RELU] = &fake_other,
            [OP_POOL] = &fake_other,
            [OP_ADD] = &fake_other},
};

/* ---- a small network on it ---- */

void must(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

void build_network(struct network *network, struct setting setting)
{
    *network = (struct network){0};
    struct graph *graph = &network->graph;
    graph_begin(graph, "tiny", (struct shape){1, 6, 5, 3});
    graph->class_count = setting.units;
    int x = graph_conv2d(graph, "conv1", graph->input, 4, 3, 1, 1, true);
    must(x);
    x = graph_norm(graph, "bn1", x, -1, true);
    must(x);
    must(graph_linear(graph, "fc", x, setting.units));
    struct augment augment = {.out_h = 6, .out_w = 5, .std = {1, 1, 1}};
    struct plan_options options = {
        .batch = 2,
        .training = !setting.no_training,
        .ema = setting.ema,
        .image = {1, 6, 5, 3},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = setting.optimizer, .momentum = 0.9f, .beta1 = 0.9f, .beta2 = 0.999f, .grad_scale = 1.0f},
    };
    must(plan_build(&network->plan, graph, &remembering_backend, NULL, &options));
}

void free_network(struct network *network)
{
    plan_free(&network->plan);
    graph_free(&network->graph);
}

const enum slab_kind kept_slabs[KEPT_SLABS] = {SLAB_PARAM, SLAB_MOMENT1, SLAB_MOMENT2,
                                               SLAB_EMA,   SLAB_STATE,   SLAB_STATE_EMA};

bool in_slab(const struct network *network, int value, enum slab_kind slab)
{
    enum value_role role = network->graph.values[value].role;
    bool of_states = slab == SLAB_STATE || slab == SLAB_STATE_EMA;
    return network->plan.slabs[slab].memory && role == (of_states ? VALUE_STATE : VALUE_PARAM);
}

float example_weight(enum slab_kind slab, int value, int64_t i, float salt)
{
    static const float special[] = {NAN, INFINITY, -0.0f, 0x1p-149f};
    if (i == 1)
        return special[(value + (int)slab) % COUNT_OF(special)];
    return salt + (float)slab + (float)value * 0.01f + (float)i * 1e-5f;
}

void fill_network(struct network *network, float salt)
{
    float weights[1024];
    for (int s = 0; s < KEPT_SLABS; s++)
        for (int v = 0; v < network->graph.value_count; v++) {
            if (!in_slab(network, v, kept_slabs[s]))
                continue;
            int64_t count = shape_count(network->graph.values[v].shape);
            assert_true(count <= COUNT_OF(weights));
            for (int64_t i = 0; i < count; i++)
                weights[i] = example_weight(kept_slabs[s], v, i, salt);
            must(plan_write_weight(&network->plan, kept_slabs[s], v, weights));
        }
}

bool same_slab(struct network *a, enum slab_kind slab_a, struct network *b, enum slab_kind slab_b)
{
    float of_a[1024], of_b[1024];
    for (int v = 0; v < a->graph.value_count; v++) {
        if (!in_slab(a, v, slab_a))
            continue;
        must(plan_read_weight(&a->plan, slab_a, v, of_a));
        must(plan_read_weight(&b->plan, slab_b, v, of_b));
        if (memcmp(of_a, of_b, (size_t)shape_count(a->graph.values[v].shape) * sizeof *of_a) != 0)
            return false;
    }
    return true;
}

/* ---- a folder to write in ---- */

char top[TOP_BYTES], folder[TOP_BYTES + 16];
const char *const metadata[] = {"format", "pt", "classes", "[\"a\",\"b\"]", NULL};
const char state_text[] = "{\"epoch\":3,\"lr\":0.5}";

int make_top(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/evenkeel-checkpoint-XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(top))
        return -1;
    snprintf(folder, sizeof folder, "%s/last", top);
    return 0;
}

int remove_top(void **state)
{
    (void)state;
    return folder_remove(top);
}

int empty_top(void **state)
{
    (void)state;
    return folder_remove(top) < 0 || folder_make(top) < 0 ? -1 : 0;
}

char *in_folder(char path[static PATH_BYTES], const char *name)
{
    must(path_join(path, folder, name));
    return path;
}

void write_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}
