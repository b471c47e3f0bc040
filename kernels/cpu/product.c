/* product: builds and runs oneDNN's forward, backward-by-data and backward-by-weights primitives of one layer, and owns
 * the layout its weights are kept in. Does not know whether the layer is a convolution or fully connected.
 *
 * No layout serves all three passes: with any but its own, backward by data falls back to oneDNN's reference loops, a
 * thousand times slower. So the weights are kept as one pass wants them and reordered for the others, which costs what
 * copying the weights costs. Kept is the gradient's layout where the forward pass is fast with it (fp32: one reorder a
 * step), else the forward pass's (bf16: two, and none when evaluating). */
#include "product.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_ALIGNMENT = 4096 };

struct pass {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t weight, scratchpad;
    size_t scratchpad_bytes;
    /* Where the pass wants another layout than the kept one: */
    dnnl_primitive_t reorder; /* into it, or for the gradient out of it */
    dnnl_memory_t kept, reorder_scratchpad;
    size_t weight_bytes, reorder_scratchpad_bytes;
};

struct product {
    struct layer layer;
    struct pass pass[PRODUCT_PASS_COUNT];
    dnnl_memory_t src, dst, bias, src_grad, dst_grad;
    dnnl_memory_desc_t kept;                    /* of the weights, in fp32 */
    struct product_axis axes[PRODUCT_AXES + 1]; /* then one of dimension -1 */
    dnnl_engine_t engine;
    size_t bias_count; /* 0: none */
};

dnnl_data_type_t product_dtype(enum dtype dtype)
{
    assert(dtype == DT_F32 || dtype == DT_BF16);
    return dtype == DT_F32 ? dnnl_f32 : dnnl_bf16;
}

/* ---- building ---- */

static size_t align_up(size_t bytes)
{
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

static dnnl_memory_desc_t with_dtype(const dnnl_memory_desc_t *desc, dnnl_data_type_t dtype)
{
    dnnl_memory_desc_t changed = *desc;
    changed.data_type = dtype;
    return changed;
}

static const char *implementation_of(const_dnnl_primitive_desc_t desc)
{
    const char *name = "";
    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success ? name : "";
}

/* oneDNN 2.6's strided 1x1 convolution for AVX2 returns a wrong gradient of the weights now and then where their layout
 * is padded, that is, where channels are no multiple of 8. */
static bool is_unreliable(const_dnnl_primitive_desc_t desc)
{
    const dnnl_memory_desc_t *weight = dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0);
    return strcmp(implementation_of(desc), "jit_1x1:avx2") == 0 && weight && weight->ndims > 0 &&
           memcmp(weight->dims, weight->padded_dims, (size_t)weight->ndims * sizeof weight->dims[0]) != 0;
}

/* The first implementation that can be relied on; oneDNN lists the fastest first. */
static dnnl_status_t best_implementation(const struct product *product, const union product_op *op,
                                         const_dnnl_primitive_attr_t attr, enum product_pass pass,
                                         dnnl_primitive_desc_t *made)
{
    dnnl_primitive_desc_iterator_t iterator;
    dnnl_status_t status = dnnl_primitive_desc_iterator_create(
        &iterator, op, attr, product->engine, pass == PRODUCT_FORWARD ? NULL : product->pass[PRODUCT_FORWARD].desc);
    if (status != dnnl_success)
        return status;
    do {
        *made = dnnl_primitive_desc_iterator_fetch(iterator);
        if (*made && !is_unreliable(*made))
            break;
        dnnl_primitive_desc_destroy(*made);
        *made = NULL;
        status = dnnl_primitive_desc_iterator_next(iterator);
    } while (status == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(iterator);
    return status == dnnl_iterator_ends ? dnnl_unimplemented : status;
}

/* Creates the best primitive descriptor of a pass for weights of this layout, or any. */
static int pass_describe(const struct product *product, const struct product_desc *desc, enum product_pass pass,
                         const dnnl_memory_desc_t *weight, dnnl_primitive_desc_t *made)
{
    union product_op op;
    DNNL_TRY(desc->describe(desc, pass, weight, &op));
    dnnl_primitive_attr_t attr;
    DNNL_TRY(dnnl_primitive_attr_create(&attr));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = best_implementation(product, &op, attr, pass, made);
    dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_unimplemented)
        return FAIL(ERR_UNSUPPORTED, "oneDNN has no %s implementation of this layer; use train.precision = \"fp32\"",
                    dtype_name(desc->dtype));
    DNNL_TRY(status);
    return OK;
}

static const dnnl_memory_desc_t *pass_weight(const struct product *product, enum product_pass pass)
{
    return dnnl_primitive_desc_query_md(
        product->pass[pass].desc, pass == PRODUCT_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

static bool is_reference(const_dnnl_primitive_desc_t desc)
{
    return strncmp(implementation_of(desc), "ref", 3) == 0;
}

static int choose_layouts(struct product *product, const struct product_desc *desc)
{
    const dnnl_data_type_t dtype = product_dtype(desc->dtype);
    dnnl_memory_desc_t any = with_dtype(&desc->weight, dtype), any_f32 = with_dtype(&desc->weight, dnnl_f32);
    any.format_kind = any_f32.format_kind = dnnl_format_kind_any;
    struct pass *forward = &product->pass[PRODUCT_FORWARD];
    TRY(pass_describe(product, desc, PRODUCT_FORWARD, &any, &forward->desc));
    if (desc->training) {
        TRY(pass_describe(product, desc, PRODUCT_WEIGHTS, &any_f32, &product->pass[PRODUCT_WEIGHTS].desc));
        if (desc->in_grad)
            TRY(pass_describe(product, desc, PRODUCT_DATA, &any, &product->pass[PRODUCT_DATA].desc));
        const dnnl_memory_desc_t wanted = with_dtype(pass_weight(product, PRODUCT_WEIGHTS), dtype);
        dnnl_primitive_desc_t same = NULL;
        if (pass_describe(product, desc, PRODUCT_FORWARD, &wanted, &same) == OK && !is_reference(same)) {
            dnnl_primitive_desc_destroy(forward->desc);
            forward->desc = same;
        } else if (same) {
            dnnl_primitive_desc_destroy(same);
        }
    }
    product->kept = with_dtype(pass_weight(product, PRODUCT_FORWARD), dnnl_f32);
    return OK;
}

static int memory_create(const struct product *product, const dnnl_memory_desc_t *desc, dnnl_memory_t *memory)
{
    DNNL_TRY(dnnl_memory_create(memory, desc, product->engine, DNNL_MEMORY_NONE));
    return OK;
}

static int scratchpad_create(const struct product *product, const_dnnl_primitive_desc_t desc, dnnl_memory_t *memory,
                             size_t *bytes)
{
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    *bytes = dnnl_memory_desc_get_size(wanted);
    return memory_create(product, wanted, memory);
}

/* The reorder between the kept layout and that of this pass. */
static int reorder_build(struct product *product, enum product_pass number, const dnnl_memory_desc_t *kept)
{
    struct pass *pass = &product->pass[number];
    const dnnl_memory_desc_t *wanted = pass_weight(product, number);
    TRY(memory_create(product, kept, &pass->kept));
    const bool out_of = number == PRODUCT_WEIGHTS;
    dnnl_primitive_attr_t attr;
    DNNL_TRY(dnnl_primitive_attr_create(&attr));
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, out_of ? wanted : kept, product->engine,
                                                    out_of ? kept : wanted, product->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    DNNL_TRY(status);
    status = dnnl_primitive_create(&pass->reorder, desc);
    int result = scratchpad_create(product, desc, &pass->reorder_scratchpad, &pass->reorder_scratchpad_bytes);
    dnnl_primitive_desc_destroy(desc);
    DNNL_TRY(status);
    pass->weight_bytes = align_up(dnnl_memory_desc_get_size(wanted));
    return result;
}

static int pass_build(struct product *product, enum product_pass number, enum dtype dtype)
{
    struct pass *pass = &product->pass[number];
    DNNL_TRY(dnnl_primitive_create(&pass->primitive, pass->desc));
    TRY(memory_create(product, pass_weight(product, number), &pass->weight));
    TRY(scratchpad_create(product, pass->desc, &pass->scratchpad, &pass->scratchpad_bytes));
    const dnnl_memory_desc_t kept =
        with_dtype(&product->kept, number == PRODUCT_WEIGHTS ? dnnl_f32 : product_dtype(dtype));
    if (!dnnl_memory_desc_equal(&kept, pass_weight(product, number)))
        TRY(reorder_build(product, number, &kept));
    return OK;
}

static size_t pass_scratch(const struct pass *pass)
{
    size_t pad = pass->scratchpad_bytes;
    if (pass->reorder_scratchpad_bytes > pad)
        pad = pass->reorder_scratchpad_bytes;
    return pass->weight_bytes + align_up(pad);
}

static int product_build(struct product *product, const struct product_desc *desc, struct op_needs *needs)
{
    TRY(choose_layouts(product, desc));
    for (int i = 0; i < PRODUCT_PASS_COUNT; i++) {
        if (!product->pass[i].desc)
            continue;
        TRY(pass_build(product, i, desc->dtype));
        if (pass_scratch(&product->pass[i]) > needs->scratch_bytes)
            needs->scratch_bytes = pass_scratch(&product->pass[i]);
    }
    TRY(memory_create(product, &desc->src, &product->src));
    TRY(memory_create(product, &desc->src, &product->src_grad));
    TRY(memory_create(product, &desc->dst, &product->dst));
    TRY(memory_create(product, &desc->dst, &product->dst_grad));
    needs->weight[0].count = (int64_t)(dnnl_memory_desc_get_size(&product->kept) / sizeof(float));
    needs->weight[0].dtype = desc->dtype;
    if (product->bias_count) {
        TRY(memory_create(product, &desc->bias, &product->bias));
        needs->weight[1].count = desc->bias.dims[0];
        needs->weight[1].dtype = DT_F32;
    }
    return OK;
}

int product_prepare(struct device *device, const struct op_impl *impl, const struct product_desc *desc, void **state,
                    struct op_needs *needs)
{
    struct product *product = calloc(1, sizeof *product);
    if (!product)
        return FAIL(ERR_MEMORY, "cpu: out of memory for a layer's description; close other programs");
    product->layer.impl = impl;
    product->engine = device->engine;
    for (int i = 0; i <= PRODUCT_AXES; i++)
        product->axes[i] = i < PRODUCT_AXES && desc->axes[i].count ? desc->axes[i] : (struct product_axis){-1, 0, 0};
    product->bias_count = desc->bias.ndims > 0 ? (size_t)desc->bias.dims[0] : 0;
    int status = product_build(product, desc, needs);
    if (status < 0) {
        product_release(product);
        product = NULL;
    }
    *state = product;
    return status;
}

static void memory_destroy(dnnl_memory_t memory)
{
    if (memory)
        dnnl_memory_destroy(memory);
}

void product_release(void *state)
{
    struct product *product = state;
    if (!product)
        return;
    for (int i = 0; i < PRODUCT_PASS_COUNT; i++) {
        struct pass *pass = &product->pass[i];
        if (pass->primitive)
            dnnl_primitive_destroy(pass->primitive);
        if (pass->reorder)
            dnnl_primitive_destroy(pass->reorder);
        if (pass->desc)
            dnnl_primitive_desc_destroy(pass->desc);
        memory_destroy(pass->weight);
        memory_destroy(pass->scratchpad);
        memory_destroy(pass->kept);
        memory_destroy(pass->reorder_scratchpad);
    }
    memory_destroy(product->src);
    memory_destroy(product->dst);
    memory_destroy(product->bias);
    memory_destroy(product->src_grad);
    memory_destroy(product->dst_grad);
    free(product);
}

/* ---- running ---- */

/* Setting a handle clears the padding, so it is done only when the pointer is another one. */
static int bind(dnnl_memory_t memory, const void *data)
{
    void *bound;
    DNNL_TRY(dnnl_memory_get_data_handle(memory, &bound));
    if (bound != data)
        DNNL_TRY(dnnl_memory_set_data_handle(memory, (void *)data));
    return OK;
}

/* Reorders weights between the kept layout and that of the pass, whose copy lies at the start of scratch. */
static int reorder_run(struct device *device, const struct pass *pass, bool out_of)
{
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, out_of ? pass->weight : pass->kept},
        {DNNL_ARG_TO, out_of ? pass->kept : pass->weight},
        {DNNL_ARG_SCRATCHPAD, pass->reorder_scratchpad},
    };
    DNNL_TRY(dnnl_primitive_execute(pass->reorder, device->stream, COUNT_OF(args), args));
    return OK;
}

/* Points the pass's memories at the weights and scratch. */
static int pass_bind(const struct pass *pass, const struct op_call *call, const void *weight)
{
    char *pad = (char *)call->scratch + pass->weight_bytes;
    TRY(bind(pass->scratchpad, pass->scratchpad_bytes ? pad : NULL));
    if (!pass->reorder)
        return bind(pass->weight, weight);
    TRY(bind(pass->reorder_scratchpad, pass->reorder_scratchpad_bytes ? pad : NULL));
    TRY(bind(pass->kept, weight));
    return bind(pass->weight, call->scratch);
}

int product_forward(struct device *device, const struct op_call *call)
{
    struct product *product = call->state;
    const struct pass *pass = &product->pass[PRODUCT_FORWARD];
    TRY(pass_bind(pass, call, call->weight[0]));
    if (pass->reorder)
        TRY(reorder_run(device, pass, false));
    TRY(bind(product->src, call->in[0]));
    TRY(bind(product->dst, call->out));
    if (product->bias_count)
        TRY(bind(product->bias, call->weight[1]));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, product->src},   {DNNL_ARG_WEIGHTS, pass->weight},
        {DNNL_ARG_DST, product->dst},   {DNNL_ARG_SCRATCHPAD, pass->scratchpad},
        {DNNL_ARG_BIAS, product->bias},
    };
    DNNL_TRY(dnnl_primitive_execute(pass->primitive, device->stream, COUNT_OF(args) - !product->bias_count, args));
    return OK;
}

static int backward_data(struct device *device, struct product *product, const struct op_call *call)
{
    const struct pass *pass = &product->pass[PRODUCT_DATA];
    TRY(pass_bind(pass, call, call->weight[0]));
    if (pass->reorder)
        TRY(reorder_run(device, pass, false));
    TRY(bind(product->src_grad, call->in_grad[0]));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_DIFF_DST, product->dst_grad},
        {DNNL_ARG_WEIGHTS, pass->weight},
        {DNNL_ARG_DIFF_SRC, product->src_grad},
        {DNNL_ARG_SCRATCHPAD, pass->scratchpad},
    };
    DNNL_TRY(dnnl_primitive_execute(pass->primitive, device->stream, COUNT_OF(args), args));
    return OK;
}

static int backward_weights(struct device *device, struct product *product, const struct op_call *call)
{
    const struct pass *pass = &product->pass[PRODUCT_WEIGHTS];
    TRY(pass_bind(pass, call, call->weight_grad[0]));
    TRY(bind(product->src, call->in[0]));
    if (product->bias_count)
        TRY(bind(product->bias, call->weight_grad[1]));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, product->src},          {DNNL_ARG_DIFF_DST, product->dst_grad},
        {DNNL_ARG_DIFF_WEIGHTS, pass->weight}, {DNNL_ARG_SCRATCHPAD, pass->scratchpad},
        {DNNL_ARG_DIFF_BIAS, product->bias},
    };
    DNNL_TRY(dnnl_primitive_execute(pass->primitive, device->stream, COUNT_OF(args) - !product->bias_count, args));
    return pass->reorder ? reorder_run(device, pass, true) : OK;
}

int product_backward(struct device *device, const struct op_call *call)
{
    struct product *product = call->state;
    TRY(bind(product->dst_grad, call->out_grad));
    TRY(backward_weights(device, product, call));
    return call->in_grad[0] ? backward_data(device, product, call) : OK;
}

/* ---- canonical <-> kept ---- */

/* Where a position of a dimension lies, from element 0; dimensions add up. */
static int64_t offset_along(const dnnl_memory_desc_t *desc, int dimension, int64_t position)
{
    const dnnl_blocking_desc_t *blocking = &desc->format_desc.blocking;
    int64_t offset = 0, stride = 1;
    for (int i = blocking->inner_nblks - 1; i >= 0; i--) {
        const int64_t block = blocking->inner_blks[i];
        if (blocking->inner_idxs[i] == dimension) {
            offset += position % block * stride;
            position /= block;
        }
        stride *= block;
    }
    return offset + position * blocking->strides[dimension];
}

/* Copies the elements under one position of the outer axes, in canonical order; position is that reached in the axis's
 * dimension. Returns the next canonical element. */
static float *copy_axes(const struct product *product, const struct product_axis *axis, float *own, float *canonical,
                        int64_t position, bool pack)
{
    const bool closes = axis[1].dimension != axis[0].dimension, innermost = axis[1].dimension < 0;
    for (int64_t i = 0; i < axis->count; i++, position += axis->step) {
        float *here = closes ? own + offset_along(&product->kept, axis->dimension, position) : own;
        if (!innermost)
            canonical = copy_axes(product, axis + 1, here, canonical, closes ? 0 : position, pack);
        else if (pack)
            *here = *canonical++;
        else
            *canonical++ = *here;
    }
    return canonical;
}

void product_pack(const void *state, int weight, float *own, const float *canonical)
{
    const struct product *product = state;
    if (weight > 0) {
        memcpy(own, canonical, product->bias_count * sizeof(float));
    } else {
        memset(own, 0, dnnl_memory_desc_get_size(&product->kept));
        copy_axes(product, product->axes, own, (float *)canonical, 0, true);
    }
}

void product_unpack(const void *state, int weight, float *canonical, const float *own)
{
    const struct product *product = state;
    if (weight > 0)
        memcpy(canonical, own, product->bias_count * sizeof(float));
    else
        copy_axes(product, product->axes, (float *)own, canonical, 0, false);
}
