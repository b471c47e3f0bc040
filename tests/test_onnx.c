/* test_onnx: an exported model is whole for a reader of the tests' own (every name is there before it is used, weights
 * are the checkpoint's), and ONNX Runtime answers with it what evaluation does. */
#include "fields.h"
#include "onnx.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { IMAGES = 9, NOT_INSTALLED = 77 };

/* A network of all there is: groups, padded average pooling, an addition, dropout; with names that the file has for
 * values of its own. It ends in a pooling, not in a vector. */
static const char *const layers = "[[layer]]\ntype = \"conv\"\nname = \"images\"\nfilters = 8\n"
                                  "[[layer]]\ntype = \"norm\"\nname = \"logits\"\nrelu = true\n"
                                  "[[layer]]\ntype = \"avg_pool\"\nkernel = 3\nstride = 2\npad = 1\nname = \"half\"\n"
                                  "[[layer]]\ntype = \"conv\"\nname = \"crop\"\nfilters = 8\ngroups = 4\nbias = false\n"
                                  "[[layer]]\ntype = \"add\"\nfrom = \"half\"\n"
                                  "[[layer]]\ntype = \"relu\"\nname = \"normalize\"\n"
                                  "[[layer]]\ntype = \"dropout\"\nrate = 0.3\n"
                                  "[[layer]]\ntype = \"max_pool\"\nkernel = 3\nstride = 2\npad = 1\n"
                                  "[[layer]]\ntype = \"conv\"\nfilters = 10\nkernel = 1\n"
                                  "[[layer]]\ntype = \"global_pool\"\nname = \"probabilities\"\n";

/* Vectors and images of one pixel meet. */
static const char *const meeting = "[[layer]]\ntype = \"conv\"\nfilters = 16\nstride = 2\nrelu = true\n"
                                   "[[layer]]\ntype = \"global_pool\"\nname = \"p\"\n"
                                   "[[layer]]\ntype = \"linear\"\nunits = 16\nrelu = true\n"
                                   "[[layer]]\ntype = \"add\"\nfrom = \"p\"\n"
                                   "[[layer]]\ntype = \"linear\"\nunits = 16\n"
                                   "[[layer]]\ntype = \"conv\"\nkernel = 1\nfilters = 10\n"
                                   "[[layer]]\ntype = \"norm\"\n";

static const struct {
    const char *what, *words;
    const char *layers; /* NULL: none */
} cases[] = {
    {"mlp", "model.name=mlp", NULL},
    {"small_cnn by image, an odd crop", "model.name=small_cnn model.width=4 augment.normalize=image augment.crop=13",
     NULL},
    {"resnet18, averaged weights", "model.name=resnet18 optim.ema_decay=0.5 train.max_steps=3", NULL},
    {"layers, a crop", "model.name=custom augment.crop=14", layers},
    {"vectors and images", "model.name=custom", meeting},
};

/* A run of the case, its last weights, and the file. */
struct exported {
    struct config config;
    struct session session;
    char run[PATH_BYTES], file[PATH_BYTES], checkpoint[PATH_BYTES];
};

static void add_layers(const char *more, char *kept)
{
    char *text;
    size_t bytes;
    snprintf(kept, PATH_BYTES, "%s", tiny_config);
    assert_int_equal(file_read(tiny_config, 1 << 16, (void **)&text, &bytes), OK);
    assert_int_equal(path_join(tiny_config, tiny_folder, "layers.ini"), OK);
    FILE *file = fopen(tiny_config, "w");
    assert_non_null(file);
    fprintf(file, "%s%s", text, more);
    assert_int_equal(fclose(file), 0);
    memory_give(text);
}

static void export_case(int which, struct exported *exported)
{
    struct train_result result;
    char kept[PATH_BYTES] = "";
    if (cases[which].layers)
        add_layers(cases[which].layers, kept);
    tiny_train_ok(NULL, cases[which].words, &result);
    if (cases[which].layers)
        snprintf(tiny_config, sizeof tiny_config, "%s", kept);
    *exported = (struct exported){0};
    snprintf(exported->run, sizeof exported->run, "%s", result.path);
    assert_int_equal(train_load_config(&exported->config, result.path, NULL, 0), OK);
    assert_int_equal(train_find_checkpoint(&exported->config, result.path, "last", exported->checkpoint), OK);
    if (session_open_model(&exported->session, &exported->config, exported->checkpoint, IMAGES) < 0)
        fail_msg("%s", fail_text());
    assert_int_equal(path_join(exported->file, result.path, "model.onnx"), OK);
    if (onnx_write(exported->file, &exported->session) < 0)
        fail_msg("%s: %s", cases[which].what, fail_text());
}

static void release(struct exported *exported)
{
    session_close(&exported->session);
    config_free(&exported->config);
}

/* ---- by a reader of our own ---- */

struct names {
    char *list[1024];
    int count;
};

static bool is_there(const struct names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static char *text_of(const struct field *field)
{
    char *text = strndup((const char *)field->bytes, field->length);
    assert_non_null(text);
    return text;
}

static void add_name(struct names *names, char *name)
{
    if (is_there(names, name))
        fail_msg("the name '%s' is there twice", name);
    assert_true(names->count < COUNT_OF(names->list));
    names->list[names->count++] = name;
}

static void free_names(struct names *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->list[i]);
}

/* The first text of that field, to be freed. */
static char *text_in(const struct field *message, int number)
{
    struct field field;
    for (const uint8_t *at = message->bytes; field_next(&at, message->bytes + message->length, &field);)
        if (field.number == number)
            return text_of(&field);
    fail_msg("no field %d", number);
    return NULL;
}

/* A weight is the checkpoint's of that name, number for number; what is not there is a number of the file's own. */
static int compare_tensor(const struct field *tensor, const struct tensor_file *weights)
{
    struct field field, data = {0};
    int64_t dims[TENSOR_RANK];
    int rank = 0;
    char *name = text_in(tensor, 8);
    const struct tensor *weight = tensors_find(weights, name);
    for (const uint8_t *at = tensor->bytes; field_next(&at, tensor->bytes + tensor->length, &field);) {
        if (field.number == 1 && rank < TENSOR_RANK)
            dims[rank++] = (int64_t)field.value;
        if (field.number == 9)
            data = field;
    }
    if (weight) {
        assert_int_equal(rank, weight->rank);
        assert_memory_equal(dims, weight->dims, (size_t)rank * sizeof *dims);
        assert_int_equal(data.length, weight->bytes);
        assert_memory_equal(data.bytes, weight->data, weight->bytes);
    } else {
        assert_true(strncmp(name, "normalize.", 10) == 0 || strncmp(name, "crop.", 5) == 0 ||
                    strcmp(name, "vector.axes") == 0);
    }
    free(name);
    return weight != NULL;
}

/* What it reads is there; neither what it gives nor its own name was there before. */
static void check_node(const struct field *node, struct names *values, struct names *nodes)
{
    struct field field;
    for (const uint8_t *at = node->bytes; field_next(&at, node->bytes + node->length, &field);) {
        if (field.number > 3)
            continue;
        char *name = text_of(&field);
        if (field.number == 2 || field.number == 3) {
            add_name(field.number == 2 ? values : nodes, name);
            continue;
        }
        if (!is_there(values, name))
            fail_msg("'%s' is read before it is there", name);
        free(name);
    }
}

static void check_graph(const struct field *graph, const struct tensor_file *weights)
{
    struct names names = {0}, nodes = {0};
    struct field field;
    int found = 0, counts = 0;
    for (const uint8_t *at = graph->bytes; field_next(&at, graph->bytes + graph->length, &field);) {
        if (field.number == 5 || field.number == 11)
            add_name(&names, text_in(&field, field.number == 5 ? 8 : 1));
        if (field.number == 5)
            found += compare_tensor(&field, weights);
    }
    for (const uint8_t *at = graph->bytes; field_next(&at, graph->bytes + graph->length, &field);)
        if (field.number == 1)
            check_node(&field, &names, &nodes);
    assert_true(is_there(&names, "images") && is_there(&names, "logits") && is_there(&names, "probabilities"));
    for (int i = 0; i < weights->count; i++)
        counts += weights->tensors[i].type == TENSOR_I64; /* num_batches_tracked, which only training needs */
    assert_int_equal(found, weights->count - counts);
    free_names(&names);
    free_names(&nodes);
}

static void check_file(const struct exported *exported)
{
    char averaged[PATH_BYTES];
    struct tensor_file weights;
    struct field field;
    void *data;
    size_t bytes;
    int graphs = 0, pairs = 0;
    assert_int_equal(path_join(averaged, exported->checkpoint, "ema.safetensors"), OK);
    tiny_read_tensors(&weights, exported->run,
                      file_exists(averaged) ? "last/ema.safetensors" : "last/model.safetensors");
    assert_int_equal(file_read(exported->file, 1 << 30, &data, &bytes), OK);
    for (const uint8_t *at = data; field_next(&at, (const uint8_t *)data + bytes, &field);) {
        if (field.number == 1)
            assert_int_equal(field.value, ONNX_IR);
        if (field.number == 7) {
            check_graph(&field, &weights);
            graphs++;
        }
        if (field.number == 14) {
            char *key = text_in(&field, 1), *value = text_in(&field, 2);
            assert_string_equal(tensors_meta(&weights, key), value);
            free(key);
            free(value);
            pairs++;
        }
    }
    assert_int_equal(graphs, 1);
    assert_int_equal(pairs, weights.meta_count);
    memory_give(data);
    tensors_free(&weights);
}

static void test_files_are_whole(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct exported exported;
        export_case(i, &exported);
        check_file(&exported);
        release(&exported);
    }
}

/* ---- by ONNX Runtime ---- */

/* Noise on a level of its own, so that normalisation by image has something to even out; for us and, channels first,
 * in a file. */
static void make_pixels(const struct exported *exported, uint8_t *pixels, const char *file)
{
    const struct shape image = exported->session.card.image;
    const int values = image.h * image.w * image.c;
    uint32_t draw = 12345;
    FILE *stream = fopen(file, "wb");
    assert_non_null(stream);
    for (int i = 0; i < IMAGES * values; i++) {
        draw = draw * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)((uint32_t)(i / values) * 20u + (draw >> 24) % (1u + 9u * (uint32_t)(i / values)));
    }
    for (int n = 0; n < IMAGES; n++)
        for (int c = 0; c < image.c; c++)
            for (int at = 0; at < image.h * image.w; at++)
                fputc(pixels[n * values + at * image.c + c], stream);
    assert_int_equal(fclose(stream), 0);
}

/* false: it is not installed. */
static bool compare_answers(struct exported *exported, const char *what)
{
    const struct shape image = exported->session.card.image;
    const int classes = exported->session.card.class_count;
    char command[4 * PATH_BYTES], file[PATH_BYTES];
    const char *python = getenv("PYTHON");
    uint8_t *pixels = malloc((size_t)(IMAGES * image.h * image.w * image.c));
    float *ours = malloc((size_t)(IMAGES * classes) * sizeof *ours);
    assert_true(pixels && ours);
    assert_int_equal(path_join(file, exported->run, "pixels"), OK);
    make_pixels(exported, pixels, file);
    if (evaluate_images(&exported->session, pixels, IMAGES, ours) < 0)
        fail_msg("%s", fail_text());
    snprintf(command, sizeof command, "'%s' tests/run_onnx.py '%s' '%s'", python ? python : "python3", exported->file,
             file);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    int rows = 0;
    for (float theirs; rows < 2 * IMAGES; rows++)
        for (int i = 0; i < classes; i++) {
            if (fscanf(answer, "%f", &theirs) != 1)
                goto over;
            if (rows % 2 == 1 && !(fabsf(theirs - ours[rows / 2 * classes + i]) < 2e-5f))
                fail_msg("%s: image %d, class %d: %.7g, ONNX Runtime says %.7g", what, rows / 2, i,
                         (double)ours[rows / 2 * classes + i], (double)theirs);
        }
over:;
    while (fgetc(answer) != EOF)
        ;
    const int status = pclose(answer);
    free(pixels);
    free(ours);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED)
        return false;
    assert_int_equal(status, 0);
    assert_int_equal(rows, 2 * IMAGES);
    return true;
}

static void test_answers(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct exported exported;
        export_case(i, &exported);
        const bool installed = compare_answers(&exported, cases[i].what);
        release(&exported);
        if (!installed)
            skip();
    }
}

/* ---- what cannot be had ---- */

static void test_crop_beyond_images(void **state)
{
    (void)state;
    struct train_result result;
    struct exported exported = {0};
    tiny_train_ok(NULL, "augment.crop=20 augment.crop_padding=4", &result);
    assert_int_equal(train_load_config(&exported.config, result.path, NULL, 0), OK);
    assert_int_equal(train_find_checkpoint(&exported.config, result.path, "best", exported.checkpoint), OK);
    assert_int_equal(session_open_model(&exported.session, &exported.config, exported.checkpoint, 1), OK);
    assert_int_equal(path_join(exported.file, tiny_folder, "larger.onnx"), OK);
    assert_int_equal(onnx_write(exported.file, &exported.session), ERR_UNSUPPORTED);
    assert_non_null(strstr(fail_text(), "larger than the images"));
    assert_false(file_exists(exported.file));
    release(&exported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_whole),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_crop_beyond_images),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
