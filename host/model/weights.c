/* weights: parameters, moments and states between the device's flat arrays and host memory in the canonical layout;
 * their first values. Owns that translation; must not know files. */
#include "parallel.h"
#include "plan.h"
#include "random.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static bool is_state_slab(enum slab_kind slab)
{
    return slab == SLAB_STATE || slab == SLAB_STATE_EMA;
}

static float *weight_in(const struct plan *plan, enum slab_kind slab, int value)
{
    assert((plan->graph->values[value].role == VALUE_STATE) == is_state_slab(slab));
    assert(plan->slabs[slab].memory);
    return (float *)plan->slabs[slab].memory + plan->values[value].first;
}

int plan_read_weight(struct plan *plan, enum slab_kind slab, int value, float *canonical)
{
    const struct plan_value *place = &plan->values[value];
    const struct op_impl *impl = plan->backend->ops[plan->graph->nodes[place->node].op];
    const float *from = weight_in(plan, slab, value);
    void *own;
    TRY(memory_take(&own, (size_t)place->count * sizeof(float), "a weight's copy"));
    int status = plan->backend->download(plan->device, own, from, (size_t)place->count * sizeof(float));
    if (status == OK)
        status = plan->backend->wait(plan->device);
    if (status == OK && impl->unpack)
        impl->unpack(plan->states[place->node], place->weight, canonical, own);
    else if (status == OK)
        memcpy(canonical, own, (size_t)shape_count(plan->graph->values[value].shape) * sizeof(float));
    memory_give(own);
    return status;
}

int plan_write_weight(struct plan *plan, enum slab_kind slab, int value, const float *canonical)
{
    const struct plan_value *place = &plan->values[value];
    const struct op_impl *impl = plan->backend->ops[plan->graph->nodes[place->node].op];
    float *to = weight_in(plan, slab, value);
    void *own;
    TRY(memory_take(&own, (size_t)place->count * sizeof(float), "a weight's copy"));
    if (impl->pack)
        impl->pack(plan->states[place->node], place->weight, own, canonical);
    else
        memcpy(own, canonical, (size_t)shape_count(plan->graph->values[value].shape) * sizeof(float));
    int status = plan->backend->upload(plan->device, to, own, (size_t)place->count * sizeof(float));
    if (status == OK && slab == SLAB_PARAM && plan->slabs[SLAB_LOW].memory) {
        char *low = plan->slabs[SLAB_LOW].memory;
        status = plan->backend->lower(plan->device, low + (size_t)place->first * dtype_bytes(plan->options.dtype),
                                      plan->options.dtype, to, place->count);
    }
    if (status == OK)
        status = plan->backend->wait(plan->device);
    memory_give(own);
    return status;
}

int plan_read_slab(struct plan *plan, enum slab_kind slab, void *to)
{
    const struct slab *from = &plan->slabs[slab];
    if (from->bytes == 0) /* and no memory: not a pointer to copy from, not even nothing */
        return OK;
    TRY(plan->backend->download(plan->device, to, from->memory, from->bytes));
    return plan->backend->wait(plan->device);
}

int plan_write_slab(struct plan *plan, enum slab_kind slab, const void *from)
{
    const struct slab *to = &plan->slabs[slab];
    if (to->bytes == 0)
        return OK;
    TRY(plan->backend->upload(plan->device, to->memory, from, to->bytes));
    return plan->backend->wait(plan->device);
}

/* FNV-1a: keys the draw by name, so that adding a layer leaves the others' first values as they were. */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 0x811C9DC5u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x01000193u;
    return hash;
}

/* Values of one weight: each is a function of its number, so any thread may draw it. */
struct drawing {
    enum weight_init init;
    int64_t count;
    uint64_t seed;
    uint32_t key;
    double spread; /* bound, or standard deviation */
    float *to;
};
enum { DRAWN_AT_ONCE = 1 << 16 };

static float draw_value(const struct drawing *drawing, int64_t i)
{
    const struct random_block block = random_words(drawing->seed, RANDOM_INIT, drawing->key, (uint64_t)i, 0);
    if (drawing->init == INIT_UNIFORM_FAN_IN)
        return (float)((2.0 * random_unit(block.word[0]) - 1.0) * drawing->spread);
    /* Box-Muller; the first uniform is moved off 0. */
    const double u = ((double)block.word[0] + 0.5) / 4294967296.0, v = (double)block.word[1] / 4294967296.0;
    return (float)(drawing->spread * sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

static int draw_some(void *context, int64_t part)
{
    const struct drawing *drawing = context;
    const int64_t end = (part + 1) * DRAWN_AT_ONCE < drawing->count ? (part + 1) * DRAWN_AT_ONCE : drawing->count;
    for (int64_t i = part * DRAWN_AT_ONCE; i < end; i++)
        drawing->to[i] = draw_value(drawing, i);
    return OK;
}

static int draw_weight(const struct value *value, float scale, uint64_t seed, float *to)
{
    const int64_t count = shape_count(value->shape);
    struct drawing drawing = {value->init, count, seed, hash_name(value->name), 0.0, to};
    const double fan_out = (double)value->shape.n * value->shape.h * value->shape.w;
    switch (value->init) {
    case INIT_ZERO:
    case INIT_ONE:
        for (int64_t i = 0; i < count; i++)
            to[i] = value->init == INIT_ONE ? 1.0f : 0.0f;
        return OK;
    case INIT_UNIFORM_FAN_IN: drawing.spread = scale / sqrt((double)value->fan_in); break;
    case INIT_HE_FAN_OUT: drawing.spread = scale * sqrt(2.0 / fan_out); break;
    }
    return parallel_for((count + DRAWN_AT_ONCE - 1) / DRAWN_AT_ONCE, 0, draw_some, &drawing);
}

int plan_init_weights(struct plan *plan, uint64_t seed)
{
    const struct graph *graph = plan->graph;
    int64_t largest = 1;
    for (int v = 0; v < graph->value_count; v++)
        if (shape_count(graph->values[v].shape) > largest)
            largest = shape_count(graph->values[v].shape);
    void *drawn;
    TRY(memory_take(&drawn, (size_t)largest * sizeof(float), "drawing weights"));
    int status = OK;
    for (int v = 0; v < graph->value_count && status == OK; v++) {
        const bool param = graph->values[v].role == VALUE_PARAM;
        if (!param && graph->values[v].role != VALUE_STATE)
            continue;
        status = draw_weight(&graph->values[v], graph->init_scale, seed, drawn);
        if (status == OK)
            status = plan_write_weight(plan, param ? SLAB_PARAM : SLAB_STATE, v, drawn);
        if (status == OK && plan->options.ema)
            status = plan_write_weight(plan, param ? SLAB_EMA : SLAB_STATE_EMA, v, drawn);
    }
    memory_give(drawn);
    for (int slab = SLAB_MOMENT1; slab <= SLAB_MOMENT2 && status == OK; slab++)
        if (plan->slabs[slab].memory)
            status = plan->backend->zero(plan->device, plan->slabs[slab].memory, plan->slabs[slab].bytes);
    return status < 0 ? status
                      : plan_set_kept(
                            plan, (struct step_kept){.scale_exponent = plan->update.scale_loss ? LOSS_SCALE_START : 0});
}

int plan_set_kept(struct plan *plan, struct step_kept kept)
{
    return plan->backend->upload(plan->device, &plan->control->kept, &kept, sizeof kept);
}

int plan_swap_ema(struct plan *plan)
{
    const struct backend *backend = plan->backend;
    assert(plan->options.ema);
    TRY(backend->swap(plan->device, plan->slabs[SLAB_PARAM].memory, plan->slabs[SLAB_EMA].memory, plan->param_count));
    if (plan->state_count > 0)
        TRY(backend->swap(plan->device, plan->slabs[SLAB_STATE].memory, plan->slabs[SLAB_STATE_EMA].memory,
                          plan->state_count));
    if (plan->slabs[SLAB_LOW].memory)
        TRY(backend->lower(plan->device, plan->slabs[SLAB_LOW].memory, plan->options.dtype,
                           plan->slabs[SLAB_PARAM].memory, plan->param_count));
    return OK;
}
