/* branch: a training state copied to host memory and put back into any plan of the same network. Knows no steps. */
#include "trial_parts.h"

#include <assert.h>
#include <string.h>

static bool has(const struct plan *plan, enum slab_kind slab)
{
    return plan->slabs[slab].memory != NULL;
}

static bool is_weight(const struct value *value)
{
    return value->role == VALUE_PARAM || value->role == VALUE_STATE;
}

/* Sorts out one block of memory: which values are kept, and where. Returns the number of floats. */
static size_t lay_out(struct branch *branch, const struct plan *plan, float *memory)
{
    size_t used = 0;
    int weight = 0;
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        const bool param = value->role == VALUE_PARAM;
        const struct {
            float **table;
            bool wanted;
        } parts[] = {
            {branch->weight, true},
            {branch->moment1, param && has(plan, SLAB_MOMENT1)},
            {branch->moment2, param && has(plan, SLAB_MOMENT2)},
        };
        if (!is_weight(value))
            continue;
        for (int i = 0; i < COUNT_OF(parts); i++) {
            if (!parts[i].wanted)
                continue;
            if (memory)
                parts[i].table[weight] = memory + used;
            used += (size_t)shape_count(value->shape);
        }
        weight++;
    }
    branch->weight_count = weight;
    return used;
}

/* Reads (write false) or writes every value that is kept and that the plan has a place for. Weights are counted, since
 * values that have none, as of dropout, come and go with the config. */
static int move(const struct branch *branch, struct plan *plan, bool moments, bool write)
{
    int weight = 0;
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        if (!is_weight(value))
            continue;
        assert(weight < branch->weight_count);
        const struct {
            enum slab_kind slab;
            float *memory;
        } parts[] = {
            {value->role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE, branch->weight[weight]},
            {SLAB_MOMENT1, moments ? branch->moment1[weight] : NULL},
            {SLAB_MOMENT2, moments ? branch->moment2[weight] : NULL},
        };
        weight++;
        for (int i = 0; i < COUNT_OF(parts); i++) {
            if (!parts[i].memory || !has(plan, parts[i].slab))
                continue;
            TRY(write ? plan_write_weight(plan, parts[i].slab, v, parts[i].memory)
                      : plan_read_weight(plan, parts[i].slab, v, parts[i].memory));
        }
    }
    return OK;
}

/* The session's state as it is. The session is that of the run, at state; rate as trained with next. */
static int branch_take(struct branch *branch, struct session *session, const struct train_state *state, double rate)
{
    const struct config *config = session->config;
    struct plan *plan = &session->plan;
    *branch = (struct branch){
        .session = session, .state = *state, .config = config, .optimizer = config->optim.name, .rate = rate};
    const size_t floats = lay_out(branch, plan, NULL);
    const int count = branch->weight_count;
    const size_t tables = 3 * (size_t)count * sizeof(float *);
    TRY(memory_take(&branch->memory, tables + 64 + floats * sizeof(float), "a copy of the training state"));
    branch->weight = branch->memory;
    branch->moment1 = branch->weight + count;
    branch->moment2 = branch->moment1 + count;
    lay_out(branch, plan, (float *)(void *)((char *)branch->memory + tables));
    return move(branch, plan, true, false);
}

void branch_begin(struct branch *branch, struct session *session)
{
    const struct config *config = session->config;
    *branch = (struct branch){
        .session = session, .config = config, .optimizer = config->optim.name, .rate = config->optim.lr};
    state_begin(&branch->state);
}

int branch_load(struct branch *branch, struct session *session, const char *run, const char *which)
{
    const struct config *config = session->config;
    struct train_state state = {0};
    struct arena arena = {0};
    char folder[PATH_BYTES], *json = NULL;
    TRY(train_find_checkpoint(config, run, which, folder));
    int status = checkpoint_load(folder, &session->plan, true, &arena, &json, NULL);
    if (status == OK)
        status = state_read(&state, folder, json);
    arena_free(&arena);
    TRY(status);
    TRY(plan_set_kept(&session->plan, state.kept));
    int64_t steps_per_epoch = session->train.subset.count / (branch_step_images(config) * state.batch_factor);
    return branch_take(branch, session, &state,
                       state.rate_scale *
                           schedule_lr(config, state.plateau.lr, state.epoch, state.step_in_epoch, steps_per_epoch));
}

int64_t branch_step_images(const struct config *config)
{
    return (int64_t)config->train.batch_size * config->train.accumulate;
}

int branch_put(const struct branch *branch, struct plan *plan, enum optimizer_kind optimizer)
{
    bool same = optimizer == branch->optimizer ||
                (optimizer != OPTIMIZER_SGD && branch->optimizer != OPTIMIZER_SGD); /* Adam's moments are AdamW's */
    TRY(move(branch, plan, same, true));
    return same ? plan_set_kept(plan, branch->state.kept) : OK;
}

void branch_free(struct branch *branch)
{
    memory_give(branch->memory);
    *branch = (struct branch){0};
}
