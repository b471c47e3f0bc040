/* test_checkpoint: what is saved is what is loaded, bit for bit and under torch's names; a damaged or foreign
 * checkpoint is refused by name and changes nothing. */
#include "checkpoint.h"
#include "remembered.h"
#include "state.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
    for (int s = 0; s < KEPT_SLABS; s++)
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
    const float *weights = tensors_find(&file, "conv1.weight")->data;
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
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
