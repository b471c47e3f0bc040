/* plan_print: what a plan takes and where it lies, in words. Changes nothing. */
#include "plan.h"
#include "text.h"

const char *const slab_names[SLAB_COUNT] = {
    [SLAB_PARAM] = "parameters",       [SLAB_LOW] = "low-precision copy",   [SLAB_GRAD] = "gradients",
    [SLAB_GRAD_SUM] = "gradient sum",  [SLAB_MOMENT1] = "moment 1",         [SLAB_MOMENT2] = "moment 2",
    [SLAB_EMA] = "EMA of parameters",  [SLAB_STATE] = "running statistics", [SLAB_STATE_EMA] = "EMA of statistics",
    [SLAB_ACTIVATION] = "activations", [SLAB_SCRATCH] = "scratch",          [SLAB_BATCH] = "batch",
    [SLAB_SKETCH] = "sketches",        [SLAB_SAMPLES] = "samples seen",     [SLAB_SURVEY] = "layer statistics",
};

size_t plan_bytes(const struct plan *plan)
{
    size_t bytes = 0;
    for (int i = 0; i < SLAB_COUNT; i++)
        bytes += plan->slabs[i].bytes;
    return bytes;
}

void plan_print(const struct plan *plan, FILE *stream, bool verbose)
{
    char bytes[24], shape[48];
    for (int i = 0; i < SLAB_COUNT; i++) {
        if (plan->slabs[i].bytes == 0)
            continue;
        text_bytes(bytes, (double)plan->slabs[i].bytes);
        fprintf(stream, "  %-20s %10s\n", slab_names[i], bytes);
    }
    text_bytes(bytes, (double)plan_bytes(plan));
    fprintf(stream, "  %-20s %10s  (batch %d, %s)\n", "in all", bytes, plan->options.batch,
            dtype_name(plan->options.dtype));
    if (!verbose)
        return;
    fprintf(stream, "\n  %-32s %-18s %12s %12s %12s\n", "activation", "shape", "bytes", "at", "gradient at");
    for (int v = 0; v < plan->graph->value_count; v++) {
        const struct value *value = &plan->graph->values[v];
        if (value->role != VALUE_INPUT && value->role != VALUE_ACTIVATION)
            continue;
        struct shape whole = value->shape;
        whole.n = plan->options.batch;
        fprintf(stream, "  %-32s %-18s %12zu %12zu", value->name, shape_text(shape, whole), plan->values[v].bytes,
                plan->values[v].offset);
        if (plan->values[v].wants_grad)
            fprintf(stream, " %12zu", plan->values[v].grad_offset);
        fprintf(stream, "\n");
    }
}
