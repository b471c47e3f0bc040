/* onednn: see onednn.h. */
#include "onednn.h"
#include <stdlib.h>

#ifdef WITH_ONEDNN
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum pass_kind { FORWARD, WEIGHTS, DATA, PASSES };

struct pass {
    dnnl_primitive_t primitive; /* NULL: not wanted */
    dnnl_exec_arg_t args[3];
    dnnl_memory_t memory[3];
};

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct pass pass[PASSES];
};

/* What the layer looks like to oneDNN; weights in any layout. Activations are NHWC, as they are here. */
struct look {
    dnnl_memory_desc_t in, weights, out;
    dnnl_dims_t strides, pads;
    bool linear;
};

static void must(dnnl_status_t status)
{
    if (status != dnnl_success) {
        fprintf(stderr, "onednn: status %d\n", (int)status);
        exit(1);
    }
}

static void look_at(struct look *look, const struct op_case *one, dnnl_data_type_t dtype)
{
    const struct shape in = one->in, out = op_case_out(one);
    *look = (struct look){.linear = one->kind == OP_LINEAR};
    if (look->linear) {
        const int64_t row = (int64_t)in.h * in.w * in.c;
        const dnnl_dims_t from = {in.n, row}, weights = {out.c, row}, to = {in.n, out.c};
        must(dnnl_memory_desc_init_by_tag(&look->in, 2, from, dtype, dnnl_nc));
        must(dnnl_memory_desc_init_by_tag(&look->weights, 2, weights, dtype, dnnl_format_tag_any));
        must(dnnl_memory_desc_init_by_tag(&look->out, 2, to, dtype, dnnl_nc));
        return;
    }
    const int groups = one->params.conv2d.groups, grouped = groups > 1;
    const dnnl_dims_t from = {in.n, in.c, in.h, in.w}, to = {out.n, out.c, out.h, out.w};
    const dnnl_dims_t weights = {groups, out.c / groups, in.c / groups, one->params.conv2d.kernel_h,
                                 one->params.conv2d.kernel_w};
    const dnnl_dims_t whole = {out.c, in.c, one->params.conv2d.kernel_h, one->params.conv2d.kernel_w};
    must(dnnl_memory_desc_init_by_tag(&look->in, 4, from, dtype, dnnl_nhwc));
    must(dnnl_memory_desc_init_by_tag(&look->weights, 4 + grouped, grouped ? weights : whole, dtype,
                                      dnnl_format_tag_any));
    must(dnnl_memory_desc_init_by_tag(&look->out, 4, to, dtype, dnnl_nhwc));
    look->strides[0] = look->strides[1] = one->params.conv2d.stride;
    look->pads[0] = one->params.conv2d.pad_h;
    look->pads[1] = one->params.conv2d.pad_w;
}

union description {
    dnnl_convolution_desc_t convolution;
    dnnl_inner_product_desc_t linear;
};

static void describe(union description *to, const struct look *l, enum pass_kind kind)
{
    const dnnl_memory_desc_t none = {0};
    dnnl_convolution_desc_t *conv = &to->convolution;
    dnnl_inner_product_desc_t *linear = &to->linear;
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (l->linear && kind == FORWARD)
        must(dnnl_inner_product_forward_desc_init(linear, dnnl_forward_training, &l->in, &l->weights, &none, &l->out));
    else if (l->linear && kind == WEIGHTS)
        must(dnnl_inner_product_backward_weights_desc_init(linear, &l->in, &l->weights, &none, &l->out));
    else if (l->linear)
        must(dnnl_inner_product_backward_data_desc_init(linear, &l->in, &l->weights, &l->out));
    else if (kind == FORWARD)
        must(dnnl_convolution_forward_desc_init(conv, dnnl_forward_training, direct, &l->in, &l->weights, &none,
                                                &l->out, l->strides, l->pads, l->pads));
    else if (kind == WEIGHTS)
        must(dnnl_convolution_backward_weights_desc_init(conv, direct, &l->in, &l->weights, &none, &l->out, l->strides,
                                                         l->pads, l->pads));
    else
        must(dnnl_convolution_backward_data_desc_init(conv, direct, &l->in, &l->weights, &l->out, l->strides, l->pads,
                                                      l->pads));
}

static bool pass_open(struct onednn *layer, const struct look *look, enum pass_kind kind)
{
    static const struct {
        int argument;
        dnnl_query_t query;
    } arguments[PASSES][3] = {
        {{DNNL_ARG_SRC, dnnl_query_src_md},
         {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
         {DNNL_ARG_DST, dnnl_query_dst_md}},
        {{DNNL_ARG_SRC, dnnl_query_src_md},
         {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md},
         {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
        {{DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md},
         {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
         {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
    };
    struct pass *pass = &layer->pass[kind], *forward = &layer->pass[FORWARD];
    union description description;
    dnnl_primitive_desc_t made;
    const_dnnl_primitive_desc_t hint = NULL;
    describe(&description, look, kind);
    if (kind != FORWARD)
        must(dnnl_primitive_get_primitive_desc(forward->primitive, &hint));
    if (dnnl_primitive_desc_create(&made, &description, NULL, layer->engine, hint) != dnnl_success)
        return false;
    must(dnnl_primitive_create(&pass->primitive, made));
    for (int i = 0; i < 3; i++) {
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(made, arguments[kind][i].query, 0);
        void *values;
        must(dnnl_memory_create(&pass->memory[i], desc, layer->engine, DNNL_MEMORY_ALLOCATE));
        must(dnnl_memory_get_data_handle(pass->memory[i], &values));
        memset(values, 0x3C, dnnl_memory_desc_get_size(desc)); /* about 0.011 in both */
        pass->args[i] = (dnnl_exec_arg_t){arguments[kind][i].argument, pass->memory[i]};
    }
    must(dnnl_primitive_desc_destroy(made));
    return true;
}

struct onednn *onednn_open(const struct op_case *one, enum dtype dtype, bool in_grad, int threads)
{
    struct onednn *layer = calloc(1, sizeof *layer);
    struct look look;
    if (!layer)
        return NULL;
    omp_set_num_threads(threads);
    must(dnnl_engine_create(&layer->engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&layer->stream, layer->engine, dnnl_stream_in_order));
    look_at(&look, one, dtype == DT_F32 ? dnnl_f32 : dnnl_bf16);
    for (int kind = FORWARD; kind < (in_grad ? PASSES : DATA); kind++)
        if (!pass_open(layer, &look, (enum pass_kind)kind)) {
            onednn_close(layer);
            return NULL;
        }
    return layer;
}

void onednn_close(struct onednn *layer)
{
    if (!layer)
        return;
    for (int kind = 0; kind < PASSES; kind++) {
        for (int i = 0; layer->pass[kind].primitive && i < 3; i++)
            must(dnnl_memory_destroy(layer->pass[kind].memory[i]));
        if (layer->pass[kind].primitive)
            must(dnnl_primitive_destroy(layer->pass[kind].primitive));
    }
    must(dnnl_stream_destroy(layer->stream));
    must(dnnl_engine_destroy(layer->engine));
    free(layer);
}

static void run(struct onednn *layer, enum pass_kind kind)
{
    const struct pass *pass = &layer->pass[kind];
    if (pass->primitive)
        must(dnnl_primitive_execute(pass->primitive, layer->stream, 3, pass->args));
}

void onednn_forward(void *layer)
{
    run(layer, FORWARD);
    must(dnnl_stream_wait(((struct onednn *)layer)->stream));
}

void onednn_backward(void *layer)
{
    run(layer, WEIGHTS);
    run(layer, DATA);
    must(dnnl_stream_wait(((struct onednn *)layer)->stream));
}
#else
struct onednn *onednn_open(const struct op_case *one, enum dtype dtype, bool in_grad, int threads)
{
    (void)one, (void)dtype, (void)in_grad, (void)threads;
    return NULL;
}

void onednn_close(struct onednn *layer)
{
    (void)layer;
}

void onednn_forward(void *layer)
{
    (void)layer;
}

void onednn_backward(void *layer)
{
    (void)layer;
}
#endif
