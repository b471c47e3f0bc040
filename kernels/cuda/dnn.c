/* dnn: describes one convolution pass to cuDNN, collects the plans it offers, takes one and runs it. Knows neither how
 * plans are timed nor where earlier choices are kept.
 *
 * Tensors are stated in n,c,h,w order with strides that make them channels-last. Plans that round fp32 (TF32) or that
 * do not repeat bit for bit are left out: a run is a function of its config. */
#include "dnn.h"
#include "vendor.h"
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFIGS_MOST = 160, /* of one heuristic */
    TIMED_MOST = 48,    /* candidates that are timed */
    KEY_BYTES = 320,
    TENSOR_ALIGNMENT = 16,
};

struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *value; /* NULL: the list ends */
};

static const char *const pass_names[DNN_PASS_COUNT] = {"forward", "backward by data", "backward by weights"};

/* Makes a finished descriptor that lives as long as the plan. */
static int describe(struct dnn_plan *plan, cudnnBackendDescriptorType_t type, const struct attribute *attributes,
                    cudnnBackendDescriptor_t *made)
{
    CUDNN_TRY(vendor.cudnnBackendCreateDescriptor(type, made));
    plan->parts[plan->part_count++] = *made;
    for (; attributes->value; attributes++)
        CUDNN_TRY(vendor.cudnnBackendSetAttribute(*made, attributes->name, attributes->type, attributes->count,
                                                  attributes->value));
    CUDNN_TRY(vendor.cudnnBackendFinalize(*made));
    return OK;
}

/* ---- description ---- */

static int describe_tensor(struct dnn_plan *plan, enum dtype dtype, int64_t id, struct shape shape,
                           cudnnBackendDescriptor_t *made)
{
    static const cudnnDataType_t types[DT_COUNT] = {
        [DT_F32] = CUDNN_DATA_FLOAT, [DT_BF16] = CUDNN_DATA_BFLOAT16, [DT_F16] = CUDNN_DATA_HALF};
    const int64_t n = shape.n, c = shape.c, h = shape.h, w = shape.w, alignment = TENSOR_ALIGNMENT;
    const int64_t dims[] = {n, c, h, w}, strides[] = {h * w * c, 1, w * c, c};
    return describe(plan, CUDNN_BACKEND_TENSOR_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &types[dtype]},
                        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims},
                        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
                        {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id},
                        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment},
                        {0},
                    },
                    made);
}

static int describe_convolution(struct dnn_plan *plan, const struct dnn_conv *conv, cudnnBackendDescriptor_t *made)
{
    const int64_t dimensions = 2, pads[] = {conv->pad_h, conv->pad_w}, strides[] = {conv->stride, conv->stride},
                  dilations[] = {1, 1};
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    return describe(plan, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions},
                        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &math},
                        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
                        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads},
                        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads},
                        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations},
                        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides},
                        {0},
                    },
                    made);
}

#define PASS(kind, prefix, in, weight, out)                                                                            \
    {                                                                                                                  \
        CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##in,     \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##weight, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##out,   \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA,  \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA                                                           \
    }

/* The graph of one operation, out = 1 * pass + 0 * out. Ids 1, 2, 3 are x, w, y. */
static int describe_graph(struct dnn_plan *plan, const struct dnn_conv *conv, enum dnn_pass pass,
                          cudnnBackendDescriptor_t *made)
{
    static const struct {
        cudnnBackendDescriptorType_t type;
        cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
    } names[DNN_PASS_COUNT] = {
        [DNN_FORWARD] = PASS(FORWARD, FORWARD, X, W, Y),
        [DNN_DATA] = PASS(BACKWARD_DATA, BWD_DATA, DX, W, DY),
        [DNN_WEIGHTS] = PASS(BACKWARD_FILTER, BWD_FILTER, X, DW, DY),
    };
    const struct shape weight = {conv->out.c, conv->kernel_h, conv->kernel_w, conv->in.c / conv->groups};
    const float alpha = 1.0f, beta = 0.0f;
    cudnnBackendDescriptor_t x, w, y, convolution, operation;
    TRY(describe_tensor(plan, conv->dtype, 1, conv->in, &x));
    TRY(describe_tensor(plan, conv->dtype, 2, weight, &w));
    TRY(describe_tensor(plan, conv->dtype, 3, conv->out, &y));
    TRY(describe_convolution(plan, conv, &convolution));
    TRY(describe(plan, names[pass].type,
                 (const struct attribute[]){
                     {names[pass].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
                     {names[pass].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w},
                     {names[pass].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
                     {names[pass].convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution},
                     {names[pass].alpha, CUDNN_TYPE_FLOAT, 1, &alpha},
                     {names[pass].beta, CUDNN_TYPE_FLOAT, 1, &beta},
                     {0},
                 },
                 &operation));
    return describe(plan, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
                    (const struct attribute[]){
                        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation},
                        {0},
                    },
                    made);
}

/* ---- candidates ---- */

/* Whether an engine does what is asked: no rounding of fp32, no random order of sums. Compiling at run time takes
 * seconds per candidate, so those engines are for when there is no other. */
static bool engine_fits(cudnnBackendDescriptor_t config, enum dtype dtype, bool runtime_compiled)
{
    cudnnBackendDescriptor_t engine;
    cudnnBackendNumericalNote_t numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behaviour[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t count = 0, numerical_count = 0, behaviour_count = 0;
    if (vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
        return false;
    bool fits = vendor.cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                &count, &engine) == CUDNN_STATUS_SUCCESS &&
                vendor.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                                CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &numerical_count,
                                                numerical) == CUDNN_STATUS_SUCCESS &&
                vendor.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &behaviour_count,
                                                behaviour) == CUDNN_STATUS_SUCCESS;
    vendor.cudnnBackendDestroyDescriptor(engine);
    for (int64_t i = 0; i < numerical_count && fits; i++)
        fits = numerical[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC &&
               numerical[i] != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION &&
               (dtype != DT_F32 || (numerical[i] != CUDNN_NUMERICAL_NOTE_TENSOR_CORE &&
                                    numerical[i] != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
    bool compiled = false;
    for (int64_t i = 0; i < behaviour_count; i++)
        compiled |= behaviour[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return fits && compiled == runtime_compiled;
}

/* Finishes a plan for a config or from JSON text; false: cuDNN cannot, or it wants too much workspace. A plan owns its
 * config. */
static bool finish_plan(struct device *device, cudnnBackendAttributeName_t from, cudnnBackendAttributeType_t type,
                        int64_t count, const void *value, struct dnn_plan *plan)
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
           workspace <= DNN_WORKSPACE_MOST;
    plan->workspace_bytes = (size_t)workspace;
    if (!good) {
        vendor.cudnnBackendDestroyDescriptor(plan->plan);
        plan->plan = NULL;
    }
    return good;
}

struct search {
    struct device *device;
    cudnnBackendDescriptor_t graph;
    enum dtype dtype;
    bool runtime_compiled;
    int most, count;
    struct dnn_plan *found; /* room for most */
};

/* Adds the plans that one heuristic offers, best guess first. */
static void search_mode(struct search *search, cudnnBackendHeurMode_t mode)
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
        struct dnn_plan *plan = &search->found[search->count];
        if (i < got && search->count < search->most &&
            engine_fits(configs[i], search->dtype, search->runtime_compiled) &&
            finish_plan(search->device, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                        &configs[i], plan)) {
            plan->parts[plan->part_count++] = configs[i];
            search->count++;
        } else {
            vendor.cudnnBackendDestroyDescriptor(configs[i]);
        }
    }
    vendor.cudnnBackendDestroyDescriptor(heuristic);
}

static void search_plans(struct search *search)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK};
    for (int compiled = 0; compiled < 2 && search->count == 0; compiled++) {
        search->runtime_compiled = compiled;
        for (int i = 0; i < COUNT_OF(modes) && search->count < search->most; i++)
            search_mode(search, modes[i]);
    }
}

/* ---- choice ---- */

static void make_key(const struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, char key[KEY_BYTES])
{
    char in[48], out[48];
    int driver = 0;
    cudaDriverGetVersion(&driver);
    snprintf(key, KEY_BYTES,
             "%s %s in %s out %s kernel %dx%d stride %d pad %dx%d groups %d; %s%s, driver %d, cuDNN %zu",
             pass_names[pass], dtype_name(conv->dtype), shape_text(in, conv->in), shape_text(out, conv->out),
             conv->kernel_h, conv->kernel_w, conv->stride, conv->pad_h, conv->pad_w, conv->groups, device->name,
             device->dnn ? "" : " (described)", driver, vendor.cudnnGetVersion());
}

static bool take_remembered(struct device *device, const char *key, struct dnn_plan *plan)
{
    char *json = dnn_cache_read(key);
    const bool taken = json && finish_plan(device, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                           (int64_t)strlen(json), json, plan);
    free(json);
    return taken;
}

static void remember(const char *key, const struct dnn_plan *plan)
{
    int64_t bytes = 0;
    if (vendor.cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0,
                                        &bytes, NULL) != CUDNN_STATUS_SUCCESS)
        return;
    char *json = calloc(1, (size_t)bytes + 1);
    if (json && vendor.cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                CUDNN_TYPE_CHAR, bytes, &bytes, json) == CUDNN_STATUS_SUCCESS)
        dnn_cache_write(key, json);
    free(json);
}

/* Moves the chosen candidate into plan and frees the others. */
static void take_candidate(struct dnn_plan *plan, struct dnn_plan *found, int count, int chosen)
{
    if (chosen >= 0) {
        plan->plan = found[chosen].plan;
        plan->workspace_bytes = found[chosen].workspace_bytes;
        plan->parts[plan->part_count++] = found[chosen].parts[0];
        found[chosen] = (struct dnn_plan){0};
    }
    for (int i = 0; i < count; i++)
        dnn_plan_free(&found[i]);
}

int dnn_plan_build(struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, struct dnn_plan *plan)
{
    char key[KEY_BYTES];
    make_key(device, conv, pass, key);
    if (take_remembered(device, key, plan))
        return OK;
    struct dnn_plan found[TIMED_MOST] = {0};
    struct search search = {
        .device = device, .dtype = conv->dtype, .most = device->dnn ? TIMED_MOST : 1, .found = found};
    TRY(describe_graph(plan, conv, pass, &search.graph));
    search_plans(&search);
    int chosen = search.count > 0 ? 0 : -1, status = OK;
    if (search.count > 1)
        status = dnn_fastest(device, conv, found, search.count, &chosen);
    take_candidate(plan, found, search.count, status < 0 ? -1 : chosen);
    TRY(status);
    if (!plan->plan)
        return FAIL(ERR_UNSUPPORTED, "cuDNN has no plan (%s); use another train.precision or other channels", key);
    remember(key, plan);
    return OK;
}

void dnn_plan_free(struct dnn_plan *plan)
{
    if (plan->pack)
        vendor.cudnnBackendDestroyDescriptor(plan->pack);
    if (plan->plan)
        vendor.cudnnBackendDestroyDescriptor(plan->plan);
    while (plan->part_count > 0)
        vendor.cudnnBackendDestroyDescriptor(plan->parts[--plan->part_count]);
    *plan = (struct dnn_plan){0};
}

/* ---- running ---- */

static int bind(struct dnn_plan *plan, const void *const bound[4])
{
    static const int64_t ids[] = {1, 2, 3};
    if (plan->pack)
        CUDNN_TRY(vendor.cudnnBackendDestroyDescriptor(plan->pack));
    plan->pack = NULL;
    CUDNN_TRY(vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &plan->pack));
    CUDNN_TRY(
        vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3,
                                              bound));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                              &bound[3]));
    CUDNN_TRY(vendor.cudnnBackendFinalize(plan->pack));
    memcpy(plan->bound, bound, sizeof plan->bound);
    return OK;
}

int dnn_plan_run(struct device *device, struct dnn_plan *plan, const void *x, const void *w, const void *y,
                 void *workspace)
{
    const void *const bound[] = {x, w, y, workspace};
    if (!plan->pack || memcmp(plan->bound, bound, sizeof bound) != 0)
        TRY(bind(plan, bound));
    CUDNN_TRY(vendor.cudnnBackendExecute(device->dnn, plan->plan, plan->pack));
    return OK;
}
