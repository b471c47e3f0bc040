/* test_start: first weights from a file (model.weights): what is taken, what is drawn, what is refused. */
#include "config_text.h"
#include "tensors.h"
#include "tiny_run.h"
#include "trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 32, CLASSES = 3, MOST = 64 };
static const struct shape colour = {1, 16, 16, 3}, grey = {1, 16, 16, 1};

/* A network of small_cnn's kind, and its weights in order of the graph. */
struct world {
    struct config config;
    struct session session;
    float *weights[MOST];
};

static void open_world(struct world *world, struct shape image, int classes, const char *seed)
{
    const char *const overrides[] = {"model.name=small_cnn",
                                     "model.width=4",
                                     "train.batch_size=8",
                                     "train.device=cpu",
                                     "train.threads=1",
                                     "optim.ema_decay=0.5",
                                     seed};
    *world = (struct world){0};
    assert_int_equal(config_load(&world->config, NULL, overrides, COUNT_OF(overrides), stderr), OK);
    assert_int_equal(session_open_noise(&world->session, &world->config, image, classes, IMAGES), OK);
}

static bool is_weight(const struct value *value)
{
    return value->role == VALUE_PARAM || value->role == VALUE_STATE;
}

static void read_weights(struct world *world, bool averaged)
{
    const struct graph *graph = &world->session.graph;
    for (int v = 0; v < graph->value_count; v++) {
        if (!is_weight(&graph->values[v]))
            continue;
        const bool param = graph->values[v].role == VALUE_PARAM;
        const enum slab_kind slab = averaged ? (param ? SLAB_EMA : SLAB_STATE_EMA) : (param ? SLAB_PARAM : SLAB_STATE);
        free(world->weights[v]);
        world->weights[v] = malloc((size_t)shape_count(graph->values[v].shape) * sizeof(float));
        assert_int_equal(plan_read_weight(&world->session.plan, slab, v, world->weights[v]), OK);
    }
}

static void close_world(struct world *world)
{
    for (int v = 0; v < MOST; v++)
        free(world->weights[v]);
    session_close(&world->session);
    config_free(&world->config);
}

/* What the file says of the training that it is of. */
static const char *const *metadata;

/* The weights as a file, each changed by edit first. edit: false leaves it out. */
static void write_weights(const struct world *world, const char *path,
                          bool (*edit)(struct tensor *tensor, float *numbers))
{
    const struct graph *graph = &world->session.graph;
    struct tensor tensors[MOST];
    float *copies[MOST] = {0};
    int count = 0;
    for (int v = 0; v < graph->value_count; v++) {
        const struct value *value = &graph->values[v];
        if (!is_weight(value))
            continue;
        const size_t bytes = (size_t)shape_count(value->shape) * sizeof(float);
        copies[v] = malloc(2 * bytes); /* room for doubles */
        memcpy(copies[v], world->weights[v], bytes);
        tensors[count] =
            (struct tensor){.name = value->name,
                            .rank = value->rank,
                            .dims = {value->rank == 1 ? shape_count(value->shape) : value->shape.n,
                                     value->rank == 2 ? shape_count(value->shape) / value->shape.n : value->shape.c,
                                     value->shape.h, value->shape.w},
                            .data = copies[v],
                            .bytes = bytes};
        count += !edit || edit(&tensors[count], copies[v]);
    }
    assert_int_equal(tensors_write(path, tensors, count, metadata, NULL), OK);
    for (int v = 0; v < MOST; v++)
        free(copies[v]);
}

static bool is_head(const struct value *value)
{
    return strncmp(value->name, "fc.", 3) == 0;
}

/* Largest difference of the weights that are (head) or are not the last layer's. */
static double difference(const struct world *a, const struct world *b, bool head)
{
    double most = 0.0;
    const struct graph *graph = &a->session.graph;
    for (int v = 0; v < graph->value_count; v++)
        for (int64_t i = 0; is_weight(&graph->values[v]) && is_head(&graph->values[v]) == head &&
                            i < shape_count(graph->values[v].shape);
             i++)
            most = fmax(most, fabs((double)a->weights[v][i] - b->weights[v][i]));
    return most;
}

static const char *file_path(void)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/w.safetensors", tiny_folder);
    return path;
}

/* Writes the weights of one seed and starts another from them. */
static int start(struct world *from, struct world *to, struct shape image, int classes,
                 bool (*edit)(struct tensor *tensor, float *numbers))
{
    open_world(from, colour, CLASSES, "train.seed=1");
    read_weights(from, false);
    write_weights(from, file_path(), edit);
    open_world(to, image, classes, "train.seed=2");
    snprintf(to->config.model.weights, sizeof to->config.model.weights, "%s", file_path());
    const int status = session_start_weights(&to->session);
    read_weights(to, false);
    return status;
}

static void assert_all_taken(bool (*edit)(struct tensor *tensor, float *numbers), double tolerance)
{
    struct world from, to;
    assert_int_equal(start(&from, &to, colour, CLASSES, edit), OK);
    assert_true(difference(&from, &to, false) <= tolerance && difference(&from, &to, true) <= tolerance);
    read_weights(&to, true); /* the average begins there as well */
    assert_true(difference(&from, &to, false) <= tolerance);
    close_world(&from);
    close_world(&to);
}

static bool as_double(struct tensor *tensor, float *numbers)
{
    double *wide = (double *)(void *)numbers;
    const int64_t count = (int64_t)(tensor->bytes / sizeof(float));
    for (int64_t i = count - 1; i >= 0; i--) {
        const double number = numbers[i];
        memcpy(&wide[i], &number, sizeof number);
    }
    tensor->type = TENSOR_F64;
    tensor->bytes *= 2;
    return true;
}

/* Cut off, as half of a float's bits. */
static bool as_bf16(struct tensor *tensor, float *numbers)
{
    uint16_t *narrow = (uint16_t *)(void *)numbers;
    const int64_t count = (int64_t)(tensor->bytes / sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        const uint16_t upper = (uint16_t)(bits >> 16);
        memcpy(&narrow[i], &upper, sizeof upper);
    }
    tensor->type = TENSOR_BF16;
    tensor->bytes /= 2;
    return true;
}

/* Powers of two and zero, which half precision holds exactly, among them one that is subnormal there. */
static bool as_half(struct tensor *tensor, float *numbers)
{
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x0000, 0x0200, 0x7800};
    uint16_t *narrow = (uint16_t *)(void *)numbers;
    const int64_t count = (int64_t)(tensor->bytes / sizeof(float));
    for (int64_t i = 0; i < count; i++)
        memcpy(&narrow[i], &halves[i % COUNT_OF(halves)], sizeof halves[0]);
    tensor->type = TENSOR_F16;
    tensor->bytes /= 2;
    return true;
}

static void test_every_type(void **state)
{
    (void)state;
    assert_all_taken(NULL, 0.0);
    assert_all_taken(as_double, 0.0);
    assert_all_taken(as_bf16, 1.0 / 128.0);
    struct world from, to;
    static const float numbers[] = {1.0f, -2.0f, 0.0f, 3.0517578125e-05f, 32768.0f};
    assert_int_equal(start(&from, &to, colour, CLASSES, as_half), OK);
    for (int i = 0; i < COUNT_OF(numbers); i++)
        for (int v = 0; v < to.session.graph.value_count; v++)
            if (is_weight(&to.session.graph.values[v]) && i < shape_count(to.session.graph.values[v].shape))
                assert_true(to.weights[v][i] == numbers[i]);
    close_world(&from);
    close_world(&to);
}

static bool without_head(struct tensor *tensor, float *numbers)
{
    (void)numbers;
    return strncmp(tensor->name, "fc.", 3) != 0;
}

/* The last layer alone may be missing or of other classes; it is as it would be without the file. */
static void test_last_layer_is_drawn(void **state)
{
    (void)state;
    for (int missing = 0; missing < 2; missing++) {
        struct world from, to, plain;
        const int classes = missing ? CLASSES : CLASSES + 2;
        assert_int_equal(start(&from, &to, colour, classes, missing ? without_head : NULL), OK);
        open_world(&plain, colour, classes, "train.seed=2");
        read_weights(&plain, false);
        assert_true(difference(&from, &to, false) == 0.0);
        assert_true(difference(&plain, &to, true) == 0.0 && difference(&plain, &to, false) > 0.0);
        assert_non_null(strstr(to.session.started_from, "drawn anew: fc.weight, fc.bias"));
        assert_null(plain.session.started_from);
        close_world(&from);
        close_world(&to);
        close_world(&plain);
    }
}

/* As many classes, but others: a file of a training says so, PyTorch's does not. */
static void test_last_layer_of_other_classes(void **state)
{
    (void)state;
    static const char *const named[] = {"classes", "[\"cat\",\"dog\",\"owl\"]", NULL}, *const others[] = {
                                                                                           "model", "small_cnn",
                                                                                           "classes",
                                                                                           "[\"a\",\"b\",\"c\"]", NULL};
    for (int same = 0; same < 2; same++) {
        struct world from, to;
        metadata = named;
        assert_int_equal(start(&from, &to, colour, CLASSES, NULL), OK); /* these images name none */
        assert_true(difference(&from, &to, true) == 0.0);
        assert_int_equal(plan_init_weights(&to.session.plan, 2), OK);
        to.session.metadata = same ? named : others;
        assert_int_equal(session_start_weights(&to.session), OK);
        read_weights(&to, false);
        assert_int_equal(difference(&from, &to, true) == 0.0, same);
        assert_true(difference(&from, &to, false) == 0.0);
        metadata = NULL;
        close_world(&from);
        close_world(&to);
    }
}

/* Grey images have in each colour what a network for colours would see in all three. */
static void test_colours_are_summed(void **state)
{
    (void)state;
    struct world from, to;
    assert_int_equal(start(&from, &to, grey, CLASSES, NULL), OK);
    const int first = to.session.graph.nodes[0].weight[0];
    const struct shape shape = to.session.graph.values[first].shape;
    const int pixels = shape.h * shape.w;
    assert_int_equal(shape.c, 1);
    for (int f = 0; f < shape.n; f++)
        for (int p = 0; p < pixels; p++) {
            const float *colours = from.weights[first] + f * 3 * pixels + p;
            assert_true(to.weights[first][f * pixels + p] == colours[0] + colours[pixels] + colours[2 * pixels]);
        }
    close_world(&from);
    close_world(&to);
}

static bool without_norm(struct tensor *tensor, float *numbers)
{
    (void)numbers;
    return !strstr(tensor->name, "running_mean");
}

static bool renamed(struct tensor *tensor, float *numbers)
{
    (void)numbers;
    if (strcmp(tensor->name, "fc.bias") == 0)
        tensor->name = "layer9.bias";
    return true;
}

static bool of_numbers(struct tensor *tensor, float *numbers)
{
    (void)numbers;
    if (strcmp(tensor->name, "fc.bias") == 0)
        tensor->type = TENSOR_I32;
    return true;
}

static bool other_kernel(struct tensor *tensor, float *numbers)
{
    (void)numbers;
    if (tensor->rank == 4 && tensor->dims[2] == 3) {
        tensor->dims[2] = 1;
        tensor->dims[3] = 9;
    }
    return true;
}

static bool diverged(struct tensor *tensor, float *numbers)
{
    if (strcmp(tensor->name, "fc.bias") == 0)
        numbers[1] = NAN;
    return true;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        bool (*edit)(struct tensor *tensor, float *numbers);
        int status;
        const char *says;
    } cases[] = {
        {without_norm, ERR_CONFIG, "running_mean', which the network needs"},
        {renamed, ERR_CONFIG, "'layer9.bias', which is nothing of this network"},
        {of_numbers, ERR_CONFIG, "'fc.bias' holds I32"},
        {other_kernel, ERR_CONFIG, "has shape [4,3,1,9], the network's is [4,3,3,3]"},
        {diverged, ERR_DATA, "'fc.bias' has an element that is not finite"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct world from, to;
        assert_int_equal(start(&from, &to, colour, CLASSES, cases[i].edit), cases[i].status);
        if (!strstr(fail_text(), cases[i].says))
            fail_msg("'%s' is not in: %s", cases[i].says, fail_text());
        close_world(&from);
        close_world(&to);
    }
}

/* A whole run begins where another has ended, says so, and is resumed where its file is gone. */
static void test_a_run_from_a_run(void **state)
{
    (void)state;
    struct train_result base, still, resumed;
    char words[2 * PATH_BYTES], moved[PATH_BYTES + 16];
    tiny_train_ok(NULL, "train.epochs=1 optim.lr=0.01", &base);
    snprintf(words, sizeof words, "train.epochs=1 optim.lr=1e-30 model.weights=%s", base.path);
    tiny_train_ok(NULL, words, &still);
    assert_true(tiny_result_at(still.path, 1, "val/loss") == tiny_result_at(base.path, 1, "val/loss"));
    char *log = tiny_read_text(still.path, "log.jsonl");
    assert_non_null(strstr(log, "\"first_weights\""));
    memory_give(log);
    snprintf(moved, sizeof moved, "%s.moved", base.path);
    assert_int_equal(rename(base.path, moved), 0);
    tiny_train_ok(still.path, "train.epochs=2", &resumed);
    assert_true(tiny_result_at(still.path, 2, "val/loss") == tiny_result_at(still.path, 1, "val/loss"));
    assert_int_equal(tiny_train(NULL, words, &resumed), ERR_NO_INPUT);
    assert_non_null(strstr(fail_text(), base.path));
}

/* What the file is not is told with the other mistakes, before there is a run. */
static void test_judged_before_training(void **state)
{
    (void)state;
    struct train_result base, result;
    char words[2 * PATH_BYTES];
    tiny_train_ok(NULL, "train.epochs=1 model.hidden=8", &base);
    snprintf(words, sizeof words, "model.hidden=16 model.weights=%s", base.path);
    assert_int_equal(tiny_train(NULL, words, &result), ERR_CONFIG);
    assert_string_equal(result.path, "");
    assert_int_equal(tiny_train(NULL, "model.weights=resnet18.pth", &result), ERR_DATA);
    assert_non_null(strstr(fail_text(), "safetensors.torch.save_file"));
}

/* Only the last layer of a network that another run has learned is trained; resumed, it is the same run. */
static void test_a_run_with_held_layers(void **state)
{
    (void)state;
    struct train_result base, whole, half, resumed;
    struct tensor_file before, after;
    char words[2 * PATH_BYTES], text[2 * PATH_BYTES + 32];
    int held = 0, trained = 0;
    tiny_train_ok(NULL, "train.epochs=1 optim.lr=0.01", &base);
    snprintf(words, sizeof words, "train.epochs=2 optim.lr=0.01 optim.weight_decay=0.1 freeze=fc model.weights=%s",
             base.path);
    tiny_train_ok(NULL, words, &whole);
    tiny_read_tensors(&before, base.path, "last/model.safetensors");
    tiny_read_tensors(&after, whole.path, "last/model.safetensors");
    assert_int_equal(before.count, after.count);
    for (int i = 0; i < after.count; i++) {
        const struct tensor *was = tensors_find(&before, after.tensors[i].name);
        const bool same = memcmp(was->data, after.tensors[i].data, (size_t)tensor_count(was) * sizeof(float)) == 0;
        assert_true(same == (strncmp(after.tensors[i].name, "fc.", 3) != 0));
        *(same ? &held : &trained) += 1;
    }
    assert_true(held > 0 && trained == 2);
    tensors_free(&before);
    tensors_free(&after);
    snprintf(text, sizeof text, "%s train.max_steps=5", words);
    tiny_train_ok(NULL, text, &half);
    tiny_train_ok(half.path, "train.max_steps=0", &resumed);
    tiny_assert_same_run(whole.path, half.path);
}

/* A layer that there is not, by a part of its name for one, and one behind which there is nothing to train. */
static void test_held_layers_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *before, *says;
        int first;
    } cases[] = {{"fc", NULL, 10},
                 {"bn", "has no layer 'bn'; its last is fc", 0},
                 {"layer4", "has no layer 'layer4'", 0},
                 {"pool3", NULL, 8},
                 {"", NULL, 0}};
    assert_int_equal(config_folder_make(NULL), 0);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct graph graph = {0};
        struct config config;
        char override[64], *said;
        snprintf(override, sizeof override, "model.freeze_before=%s", cases[i].before);
        assert_int_equal(config_text_load(&config, "", 0, override, &said), OK);
        free(said);
        const int status = model_build(&graph, &config, (struct shape){1, 64, 64, 3}, CLASSES);
        assert_int_equal(status, cases[i].says ? ERR_CONFIG : OK);
        if (cases[i].says && !strstr(fail_text(), cases[i].says))
            fail_msg("'%s' is not in: %s", cases[i].says, fail_text());
        assert_int_equal(graph.first_trained, cases[i].first);
        graph_free(&graph);
        config_free(&config);
    }
    assert_int_equal(config_folder_remove(NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_last_layer_of_other_classes),
        cmocka_unit_test(test_last_layer_is_drawn),
        cmocka_unit_test(test_colours_are_summed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_run_from_a_run),
        cmocka_unit_test(test_judged_before_training),
        cmocka_unit_test(test_a_run_with_held_layers),
        cmocka_unit_test(test_held_layers_are_judged),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
