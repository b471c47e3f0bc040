/* start: weights of a file to begin a run with (model.weights): finding it, whether it is of this network, and its way
 * into the plan. What a last layer of other classes needs is left as it was drawn. */
#include "file.h"
#include "text.h"
#include "train.h"
#include "weight_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char same_network[] = "are they of the same network (model.name, model.stem, model.width)?";

/* ---- finding ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* Of a checkpoint the weights to use, which are the averaged ones where there are any. */
static int find_in_checkpoint(char path[static PATH_BYTES], const char *checkpoint)
{
    char folder[PATH_BYTES];
    TRY(checkpoint_find(folder, checkpoint));
    TRY(path_join(path, folder, weight_file_names[WEIGHT_EMA]));
    return file_exists(path) ? OK : path_join(path, folder, weight_file_names[WEIGHT_MODEL]);
}

static int find_in_run(char path[static PATH_BYTES], const char *run)
{
    char checkpoint[PATH_BYTES];
    struct config config = {0};
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = train_find_checkpoint(&config, run, NULL, checkpoint);
    config_free(&config);
    TRY(status);
    return find_in_checkpoint(path, checkpoint);
}

static int find(char path[static PATH_BYTES], const char *given)
{
    static const char *const pickled[] = {".pt", ".pth", ".bin", ".ckpt"};
    if (folder_exists(given)) {
        TRY(path_join(path, given, "state.json"));
        return file_exists(path) ? find_in_checkpoint(path, given) : find_in_run(path, given);
    }
    for (int i = 0; i < COUNT_OF(pickled); i++)
        if (ends_with(given, pickled[i]))
            return FAIL(ERR_DATA,
                        "%s: PyTorch's own format is a program and is not read; write the weights as safetensors: "
                        "safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")",
                        given);
    text_copy(path, PATH_BYTES, given);
    return file_exists(path)
               ? OK
               : FAIL(ERR_NO_INPUT, "%s: no such file; model.weights names a .safetensors file or a run's folder",
                      given);
}

/* ---- of this network? ---- */

/* The layer whose output are the logits; its weights depend on the classes. */
static bool is_last_layer(const struct graph *graph, int value)
{
    for (int i = 0; i < graph->node_count; i++)
        for (int w = 0; graph->nodes[i].out == graph->logits && w < graph->nodes[i].weight_count; w++)
            if (graph->nodes[i].weight[w] == value)
                return true;
    return false;
}

/* A first convolution of three colours for grey images, of which each colour shows the same: its weights are summed. */
static bool is_summed(const struct graph *graph, int value, const struct tensor *want, const struct tensor *got)
{
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        if (node->in[0] == graph->input && node->weight_count > 0 && node->weight[0] == value)
            return want->rank == 4 && got->rank == 4 && want->dims[0] == got->dims[0] && want->dims[1] == 1 &&
                   got->dims[1] == 3 && want->dims[2] == got->dims[2] && want->dims[3] == got->dims[3];
    }
    return false;
}

/* Weights that were written by a training say of which classes; a last layer of others is of no use. */
static bool is_of_other_classes(const struct session *session, const struct tensor_file *file)
{
    const char *theirs = tensors_meta(file, "classes");
    for (int i = 0; theirs && session->metadata && session->metadata[i]; i += 2)
        if (strcmp(session->metadata[i], "classes") == 0)
            return strcmp(session->metadata[i + 1], theirs) != 0;
    return false;
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    bool same = a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

enum fit { FIT_DRAWN, FIT_TAKEN, FIT_SUMMED };

/* What becomes of one weight, or why it cannot be had. */
static int fit_weight(const struct graph *graph, int value, const struct tensor_file *file, const char *path,
                      const struct tensor **found)
{
    const char *name = graph->values[value].name;
    struct tensor want = {0};
    const struct tensor *got = *found = tensors_find(file, name);
    weight_file_shape(&want, &graph->values[value]);
    if (!got && is_last_layer(graph, value))
        return FIT_DRAWN;
    if (!got)
        return FAIL(ERR_CONFIG, "%s: has no '%s', which the network needs; %s", path, name, same_network);
    if (got->type > TENSOR_BF16)
        return FAIL(ERR_CONFIG, "%s: '%s' holds %s; weights are F32, F64, F16 or BF16", path, name,
                    tensor_type_names[got->type]);
    if (same_shape(&want, got))
        return FIT_TAKEN;
    if (is_last_layer(graph, value))
        return FIT_DRAWN;
    if (is_summed(graph, value, &want, got))
        return FIT_SUMMED;
    char had[64], needs[64];
    weight_file_dims(had, got);
    weight_file_dims(needs, &want);
    return FAIL(ERR_CONFIG, "%s: '%s' has shape %s, the network's is %s; %s", path, name, had, needs, same_network);
}

static bool is_weight(const struct value *value)
{
    return value->role == VALUE_PARAM || value->role == VALUE_STATE;
}

/* Of a larger network of the same kind every weight of the smaller would be there. */
static int check_rest(const struct graph *graph, const struct tensor_file *file, const char *path)
{
    for (int i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        bool known = ends_with(name, ".num_batches_tracked");
        for (int v = 0; v < graph->value_count && !known; v++)
            known = is_weight(&graph->values[v]) && strcmp(graph->values[v].name, name) == 0;
        if (!known)
            return FAIL(ERR_CONFIG, "%s: has '%s', which is nothing of this network; %s", path, name, same_network);
    }
    return OK;
}

static int check_file(const struct graph *graph, const struct tensor_file *file, const char *path)
{
    const struct tensor *unused;
    for (int v = 0; v < graph->value_count; v++)
        if (is_weight(&graph->values[v]))
            TRY(fit_weight(graph, v, file, path, &unused));
    return check_rest(graph, file, path);
}

int start_check(const struct config *config)
{
    char path[PATH_BYTES];
    return *config->model.weights ? find(path, config->model.weights) : OK;
}

static int judge_file(const struct config *config, struct shape image, int class_count, const char *path)
{
    struct graph graph;
    struct tensor_file file;
    TRY(tensors_read(&file, path));
    int status = model_build(&graph, config, image, class_count);
    if (status == OK)
        status = check_file(&graph, &file, path);
    graph_free(&graph);
    tensors_free(&file);
    return status;
}

void start_judge(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes)
{
    char path[PATH_BYTES];
    /* Where it is needed and not there start_check says so: a run that is resumed can do without. */
    if (!*config->model.weights || find(path, config->model.weights) != OK)
        return;
    const int status = judge_file(config, image, class_count, path);
    if (status != OK)
        mistakes_add_failure(mistakes, config, "model.weights", status);
}

/* ---- into the plan ---- */

/* IEEE 754 half precision. */
static float from_half(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const float size = exponent == 31  ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? ldexpf((float)fraction, -24)
                                       : ldexpf((float)(1024 + fraction), exponent - 25);
    return half >> 15 ? -size : size;
}

/* The file's data is not aligned. */
static float element(const struct tensor *tensor, int64_t i)
{
    const char *at = (const char *)tensor->data + (size_t)i * tensor_type_bytes(tensor->type);
    uint16_t bits;
    uint32_t wide;
    double precise;
    float value;
    switch (tensor->type) {
    case TENSOR_F64: memcpy(&precise, at, sizeof precise); return (float)precise;
    case TENSOR_F16: memcpy(&bits, at, sizeof bits); return from_half(bits);
    case TENSOR_BF16:
        memcpy(&bits, at, sizeof bits);
        wide = (uint32_t)bits << 16;
        memcpy(&value, &wide, sizeof value);
        return value;
    default: memcpy(&value, at, sizeof value); return value;
    }
}

static int fill(float *to, int64_t count, const struct tensor *from, enum fit fit, const char *path)
{
    const int64_t pixels = fit == FIT_SUMMED ? from->dims[2] * from->dims[3] : 1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t filter = i / pixels * 3 * pixels + i % pixels;
        to[i] = fit == FIT_SUMMED
                    ? element(from, filter) + element(from, filter + pixels) + element(from, filter + 2 * pixels)
                    : element(from, i);
        if (!isfinite(to[i]))
            return FAIL(ERR_DATA, "%s: '%s' has an element that is not finite; the training it is of had diverged",
                        path, from->name);
    }
    return OK;
}

static int put_weight(struct plan *plan, int value, const struct tensor *from, enum fit fit, const char *path)
{
    const bool param = plan->graph->values[value].role == VALUE_PARAM;
    const int64_t count = shape_count(plan->graph->values[value].shape);
    void *memory;
    TRY(memory_take(&memory, (size_t)count * sizeof(float), from->name));
    int status = fill(memory, count, from, fit, path);
    if (status == OK)
        status = plan_write_weight(plan, param ? SLAB_PARAM : SLAB_STATE, value, memory);
    if (status == OK && plan->options.ema)
        status = plan_write_weight(plan, param ? SLAB_EMA : SLAB_STATE_EMA, value, memory);
    memory_give(memory);
    return status;
}

static int put_weights(struct session *session, const struct tensor_file *file, const char *path)
{
    const struct graph *graph = &session->graph;
    const bool other_classes = is_of_other_classes(session, file);
    const char *drawn = "";
    int taken = 0;
    TRY(check_file(graph, file, path));
    for (int v = 0; v < graph->value_count; v++) {
        const struct tensor *tensor;
        int fit;
        if (!is_weight(&graph->values[v]))
            continue;
        TRY(fit = fit_weight(graph, v, file, path, &tensor));
        if (fit == FIT_DRAWN || (other_classes && is_last_layer(graph, v))) {
            drawn =
                arena_format(&session->arena, "%s%s%s", drawn, *drawn ? ", " : "; drawn anew: ", graph->values[v].name);
            continue;
        }
        TRY(put_weight(&session->plan, v, tensor, (enum fit)fit, path));
        taken++;
    }
    session->started_from = arena_format(&session->arena, "%d tensors of %s%s", taken, path, drawn);
    return OK;
}

int session_start_weights(struct session *session)
{
    char path[PATH_BYTES];
    struct tensor_file file;
    if (!*session->config->model.weights)
        return OK;
    TRY(find(path, session->config->model.weights));
    TRY(tensors_read(&file, path));
    int status = put_weights(session, &file, path);
    tensors_free(&file);
    return status;
}
