/* dnn_search: the execution plans that cuDNN offers for a graph of operations, by its heuristics or by engine. Knows
 * neither what the graph computes nor which plan is best. */
#include "dnn.h"
#include "vendor.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIGS_MOST = 160 /* of one heuristic */ };
static const size_t SMALL_WORKSPACE = 256 << 20;

struct search {
    struct device *device;
    const struct dnn_conv *conv;
    cudnnBackendDescriptor_t graph;
    bool runtime_compiled;
    int most, count;
    struct dnn_plan *found; /* room for most */
};

/* ---- engines ---- */

/* Whether an engine does what is asked: sums not rounded on the way, and by conv no TF32 and no random order of sums.
 * And whether it is of the kind that is looked for now: compiled already, or compiled for each plan. */
static bool engine_fits(const struct search *search, cudnnBackendDescriptor_t engine)
{
    cudnnBackendNumericalNote_t numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behaviour[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t numerical_count = 0, behaviour_count = 0;
    bool fits = vendor.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                                CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &numerical_count,
                                                numerical) == CUDNN_STATUS_SUCCESS &&
                vendor.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &behaviour_count,
                                                behaviour) == CUDNN_STATUS_SUCCESS;
    const bool exact = search->conv->dtype == DT_F32 && !search->conv->tf32;
    for (int64_t i = 0; i < numerical_count && fits; i++)
        fits = numerical[i] != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION &&
               numerical[i] != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS &&
               !(exact && numerical[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE) &&
               !(search->conv->deterministic && numerical[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    bool compiled = false;
    for (int64_t i = 0; i < behaviour_count; i++)
        compiled |= behaviour[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return fits && compiled == search->runtime_compiled;
}

static bool config_fits(const struct search *search, cudnnBackendDescriptor_t config)
{
    cudnnBackendDescriptor_t engine;
    int64_t count = 0;
    if (vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
        return false;
    const bool fits =
        vendor.cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                        &engine) == CUDNN_STATUS_SUCCESS &&
        engine_fits(search, engine);
    vendor.cudnnBackendDestroyDescriptor(engine);
    return fits;
}

/* ---- plans ---- */

/* Finishes a plan for a config or from JSON text; false: cuDNN cannot, or it wants too much workspace. */
static bool finish_plan(struct device *device, size_t workspace_most, cudnnBackendAttributeName_t from,
                        cudnnBackendAttributeType_t type, int64_t count, const void *value, struct dnn_plan *plan)
{
    int64_t got = 0, workspace = 0;
    if (vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    bool good = vendor.cudnnBackendSetAttribute(plan->plan, from, type, count, value) == CUDNN_STATUS_SUCCESS;
    if (good && device->dnn)
        good = vendor.cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                               &device->dnn) == CUDNN_STATUS_SUCCESS;
    else if (good && from == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION)
        good = vendor.cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                               &device->properties) == CUDNN_STATUS_SUCCESS;
    good = good && vendor.cudnnBackendFinalize(plan->plan) == CUDNN_STATUS_SUCCESS &&
           vendor.cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                           &got, &workspace) == CUDNN_STATUS_SUCCESS &&
           (size_t)workspace <= workspace_most;
    plan->workspace_bytes = (size_t)workspace;
    plan->ms = NAN;
    if (!good) {
        vendor.cudnnBackendDestroyDescriptor(plan->plan);
        plan->plan = NULL;
    }
    return good;
}

size_t dnn_workspace_most(const struct dnn_conv *conv)
{
    return SMALL_WORKSPACE + (size_t)(shape_count(conv->in) + shape_count(conv->out)) * dtype_bytes(conv->dtype);
}

bool dnn_revive(struct device *device, const struct dnn_conv *conv, const char *json, struct dnn_plan *plan)
{
    return finish_plan(device, dnn_workspace_most(conv), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                       (int64_t)strlen(json), json, plan);
}

char *dnn_json(const struct dnn_plan *plan)
{
    int64_t bytes = 0;
    if (vendor.cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0,
                                        &bytes, NULL) != CUDNN_STATUS_SUCCESS)
        return NULL;
    char *json = calloc(1, (size_t)bytes + 1);
    if (json && vendor.cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                CUDNN_TYPE_CHAR, bytes, &bytes, json) != CUDNN_STATUS_SUCCESS) {
        free(json);
        json = NULL;
    }
    return json;
}

static bool same_plan(const struct dnn_plan *a, const struct dnn_plan *b)
{
    if (a->workspace_bytes != b->workspace_bytes)
        return false;
    char *first = dnn_json(a), *second = dnn_json(b);
    const bool same = first && second && strcmp(first, second) == 0;
    free(first);
    free(second);
    return same;
}

/* Takes the config over: it becomes part of a candidate, or is given back. */
static void consider(struct search *search, cudnnBackendDescriptor_t config)
{
    struct dnn_plan *plan = &search->found[search->count];
    if (search->count == search->most || !config_fits(search, config) ||
        !finish_plan(search->device, dnn_workspace_most(search->conv), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config, plan)) {
        vendor.cudnnBackendDestroyDescriptor(config);
        return;
    }
    plan->parts[plan->part_count++] = config;
    for (int i = 0; i < search->count; i++)
        if (same_plan(plan, &search->found[i])) {
            dnn_plan_free(plan);
            return;
        }
    search->count++;
}

/* ---- where configs come from ---- */

/* Considers what one heuristic offers, best guess first. */
static void ask_heuristic(struct search *search, cudnnBackendHeurMode_t mode)
{
    cudnnBackendDescriptor_t heuristic, configs[CONFIGS_MOST];
    int64_t offered = 0, made = 0, got = 0;
    if (vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic) != CUDNN_STATUS_SUCCESS)
        return;
    vendor.cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                    &search->graph);
    vendor.cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (search->device->properties)
        vendor.cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                        &search->device->properties);
    if (vendor.cudnnBackendFinalize(heuristic) == CUDNN_STATUS_SUCCESS)
        vendor.cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                        &offered, NULL);
    while (made < offered && made < CONFIGS_MOST &&
           vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[made]) ==
               CUDNN_STATUS_SUCCESS)
        made++;
    /* Fewer may come than were offered: what the device cannot run is dropped here. */
    if (made > 0)
        vendor.cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, made,
                                        &got, configs);
    for (int64_t i = 0; i < made; i++) {
        if (i < got)
            consider(search, configs[i]);
        else
            vendor.cudnnBackendDestroyDescriptor(configs[i]);
    }
    vendor.cudnnBackendDestroyDescriptor(heuristic);
}

/* The default config of an engine. */
static void ask_engine(struct search *search, int64_t number)
{
    cudnnBackendDescriptor_t engine, config;
    if (vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
        return;
    vendor.cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                    &search->graph);
    vendor.cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number);
    if (search->device->properties)
        vendor.cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                        &search->device->properties);
    if (vendor.cudnnBackendFinalize(engine) == CUDNN_STATUS_SUCCESS && engine_fits(search, engine) &&
        vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config) == CUDNN_STATUS_SUCCESS) {
        vendor.cudnnBackendSetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
        if (vendor.cudnnBackendFinalize(config) == CUDNN_STATUS_SUCCESS)
            consider(search, config);
        else
            vendor.cudnnBackendDestroyDescriptor(config);
    }
    vendor.cudnnBackendDestroyDescriptor(engine);
}

/* Until one is found: for graphs that the heuristics do not know although an engine does. */
static void ask_engines(struct search *search)
{
    int64_t engines = 0, got = 0;
    vendor.cudnnBackendGetAttribute(search->graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1,
                                    &got, &engines);
    for (int64_t number = 0; number < engines && search->count == 0; number++)
        ask_engine(search, number);
}

int dnn_search(struct device *device, const struct dnn_conv *conv, void *graph, struct dnn_plan *found, int most)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK};
    struct search search = {.device = device, .conv = conv, .graph = graph, .most = most, .found = found};
    /* Those that are compiled at run time last: each takes seconds, where one is enough they are not asked for. */
    for (int compiled = 0; compiled < 2 && search.count < most && !(compiled && conv->precompiled); compiled++) {
        search.runtime_compiled = compiled;
        for (int i = 0; i < COUNT_OF(modes) && search.count < most; i++)
            ask_heuristic(&search, modes[i]);
    }
    if (search.count == 0 && !conv->precompiled)
        ask_engines(&search);
    return search.count;
}
