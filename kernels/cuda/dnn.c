/* dnn: takes one of the plans that cuDNN has for a piece of work, and runs it. What is chosen once, by time, is kept
 * for the next start. Knows neither how work is described nor how plans are found, timed and kept. */
#include "dnn.h"
#include "log.h"
#include "tune.h"
#include "vendor.h"
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMED_MOST = 160, /* candidates; cuDNN 9.19 has up to 92 for a convolution */
    KEY_BYTES = 400,
};

static const char *const pass_names[DNN_PASS_COUNT] = {"forward",
                                                       "backward by data",
                                                       "backward by weights",
                                                       "forward with sums",
                                                       "backward by data and norm",
                                                       "backward by data and norm where gradients meet",
                                                       "forward of a norm with sums",
                                                       "backward by weights of a norm"};

/* ---- choice ---- */

/* All that a choice depends on, in words. */
static void make_key(const struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, char key[KEY_BYTES])
{
    char in[48], out[48];
    snprintf(
        key, KEY_BYTES,
        "%s %s%s%s%s%s in %s out %s kernel %dx%d stride %d pad %dx%d groups %d; %s%s, %d SMs, driver %s, cuDNN %zu",
        pass_names[pass], dtype_name(conv->dtype),
        pass == DNN_WEIGHTS && conv->weights_dtype != conv->dtype ? " to fp32" : "",
        conv->dtype == DT_F32 && conv->tf32 ? " tf32" : "", conv->deterministic ? " deterministic" : "",
        conv->precompiled ? " precompiled" : "", shape_text(in, conv->in), shape_text(out, conv->out), conv->kernel_h,
        conv->kernel_w, conv->stride, conv->pad_h, conv->pad_w, conv->groups, device->name,
        device->dnn ? "" : " (described)", device->sm_count, device->driver, vendor.cudnnGetVersion());
}

/* Kept where cuDNN had no plan: looking for one can take seconds. */
static const char NO_PLAN[] = "none";

/* Whether it is known what there is for this key; plan->plan is NULL where that is nothing. */
static bool take_kept(struct device *device, const struct dnn_conv *conv, const char *key, struct dnn_plan *plan)
{
    struct tune_kept kept = tune_cache_read(key);
    if (!kept.choice)
        return false;
    const bool none = strcmp(kept.choice, NO_PLAN) == 0, taken = none || dnn_revive(device, conv, kept.choice, plan);
    if (taken)
        plan->ms = kept.ms;
    else
        tune_cache_refuse(key, "cuDNN does not take this plan");
    free(kept.choice);
    return taken;
}

static void keep(const char *key, const struct dnn_plan *plan)
{
    char *json = plan->plan ? dnn_json(plan) : NULL;
    if (json || !plan->plan)
        tune_cache_write(key, json ? json : NO_PLAN, plan->ms);
    free(json);
}

/* Moves the chosen candidate into plan and frees the others. */
static void take_candidate(struct dnn_plan *plan, struct dnn_plan *found, int count, int chosen)
{
    if (chosen >= 0) {
        plan->plan = found[chosen].plan;
        plan->ms = found[chosen].ms;
        plan->workspace_bytes = found[chosen].workspace_bytes;
        plan->parts[plan->part_count++] = found[chosen].parts[0];
        if (found[chosen].pack)
            vendor.cudnnBackendDestroyDescriptor(found[chosen].pack);
        found[chosen] = (struct dnn_plan){0};
    }
    for (int i = 0; i < count; i++)
        dnn_plan_free(&found[i]);
}

static int run_candidate(struct device *device, void *candidate, const struct tune *tune)
{
    return dnn_plan_run(device, candidate, (const void *const *)tune->array, tune->workspace);
}

/* The fastest of several; *best is -1 when none runs. */
static int time_candidates(struct device *device, struct dnn_plan *found, int count, int *best)
{
    struct tune_array arrays[DNN_ARRAY_COUNT] = {0};
    struct tune tune;
    size_t workspace = 0;
    for (int i = 0; i < found->use_count; i++)
        arrays[found->uses[i].array] = (struct tune_array){found->uses[i].dtype, found->uses[i].bytes};
    for (int i = 0; i < count; i++)
        if (found[i].workspace_bytes > workspace)
            workspace = found[i].workspace_bytes;
    const int status = tune_open(device, &tune, arrays, DNN_ARRAY_COUNT, workspace);
    *best = -1;
    for (int i = 0; i < count && status == OK; i++) {
        found[i].ms = tune_time(device, &tune, run_candidate, &found[i]);
        if (isfinite(found[i].ms) && (*best < 0 || found[i].ms < found[*best].ms))
            *best = i;
    }
    tune_close(&tune);
    return status;
}

/* Whoever waits for minutes should know for what. The first line once in a process, the others where there is a
 * terminal. */
static void say_trying(const char *key)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        log_info(
            "trying all of cuDNN's plans for layers that none is kept for, which takes minutes for a large network "
            "and is then kept; EVENKEEL_CUDA_TUNE=0 in the environment takes the first ones");
    log_progress("trying plans: %s", key);
}

/* plan has what the graph is made of. */
static int choose(struct device *device, const struct dnn_conv *conv, void *graph, struct dnn_plan *plan)
{
    struct dnn_plan *found = calloc(TIMED_MOST, sizeof *found);
    if (!found)
        return FAIL(ERR_MEMORY, "cuda: out of memory for a layer's plans; close other programs");
    const int count = dnn_search(device, conv, graph, found, device->untimed ? 1 : TIMED_MOST);
    for (int i = 0; i < count; i++) {
        memcpy(found[i].uses, plan->uses, sizeof plan->uses);
        found[i].use_count = plan->use_count;
    }
    int chosen = count > 0 ? 0 : -1, status = OK;
    if (!device->untimed && count > 0)
        status = time_candidates(device, found, count, &chosen);
    take_candidate(plan, found, count, status < 0 ? -1 : chosen);
    free(found);
    return status;
}

int dnn_plan_build(struct device *device, const struct dnn_conv *conv, enum dnn_pass pass, struct dnn_plan *plan)
{
    char key[KEY_BYTES];
    void *graph;
    make_key(device, conv, pass, key);
    TRY(dnn_describe(device, plan, conv, pass, &graph));
    if (!take_kept(device, conv, key, plan)) {
        if (!device->untimed)
            say_trying(key);
        TRY(choose(device, conv, graph, plan));
        if (!device->untimed || device->properties) /* else a choice by time may follow */
            keep(key, plan);
    }
    if (!plan->plan)
        return FAIL(ERR_UNSUPPORTED, "cuDNN has no plan (%s); use another train.precision or other channels", key);
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

static int bind(struct dnn_plan *plan, const void *const *arrays, void *workspace)
{
    int64_t ids[DNN_ARRAY_COUNT];
    const void *pointers[DNN_ARRAY_COUNT];
    for (int i = 0; i < plan->use_count; i++) {
        ids[i] = DNN_ID(plan->uses[i].array);
        pointers[i] = arrays[plan->uses[i].array];
        plan->bound[i] = pointers[i];
    }
    plan->bound_workspace = workspace;
    if (plan->pack)
        CUDNN_TRY(vendor.cudnnBackendDestroyDescriptor(plan->pack));
    plan->pack = NULL;
    CUDNN_TRY(vendor.cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &plan->pack));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                              plan->use_count, ids));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                                              plan->use_count, pointers));
    CUDNN_TRY(vendor.cudnnBackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                              &workspace));
    CUDNN_TRY(vendor.cudnnBackendFinalize(plan->pack));
    return OK;
}

int dnn_plan_run(struct device *device, struct dnn_plan *plan, const void *const *arrays, void *workspace)
{
    bool bound = plan->pack && plan->bound_workspace == workspace;
    for (int i = 0; i < plan->use_count && bound; i++)
        bound = plan->bound[i] == arrays[plan->uses[i].array];
    if (!bound)
        TRY(bind(plan, arrays, workspace));
    CUDNN_TRY(vendor.cudnnBackendExecute(device->dnn, plan->plan, plan->pack));
    return OK;
}
