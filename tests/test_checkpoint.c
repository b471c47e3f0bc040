/* test_checkpoint: what is saved is what is loaded, bit for bit and under torch's names; a damaged, foreign or
 * half-written checkpoint is refused by name and changes nothing. The backend here is a few lines: weights lie in host
 * memory, those of convolutions backwards and padded, so that only the canonical layout may reach a file. */
#include "checkpoint.h"
#include "config.h"
#include "small_disk.h"
#include "state.h"
#include "vectors.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a backend that only remembers ---- */

enum { PADDING = 3 };

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
static const struct backend fake = {
    .name = "fake",
    .alloc = fake_alloc,
    .release = fake_release,
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

struct network {
    struct graph graph;
    struct plan plan;
};
struct setting {
    enum optimizer_kind optimizer;
    bool ema, no_training;
    int units;
};

static void must(int status)
{
    if (status < 0)
        fail_msg("%s (%s)", fail_text(), fail_origin());
}

static void build_network(struct network *network, struct setting setting)
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
    must(plan_build(&network->plan, graph, &fake, NULL, &options));
}

static void free_network(struct network *network)
{
    plan_free(&network->plan);
    graph_free(&network->graph);
}

static const enum slab_kind kept_slabs[] = {SLAB_PARAM, SLAB_MOMENT1, SLAB_MOMENT2,
                                            SLAB_EMA,   SLAB_STATE,   SLAB_STATE_EMA};

static bool in_slab(const struct network *network, int value, enum slab_kind slab)
{
    enum value_role role = network->graph.values[value].role;
    bool of_states = slab == SLAB_STATE || slab == SLAB_STATE_EMA;
    return network->plan.slabs[slab].memory && role == (of_states ? VALUE_STATE : VALUE_PARAM);
}

/* Every weight a number of its own; NaN, infinity and -0 among them. */
static float example_weight(enum slab_kind slab, int value, int64_t i, float salt)
{
    static const float special[] = {NAN, INFINITY, -0.0f, 0x1p-149f};
    if (i == 1)
        return special[(value + (int)slab) % COUNT_OF(special)];
    return salt + (float)slab + (float)value * 0.01f + (float)i * 1e-5f;
}

static void fill_network(struct network *network, float salt)
{
    float weights[1024];
    for (int s = 0; s < COUNT_OF(kept_slabs); s++)
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

/* Compares bits: NaN and -0 count. */
static bool same_slab(struct network *a, enum slab_kind slab_a, struct network *b, enum slab_kind slab_b)
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

static char top[256], folder[sizeof top + 16];
static const char *const metadata[] = {"format", "pt", "classes", "[\"a\",\"b\"]", NULL};
static const char state_text[] = "{\"epoch\":3,\"lr\":0.5}";

static int make_top(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/evenkeel-checkpoint-XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(top))
        return -1;
    snprintf(folder, sizeof folder, "%s/last", top);
    return 0;
}

static int remove_top(void **state)
{
    (void)state;
    return folder_remove(top);
}

static int empty_top(void **state)
{
    (void)state;
    return folder_remove(top) < 0 || folder_make(top) < 0 ? -1 : 0;
}

static char *in_folder(char path[static PATH_BYTES], const char *name)
{
    must(path_join(path, folder, name));
    return path;
}

/* ---- tests ---- */

static void check_round_trip(struct setting setting)
{
    struct network before, after;
    struct arena arena = {0};
    char *text;
    int64_t batches = 0;
    build_network(&before, setting);
    build_network(&after, setting);
    fill_network(&before, 1.0f);
    fill_network(&after, 2.0f);
    must(checkpoint_save(folder, &before.plan, INT64_C(1) << 40, metadata, state_text));
    must(checkpoint_load(folder, &after.plan, true, &arena, &text, &batches));
    assert_true(batches == INT64_C(1) << 40);
    assert_string_equal(text, state_text);
    for (int s = 0; s < COUNT_OF(kept_slabs); s++)
        assert_true(same_slab(&before, kept_slabs[s], &after, kept_slabs[s]));
    arena_free(&arena);
    free_network(&before);
    free_network(&after);
}

static void test_round_trip_is_exact(void **state)
{
    (void)state;
    check_round_trip((struct setting){.optimizer = OPTIMIZER_SGD, .units = 3});
    check_round_trip((struct setting){.optimizer = OPTIMIZER_ADAM, .units = 3});
    check_round_trip((struct setting){.optimizer = OPTIMIZER_ADAMW, .ema = true, .units = 3});
}

static void test_weights_for_use_are_the_averaged_ones(void **state)
{
    (void)state;
    struct network trained, used;
    int64_t batches = 0;
    for (int ema = 0; ema < 2; ema++) {
        build_network(&trained, (struct setting){.ema = ema, .units = 3});
        build_network(&used, (struct setting){.no_training = true, .units = 3});
        fill_network(&trained, 1.0f);
        must(checkpoint_save(folder, &trained.plan, 5, metadata, state_text));
        must(checkpoint_load(folder, &used.plan, false, NULL, NULL, &batches));
        assert_true(same_slab(&trained, ema ? SLAB_EMA : SLAB_PARAM, &used, SLAB_PARAM));
        assert_true(same_slab(&trained, ema ? SLAB_STATE_EMA : SLAB_STATE, &used, SLAB_STATE));
        assert_true(batches == 5);
        free_network(&trained);
        free_network(&used);
    }
}

static void check_tensor(const struct tensor_file *file, const char *name, enum tensor_type type, int rank,
                         const int64_t *dims)
{
    const struct tensor *tensor = tensors_find(file, name);
    if (!tensor)
        fail_msg("no tensor '%s'", name);
    assert_int_equal(tensor->type, type);
    assert_int_equal(tensor->rank, rank);
    for (int i = 0; i < rank; i++)
        assert_int_equal(tensor->dims[i], dims[i]);
}

static void test_files_are_torchs(void **state)
{
    (void)state;
    struct network network;
    struct tensor_file file;
    char path[PATH_BYTES];
    build_network(&network, (struct setting){.optimizer = OPTIMIZER_ADAM, .units = 3});
    fill_network(&network, 1.0f);
    must(checkpoint_save(folder, &network.plan, 77, metadata, state_text));
    must(tensors_read(&file, in_folder(path, "model.safetensors")));
    assert_int_equal(file.count, 9);
    check_tensor(&file, "conv1.weight", TENSOR_F32, 4, (const int64_t[]){4, 3, 3, 3});
    check_tensor(&file, "conv1.bias", TENSOR_F32, 1, (const int64_t[]){4});
    check_tensor(&file, "bn1.weight", TENSOR_F32, 1, (const int64_t[]){4});
    check_tensor(&file, "bn1.bias", TENSOR_F32, 1, (const int64_t[]){4});
    check_tensor(&file, "bn1.running_mean", TENSOR_F32, 1, (const int64_t[]){4});
    check_tensor(&file, "bn1.running_var", TENSOR_F32, 1, (const int64_t[]){4});
    check_tensor(&file, "bn1.num_batches_tracked", TENSOR_I64, 0, NULL);
    check_tensor(&file, "fc.weight", TENSOR_F32, 2, (const int64_t[]){3, 4 * 6 * 5});
    check_tensor(&file, "fc.bias", TENSOR_F32, 1, (const int64_t[]){3});
    assert_string_equal(tensors_meta(&file, "format"), "pt");
    assert_string_equal(tensors_meta(&file, "classes"), "[\"a\",\"b\"]");
    /* Canonical order, though the backend keeps it backwards. */
    int conv = -1;
    for (int v = 0; v < network.graph.value_count; v++)
        if (strcmp(network.graph.values[v].name, "conv1.weight") == 0)
            conv = v;
    float weights[4 * 3 * 3 * 3];
    tensor_to_floats(tensors_find(&file, "conv1.weight"), weights);
    assert_true(weights[2] == example_weight(SLAB_PARAM, conv, 2, 1.0f));
    tensors_free(&file);
    must(tensors_read(&file, in_folder(path, "optim.safetensors")));
    assert_int_equal(file.count, 12);
    check_tensor(&file, "conv1.weight.exp_avg", TENSOR_F32, 4, (const int64_t[]){4, 3, 3, 3});
    check_tensor(&file, "fc.bias.exp_avg_sq", TENSOR_F32, 1, (const int64_t[]){3});
    tensors_free(&file);
    assert_false(file_exists(in_folder(path, "ema.safetensors")));
    free_network(&network);
}

/* The struct of a run survives the nesting in state.json. */
static void test_train_state_survives(void **state)
{
    (void)state;
    struct network network;
    struct arena arena = {0};
    struct train_state before, after;
    char *text;
    state_begin(&before);
    before.seconds = 0.1 + 0.2;
    before.plateau.best = INFINITY;
    before.step = INT64_MAX;
    before.best_loss = -0.0;
    before.config_hash = UINT64_MAX;
    build_network(&network, (struct setting){.units = 3});
    must(checkpoint_save(folder, &network.plan, 1, NULL, state_write(&before, &arena)));
    must(checkpoint_load(folder, &network.plan, true, &arena, &text, NULL));
    must(state_read(&after, "state", text));
    assert_string_equal(state_write(&after, &arena), state_write(&before, &arena));
    arena_free(&arena);
    free_network(&network);
}

static void expect_refusal(struct network *network, bool with_optimizer, int status, const char *text, const char *more)
{
    int got = checkpoint_load(folder, &network->plan, with_optimizer, NULL, NULL, NULL);
    if (got != status || !strstr(fail_text(), text) || !strstr(fail_text(), more))
        fail_msg("status %d, '%s'; expected %d, '%s' and '%s'", got, fail_text(), status, text, more);
}

static void test_another_model_is_refused(void **state)
{
    (void)state;
    struct network saved, other, same;
    build_network(&saved, (struct setting){.optimizer = OPTIMIZER_SGD, .units = 3});
    fill_network(&saved, 1.0f);
    must(checkpoint_save(folder, &saved.plan, 1, metadata, state_text));

    build_network(&other, (struct setting){.optimizer = OPTIMIZER_SGD, .units = 4});
    build_network(&same, (struct setting){.optimizer = OPTIMIZER_SGD, .units = 4});
    fill_network(&other, 2.0f);
    fill_network(&same, 2.0f);
    expect_refusal(&other, true, ERR_DATA, "'fc.weight' has shape [3,120], this model's is [4,120]",
                   "model.safetensors");
    assert_true(same_slab(&other, SLAB_PARAM, &same, SLAB_PARAM)); /* nothing was changed, conv1 neither */
    free_network(&other);
    free_network(&same);

    build_network(&other, (struct setting){.optimizer = OPTIMIZER_ADAM, .units = 3});
    expect_refusal(&other, true, ERR_DATA, "lacks, 'conv1.weight.exp_avg', 'conv1.weight.exp_avg_sq'", "and 9 more");
    must(checkpoint_load(folder, &other.plan, false, NULL, NULL, NULL)); /* the weights fit all the same */
    free_network(&other);

    build_network(&other, (struct setting){.optimizer = OPTIMIZER_SGD, .ema = true, .units = 3});
    expect_refusal(&other, true, ERR_DATA, "without averaged weights", "optim.ema_decay");
    must(checkpoint_save(folder, &other.plan, 1, metadata, state_text));
    expect_refusal(&saved, true, ERR_DATA, "with averaged weights", "optim.ema_decay");
    free_network(&other);
    free_network(&saved);
}

static void write_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void expect_damage(struct network *network, const char *name, const char *what, size_t at)
{
    int status = checkpoint_load(folder, &network->plan, true, NULL, NULL, NULL);
    if (status != ERR_DATA || !strstr(fail_text(), name))
        fail_msg("%s %s %zu: status %d, %s", name, what, at, status, status < 0 ? fail_text() : "");
}

static void flip_bytes_of(const char *name, size_t stride, struct network *network, struct network *untouched)
{
    char path[PATH_BYTES];
    void *data;
    size_t bytes;
    must(file_read(in_folder(path, name), 1 << 20, &data, &bytes));
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    for (size_t i = 0; i < bytes; i += stride) {
        char good = ((char *)data)[i], bad = (char)(good ^ (1 << (i / stride % 8)));
        assert_int_equal(pwrite(descriptor, &bad, 1, (off_t)i), 1);
        expect_damage(network, name, "changed at byte", i);
        assert_int_equal(pwrite(descriptor, &good, 1, (off_t)i), 1);
    }
    for (size_t cut = 1; cut <= bytes; cut += stride * 8) {
        assert_int_equal(ftruncate(descriptor, (off_t)(bytes - cut)), 0);
        expect_damage(network, name, "shortened by", cut);
    }
    close(descriptor);
    write_bytes(path, data, bytes);
    assert_true(same_slab(network, SLAB_PARAM, untouched, SLAB_PARAM));
    must(checkpoint_load(folder, &network->plan, true, NULL, NULL, NULL));
    fill_network(network, 2.0f);
    memory_give(data);
}

static void test_every_damaged_byte_is_refused(void **state)
{
    (void)state;
    struct setting setting = {.ema = true, .units = 3};
    struct network network, untouched;
    build_network(&network, setting);
    build_network(&untouched, setting);
    fill_network(&network, 1.0f);
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    fill_network(&network, 2.0f);
    fill_network(&untouched, 2.0f);
    flip_bytes_of("state.json", 1, &network, &untouched);
    flip_bytes_of("model.safetensors", 11, &network, &untouched);
    flip_bytes_of("ema.safetensors", 37, &network, &untouched);
    flip_bytes_of("optim.safetensors", 11, &network, &untouched);
    free_network(&network);
    free_network(&untouched);
}

static void test_missing_files_are_named(void **state)
{
    (void)state;
    struct network network;
    char path[PATH_BYTES];
    build_network(&network, (struct setting){.units = 3});
    expect_refusal(&network, true, ERR_NO_INPUT, folder, "no checkpoint there");
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    assert_int_equal(unlink(in_folder(path, "optim.safetensors")), 0);
    expect_refusal(&network, true, ERR_NO_INPUT, "optim.safetensors", "cannot open");
    must(checkpoint_load(folder, &network.plan, false, NULL, NULL, NULL));
    assert_int_equal(unlink(in_folder(path, "state.json")), 0);
    expect_refusal(&network, false, ERR_NO_INPUT, "state.json", "cannot open");
    free_network(&network);
}

/* Every state a crash can leave behind: loading finds a complete one, saving goes on from there. */
static void test_crash_while_replacing(void **state)
{
    (void)state;
    struct network first, second, loaded;
    char made[sizeof folder + 8], former[sizeof folder + 8], path[PATH_BYTES];
    snprintf(made, sizeof made, "%s.new", folder);
    snprintf(former, sizeof former, "%s.old", folder);
    build_network(&first, (struct setting){.units = 3});
    build_network(&second, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&first, 1.0f);
    fill_network(&second, 2.0f);

    must(checkpoint_save(folder, &first.plan, 1, metadata, state_text));
    must(folder_make(made)); /* died while writing the second */
    must(path_join(path, made, "model.safetensors"));
    write_bytes(path, "half", 4);
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));

    must(checkpoint_save(made, &second.plan, 1, metadata, state_text));
    assert_int_equal(rename(folder, former), 0); /* died between the renames */
    must(checkpoint_find(path, folder));
    assert_string_equal(path, former);
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));

    must(checkpoint_save(folder, &second.plan, 1, metadata, state_text));
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&second, SLAB_PARAM, &loaded, SLAB_PARAM));
    assert_false(file_exists(made));
    assert_false(file_exists(former));

    must(folder_make(former)); /* died before the former was removed */
    must(checkpoint_save(folder, &first.plan, 1, metadata, state_text));
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));
    assert_false(file_exists(former));
    free_network(&first);
    free_network(&second);
    free_network(&loaded);
}

/* A folder that cannot be made: the former checkpoint stays and the error says so. */
static void test_failed_save_keeps_the_former(void **state)
{
    (void)state;
    struct network network;
    char blocked[sizeof folder + 16];
    build_network(&network, (struct setting){.units = 3});
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    snprintf(blocked, sizeof blocked, "%s.new", folder);
    write_bytes(blocked, "x", 1); /* removed like a half-written folder */
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    snprintf(blocked, sizeof blocked, "%s/state.json/last", folder); /* below a file */
    int status = checkpoint_save(blocked, &network.plan, 1, metadata, state_text);
    assert_true(status < 0);
    assert_non_null(strstr(fail_text(), "the former one is kept"));
    free_network(&network);
}

/* Saves version after version until it is killed; weights and counts tell which one a checkpoint is. */
static void save_without_end(struct network *network, int64_t version)
{
    for (;; version++) {
        fill_network(network, (float)version);
        if (checkpoint_save(folder, &network->plan, version, metadata, state_text) < 0)
            _exit(1);
    }
}

static void test_killed_at_any_moment(void **state)
{
    (void)state;
    enum { KILLS = 24 };
    struct network network, loaded;
    int64_t version = 0, found = 0;
    build_network(&network, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&network, 0.0f);
    double from = clock_seconds();
    must(checkpoint_save(folder, &network.plan, 0, metadata, state_text));
    double wait_seconds = clock_seconds() - from; /* kept near what one save takes, so that kills hit all its moments */
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            save_without_end(&network, version + 1);
        usleep((useconds_t)(1e6 * wait_seconds));
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, &found));
        assert_true(found >= version);
        wait_seconds *= found > version ? 0.7 : 1.3;
        version = found;
        fill_network(&network, (float)version);
        assert_true(same_slab(&network, SLAB_PARAM, &loaded, SLAB_PARAM));
        assert_true(same_slab(&network, SLAB_MOMENT1, &loaded, SLAB_MOMENT1));
    }
    assert_true(version > 0); /* some were saved before the kill came */
    free_network(&network);
    free_network(&loaded);
}

static void test_full_disk_keeps_the_former(void **state)
{
    (void)state;
    struct network network, loaded;
    char disk[sizeof top + 8], kept[sizeof folder];
    snprintf(disk, sizeof disk, "%s/small", top);
    if (!small_disk_mount(disk))
        skip();
    memcpy(kept, folder, sizeof kept);
    snprintf(folder, sizeof folder, "%s/last", disk);
    build_network(&network, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&network, 1.0f);
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    small_disk_fill(disk);
    int status = checkpoint_save(folder, &network.plan, 2, metadata, state_text);
    assert_int_equal(status, ERR_IO);
    if (!strstr(fail_text(), "model.safetensors") || !strstr(fail_text(), "make room"))
        fail_msg("%s", fail_text());
    int64_t batches = 0;
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, &batches));
    assert_true(batches == 1);
    assert_true(same_slab(&network, SLAB_PARAM, &loaded, SLAB_PARAM));
    char path[PATH_BYTES];
    must(path_join(path, disk, "filler"));
    assert_int_equal(unlink(path), 0);
    must(checkpoint_save(folder, &network.plan, 2, metadata, state_text)); /* with room again it goes on */
    free_network(&network);
    free_network(&loaded);
    memcpy(folder, kept, sizeof kept);
    small_disk_unmount(disk);
}

/* ---- torchvision's networks ---- */

static const struct {
    const char *name;
    enum model_kind kind;
} resnets[] = {{"resnet18", MODEL_RESNET18}, {"resnet50", MODEL_RESNET50}};

static void save_resnet(enum model_kind kind, int classes)
{
    struct network network = {0};
    struct config config = {.model = {.name = kind, .stem = STEM_IMAGENET}};
    struct augment augment = {.out_h = 64, .out_w = 64, .std = {1, 1, 1}};
    struct plan_options options = {
        .batch = 1, .image = {1, 64, 64, 3}, .augment_train = augment, .augment_eval = augment};
    must(model_build(&network.graph, &config, (struct shape){1, 64, 64, 3}, classes));
    must(plan_build(&network.plan, &network.graph, &fake, NULL, &options));
    for (int v = 0; v < network.graph.value_count; v++) {
        const struct value *value = &network.graph.values[v];
        enum slab_kind slab = value->role == VALUE_STATE ? SLAB_STATE : SLAB_PARAM;
        if (!in_slab(&network, v, slab))
            continue;
        int64_t count = shape_count(value->shape), length = (int64_t)strlen(value->name);
        void *memory;
        must(memory_take(&memory, (size_t)count * sizeof(float), "test"));
        for (int64_t i = 0; i < count; i++)
            ((float *)memory)[i] = (float)((7 * i + length) % 1024) / 1024.0f;
        must(plan_write_weight(&network.plan, slab, v, memory));
        memory_give(memory);
    }
    must(checkpoint_save(folder, &network.plan, 1234567, metadata, state_text));
    free_network(&network);
}

/* Names, shapes and types of the file are those of PyTorch's state_dict. */
static void test_resnets_have_torchvisions_tensors(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    for (int r = 0; r < COUNT_OF(resnets); r++) {
        struct vectors vectors;
        struct tensor_file file;
        vectors_open(&vectors, resnets[r].name);
        save_resnet(resnets[r].kind, 10);
        must(tensors_read(&file, in_folder(path, "model.safetensors")));
        const json_t *recorded = vectors_member(vectors.json, "state_dict");
        assert_int_equal(file.count, json_array_size(recorded));
        for (size_t i = 0; i < json_array_size(recorded); i++) {
            const json_t *entry = json_array_get(recorded, i);
            int64_t rank;
            const double *shape = vectors_doubles(&vectors, entry, "1", &rank);
            int64_t dims[TENSOR_RANK] = {0};
            for (int64_t d = 0; d < rank; d++)
                dims[d] = (int64_t)shape[d];
            check_tensor(&file, vectors_text(entry, "0"), vectors_is(entry, "2", "int64") ? TENSOR_I64 : TENSOR_F32,
                         (int)rank, dims);
        }
        tensors_free(&file);
        vectors_close(&vectors);
    }
}

/* The real torchvision, where it is installed: strict loading, every element in its place. */
static void test_torchvision_loads_it(void **state)
{
    (void)state;
    enum { NOT_INSTALLED = 77 };
    char path[PATH_BYTES];
    save_resnet(MODEL_RESNET18, 1000);
    in_folder(path, "model.safetensors");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/usr/bin/python3", "python3", "tests/torch_load.py", path, "resnet18", "1000", (char *)NULL);
        _exit(NOT_INSTALLED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip_is_exact, empty_top),
        cmocka_unit_test_setup(test_weights_for_use_are_the_averaged_ones, empty_top),
        cmocka_unit_test_setup(test_files_are_torchs, empty_top),
        cmocka_unit_test_setup(test_train_state_survives, empty_top),
        cmocka_unit_test_setup(test_another_model_is_refused, empty_top),
        cmocka_unit_test_setup(test_every_damaged_byte_is_refused, empty_top),
        cmocka_unit_test_setup(test_missing_files_are_named, empty_top),
        cmocka_unit_test_setup(test_crash_while_replacing, empty_top),
        cmocka_unit_test_setup(test_failed_save_keeps_the_former, empty_top),
        cmocka_unit_test_setup(test_killed_at_any_moment, empty_top),
        cmocka_unit_test_setup(test_full_disk_keeps_the_former, empty_top),
        cmocka_unit_test_setup(test_resnets_have_torchvisions_tensors, empty_top),
        cmocka_unit_test_setup(test_torchvision_loads_it, empty_top),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
