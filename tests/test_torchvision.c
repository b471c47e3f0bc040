/* test_torchvision: weight files of the ResNets are torchvision's: names, shapes, types and the order of elements. */
#include "checkpoint.h"
#include "config.h"
#include "remembered.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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
    must(plan_build(&network.plan, &network.graph, &remembering_backend, NULL, &options));
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
            const struct tensor *tensor = tensors_find(&file, vectors_text(entry, "0"));
            if (!tensor || tensor->rank != rank || memcmp(tensor->dims, dims, sizeof dims) != 0 ||
                (tensor->type == TENSOR_I64) != vectors_is(entry, "2", "int64"))
                fail_msg("%s: '%s' is missing or of another shape", resnets[r].name, vectors_text(entry, "0"));
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
        cmocka_unit_test_setup(test_resnets_have_torchvisions_tensors, empty_top),
        cmocka_unit_test_setup(test_torchvision_loads_it, empty_top),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
