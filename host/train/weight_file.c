/* weight_file: the tensors of a checkpoint's files, by one list that writing, checking and loading share.
 * See weight_file.h. Owns names and shapes in files; must not know folders or checksums. */
#include "weight_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const weight_file_names[CHECKPOINT_FILES] = {"model.safetensors", "ema.safetensors", "optim.safetensors",
                                                         "stats.safetensors"};

/* One tensor of a file. */
struct entry {
    struct tensor tensor; /* name, type, shape, bytes; data while writing */
    enum slab_kind slab;
    int value; /* number in the graph; -1: the count of batches */
};
struct entry_list {
    struct arena arena;
    struct entry *entries;
    int count;
};

bool weight_file_expected(const struct plan *plan, enum weight_file kind)
{
    return kind != WEIGHT_EMA || plan->slabs[SLAB_EMA].memory;
}

/* Shapes in files are torch's: OIHW, (out, in), or one dimension. */
void weight_file_shape(struct tensor *tensor, const struct value *value)
{
    int64_t count = shape_count(value->shape);
    tensor->type = TENSOR_F32;
    tensor->bytes = (size_t)count * sizeof(float);
    tensor->rank = value->rank;
    assert(value->rank == 4 || value->rank == 2 || value->rank == 1);
    tensor->dims[0] = value->rank == 1 ? count : value->shape.n;
    if (value->rank == 2)
        tensor->dims[1] = count / value->shape.n;
    if (value->rank == 4) {
        tensor->dims[1] = value->shape.c;
        tensor->dims[2] = value->shape.h;
        tensor->dims[3] = value->shape.w;
    }
}

static void add_value(struct entry_list *list, const struct plan *plan, int value, enum slab_kind slab,
                      const char *suffix)
{
    if (!plan->slabs[slab].memory)
        return;
    struct entry *entry = &list->entries[list->count++];
    *entry = (struct entry){.slab = slab, .value = value};
    weight_file_shape(&entry->tensor, &plan->graph->values[value]);
    entry->tensor.name = arena_format(&list->arena, "%s%s", plan->graph->values[value].name, suffix);
}

static void add_batch_counts(struct entry_list *list, const struct plan *plan)
{
    for (int i = 0; i < plan->graph->node_count; i++) {
        const struct node *node = &plan->graph->nodes[i];
        if (node->op != OP_NORM)
            continue;
        list->entries[list->count++] = (struct entry){
            .value = -1,
            .tensor = {.name = arena_format(&list->arena, "%s.num_batches_tracked", node->name),
                       .type = TENSOR_I64,
                       .bytes = sizeof(int64_t)},
        };
    }
}

static void list_entries(struct entry_list *list, enum weight_file kind, const struct plan *plan)
{
    bool sgd = plan->update.kind == OPTIMIZER_SGD;
    *list = (struct entry_list){0};
    size_t room = 2 * (size_t)plan->graph->value_count + (size_t)plan->graph->node_count;
    list->entries = arena_push(&list->arena, room * sizeof *list->entries);
    for (int i = 0; i < plan->graph->value_count; i++) {
        enum value_role role = plan->graph->values[i].role;
        if (role == VALUE_PARAM && kind == WEIGHT_OPTIM) {
            add_value(list, plan, i, SLAB_MOMENT1, sgd ? ".momentum_buffer" : ".exp_avg");
            add_value(list, plan, i, SLAB_MOMENT2, ".exp_avg_sq");
        } else if (role == VALUE_PARAM) {
            add_value(list, plan, i, kind == WEIGHT_EMA ? SLAB_EMA : SLAB_PARAM, "");
        } else if (role == VALUE_STATE && kind != WEIGHT_OPTIM) {
            add_value(list, plan, i, kind == WEIGHT_EMA ? SLAB_STATE_EMA : SLAB_STATE, "");
        }
    }
    if (kind != WEIGHT_OPTIM)
        add_batch_counts(list, plan);
}

/* ---- writing ---- */

static int fetch(struct entry_list *list, struct plan *plan, const int64_t *batches_tracked, char *memory)
{
    for (int i = 0; i < list->count; i++) {
        struct entry *entry = &list->entries[i];
        if (entry->value < 0) {
            entry->tensor.data = batches_tracked;
            continue;
        }
        TRY(plan_read_weight(plan, entry->slab, entry->value, (float *)(void *)memory));
        entry->tensor.data = memory;
        memory += entry->tensor.bytes;
    }
    return OK;
}

static int write_entries(struct entry_list *list, const char *path, struct plan *plan, const int64_t *batches_tracked,
                         const char *const *metadata, struct file_sum *sum)
{
    struct tensor *tensors = arena_push(&list->arena, (size_t)list->count * sizeof *tensors);
    size_t bytes = 0;
    for (int i = 0; i < list->count; i++)
        bytes += list->entries[i].tensor.bytes;
    void *memory;
    TRY(memory_take(&memory, bytes, "copy of the weights for a checkpoint"));
    int status = fetch(list, plan, batches_tracked, memory);
    for (int i = 0; i < list->count; i++)
        tensors[i] = list->entries[i].tensor;
    if (status >= 0)
        status = tensors_write(path, tensors, list->count, metadata, sum);
    memory_give(memory);
    return status;
}

int weight_file_write(enum weight_file kind, const char *path, struct plan *plan, int64_t batches_tracked,
                      const char *const *metadata, struct file_sum *sum)
{
    struct entry_list list;
    list_entries(&list, kind, plan);
    int status = write_entries(&list, path, plan, &batches_tracked, metadata, sum);
    arena_free(&list.arena);
    return status;
}

/* ---- checking and loading ---- */

void weight_file_dims(char text[static 64], const struct tensor *tensor)
{
    size_t used = 1;
    text[0] = '[';
    for (int i = 0; i < tensor->rank; i++)
        used += (size_t)snprintf(text + used, 64 - used, i ? ",%.12g" : "%.12g", (double)tensor->dims[i]);
    snprintf(text + used, 64 - used, "]");
}

static int check_entry(const struct tensor *want, const struct tensor *got, const char *path)
{
    if (got->type != want->type)
        return FAIL(ERR_DATA, "%s: '%s' holds %s, this model's is %s; use the config it was trained with", path,
                    want->name, tensor_type_names[got->type], tensor_type_names[want->type]);
    bool same = got->rank == want->rank;
    for (int i = 0; i < want->rank && same; i++)
        same = got->dims[i] == want->dims[i];
    if (same)
        return OK;
    char had[64], needs[64];
    weight_file_dims(had, got);
    weight_file_dims(needs, want);
    return FAIL(ERR_DATA, "%s: '%s' has shape %s, this model's is %s; use the config it was trained with", path,
                want->name, had, needs);
}

static bool has_entry(const struct entry_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->entries[i].tensor.name, name) == 0)
            return true;
    return false;
}

/* At most this many names in one message. */
enum { NAMES_SHOWN = 3 };
struct name_list {
    char text[256];
    int count;
};

static void add_name(struct name_list *names, const char *name)
{
    size_t used = strlen(names->text);
    if (names->count++ < NAMES_SHOWN)
        snprintf(names->text + used, sizeof names->text - used, "%s'%.64s'", used ? ", " : "", name);
}

static int check_names(const struct name_list *names, const char *path, const char *what)
{
    if (names->count == 0)
        return OK;
    int more = names->count > NAMES_SHOWN ? names->count - NAMES_SHOWN : 0;
    char and_more[32] = "";
    if (more)
        snprintf(and_more, sizeof and_more, " and %d more", more);
    return FAIL(ERR_DATA, "%s: %s %s%s; use the config it was trained with", path, what, names->text, and_more);
}

static int check_entries(const struct entry_list *list, const struct tensor_file *file, const char *path)
{
    struct name_list missing = {0}, unknown = {0};
    for (int i = 0; i < list->count; i++) {
        const struct tensor *want = &list->entries[i].tensor, *got = tensors_find(file, want->name);
        if (got)
            TRY(check_entry(want, got, path));
        else
            add_name(&missing, want->name);
    }
    for (int i = 0; i < file->count; i++)
        if (!has_entry(list, file->tensors[i].name))
            add_name(&unknown, file->tensors[i].name);
    TRY(check_names(&missing, path, "this model needs, and the file lacks,"));
    return check_names(&unknown, path, "this model has no");
}

int weight_file_check(enum weight_file kind, const struct plan *plan, const struct tensor_file *file, const char *path)
{
    struct entry_list list;
    list_entries(&list, kind, plan);
    int status = check_entries(&list, file, path);
    arena_free(&list.arena);
    return status;
}

static int load_entry(const struct entry *entry, struct plan *plan, const struct tensor *tensor,
                      int64_t *batches_tracked)
{
    if (entry->value < 0) {
        if (batches_tracked)
            memcpy(batches_tracked, tensor->data, sizeof *batches_tracked);
        return OK;
    }
    void *copy; /* the file's data is not aligned */
    TRY(memory_take(&copy, tensor->bytes, tensor->name));
    memcpy(copy, tensor->data, tensor->bytes);
    int status = plan_write_weight(plan, entry->slab, entry->value, copy);
    memory_give(copy);
    return status;
}

int weight_file_load(enum weight_file kind, struct plan *plan, const struct tensor_file *file, int64_t *batches_tracked)
{
    struct entry_list list;
    int status = OK;
    list_entries(&list, kind, plan);
    for (int i = 0; i < list.count && status >= 0; i++) {
        const struct tensor *tensor = tensors_find(file, list.entries[i].tensor.name);
        assert(tensor); /* weight_file_check */
        status = load_entry(&list.entries[i], plan, tensor, batches_tracked);
    }
    arena_free(&list.arena);
    return status;
}
