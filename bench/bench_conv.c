/* bench_conv: the convolutions of a network's step beside the best that oneDNN makes of each alone, in the layouts it
 * likes: what a whole step is to be held against. Ours are timed within steps. With BENCH_JSON=FILE a JSON object per
 * row is added there. Usage: bench_conv [MODEL [HxWxC [BATCH [PRECISION]]]], as bench_conv resnet18 32x32x3 128 bf16 */
#include "bench.h"
#include "cli.h"
#include "machine.h"

#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 40, PROFILE_STEPS = 15, SHAPES = 64 };
static const double seconds_each = 0.1;

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_conv: %s\n", fail_text());
        exit(1);
    }
}

static void must_dnnl(dnnl_status_t status)
{
    if (status != dnnl_success)
        must(FAIL(ERR_DEVICE, "oneDNN: status %d", (int)status));
}

/* ---- oneDNN alone ---- */

static dnnl_engine_t engine;
static dnnl_stream_t stream;

enum pass { PASS_FORWARD, PASS_WEIGHTS, PASS_DATA, PASSES };

static dnnl_primitive_desc_t describe(const struct shape *in, const struct shape *out, const union op_params *params,
                                      dnnl_data_type_t type, enum pass pass, dnnl_primitive_desc_t hint)
{
    const dnnl_dims_t in_dims = {in->n, in->c, in->h, in->w}, out_dims = {out->n, out->c, out->h, out->w};
    const dnnl_dims_t filters = {out->c, in->c, params->conv2d.kernel_h, params->conv2d.kernel_w};
    const dnnl_dims_t strides = {params->conv2d.stride, params->conv2d.stride};
    const dnnl_dims_t pad = {params->conv2d.pad_h, params->conv2d.pad_w};
    dnnl_dims_t pad_right;
    dnnl_memory_desc_t x, w, y;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t made;
    pad_right[0] = (out->h - 1) * strides[0] + filters[2] - in->h - pad[0];
    pad_right[1] = (out->w - 1) * strides[1] + filters[3] - in->w - pad[1];
    must_dnnl(dnnl_memory_desc_init_by_tag(&x, 4, in_dims, type, dnnl_format_tag_any));
    must_dnnl(dnnl_memory_desc_init_by_tag(&y, 4, out_dims, type, dnnl_format_tag_any));
    must_dnnl(dnnl_memory_desc_init_by_tag(&w, 4, filters, type, dnnl_format_tag_any));
    if (pass == PASS_FORWARD)
        must_dnnl(dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, dnnl_convolution_direct, &x, &w,
                                                     NULL, &y, strides, pad, pad_right));
    else if (pass == PASS_WEIGHTS)
        must_dnnl(dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &x, &w, NULL, &y, strides,
                                                              pad, pad_right));
    else
        must_dnnl(dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &x, &w, &y, strides, pad,
                                                           pad_right));
    must_dnnl(dnnl_primitive_desc_create(&made, &desc, NULL, engine, hint));
    return made;
}

/* Memory of a tensor of the pass, filled with ones: zeros might be quicker. */
static dnnl_memory_t tensor(dnnl_primitive_desc_t desc, dnnl_query_t which)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(desc, which, 0);
    dnnl_memory_t memory;
    void *data;
    must_dnnl(dnnl_memory_create(&memory, md, engine, DNNL_MEMORY_ALLOCATE));
    must_dnnl(dnnl_memory_get_data_handle(memory, &data));
    memset(data, 0x3f, dnnl_memory_desc_get_size(md));
    return memory;
}

static double best_seconds(const struct shape *in, const struct shape *out, const union op_params *params,
                           dnnl_data_type_t type, enum pass pass)
{
    dnnl_primitive_desc_t forward = describe(in, out, params, type, PASS_FORWARD, NULL), desc = forward;
    if (pass != PASS_FORWARD)
        desc = describe(in, out, params, type, pass, forward);
    static const struct {
        int arg;
        dnnl_query_t query;
    } args[PASSES][3] = {
        [PASS_FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md},
                          {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                          {DNNL_ARG_DST, dnnl_query_dst_md}},
        [PASS_WEIGHTS] = {{DNNL_ARG_SRC, dnnl_query_src_md},
                          {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md},
                          {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
        [PASS_DATA] = {{DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md},
                       {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                       {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}},
    };
    dnnl_exec_arg_t given[3];
    dnnl_primitive_t primitive;
    double best = INFINITY;
    for (int i = 0; i < 3; i++)
        given[i] = (dnnl_exec_arg_t){args[pass][i].arg, tensor(desc, args[pass][i].query)};
    must_dnnl(dnnl_primitive_create(&primitive, desc));
    const double start = clock_seconds();
    for (int i = 0; i < ROUNDS && (i < 3 || clock_seconds() - start < seconds_each); i++) {
        const double begin = clock_seconds();
        must_dnnl(dnnl_primitive_execute(primitive, stream, 3, given));
        must_dnnl(dnnl_stream_wait(stream));
        best = fmin(best, clock_seconds() - begin);
    }
    dnnl_primitive_destroy(primitive);
    for (int i = 0; i < 3; i++)
        dnnl_memory_destroy(given[i].memory);
    if (desc != forward)
        dnnl_primitive_desc_destroy(desc);
    dnnl_primitive_desc_destroy(forward);
    return best;
}

/* ---- ours, within steps ---- */

/* Convolutions of one shape. */
struct row {
    const struct node *node;
    struct shape in, out;
    bool in_grad;
    int count;
    double ours[2], onednn[PASSES]; /* least seconds of one of them; ours: forward, backward */
};

static int find_rows(const struct session *session, const struct bench_profile *profile, struct row *rows)
{
    const struct graph *graph = &session->graph;
    int count = 0;
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        if (part->node < 0 || graph->nodes[part->node].op != OP_CONV2D)
            continue;
        const struct node *node = &graph->nodes[part->node];
        const struct shape in = graph->values[node->in[0]].shape, out = graph->values[node->out].shape;
        int k = 0;
        while (k < count && !(shape_equal(rows[k].in, in) && shape_equal(rows[k].out, out) &&
                              memcmp(&rows[k].node->params, &node->params, sizeof node->params) == 0))
            k++;
        if (k == count && count < SHAPES)
            rows[count++] = (struct row){
                .node = node, .in = in, .out = out, .in_grad = session->plan.values[node->in[0]].wants_grad};
        if (k < SHAPES) {
            rows[k].ours[part->backward] += part->least;
            rows[k].count += !part->backward;
        }
    }
    return count;
}

static void print_row(const struct row *row, int batch, const char *precision, FILE *json)
{
    const double flops = op_table[OP_CONV2D].flops(&row->node->params, &row->in, row->out) * batch;
    const double backward = row->onednn[PASS_WEIGHTS] + row->onednn[PASS_DATA];
    const double work = row->in_grad ? 2 * flops : flops;
    char name[64];
    snprintf(name, sizeof name, "%d-%d %dx%d%s %d", row->in.c, row->out.c, row->node->params.conv2d.kernel_h,
             row->node->params.conv2d.kernel_w, row->node->params.conv2d.stride > 1 ? "/2" : "", row->in.h);
    printf("%-18s %2d %9.3f %7.0f %9.3f %7.0f %5.2f   %9.3f %7.0f %9.3f %7.0f %5.2f\n", name, row->count,
           row->ours[0] * 1e3, flops / row->ours[0] * 1e-9, row->onednn[PASS_FORWARD] * 1e3,
           flops / row->onednn[PASS_FORWARD] * 1e-9, row->onednn[PASS_FORWARD] / row->ours[0], row->ours[1] * 1e3,
           work / row->ours[1] * 1e-9, backward * 1e3, work / backward * 1e-9, backward / row->ours[1]);
    if (json)
        fprintf(json,
                "{\"name\": \"convolution\", \"layer\": \"%s\", \"count\": %d, \"batch\": %d, \"dtype\": \"%s\", "
                "\"forward\": %.6g, \"backward\": %.6g, \"onednn_forward\": %.6g, \"onednn_weights\": %.6g, "
                "\"onednn_data\": %.6g}\n",
                name, row->count, batch, precision, row->ours[0], row->ours[1], row->onednn[PASS_FORWARD],
                row->onednn[PASS_WEIGHTS], row->onednn[PASS_DATA]);
}

static void compare(struct session *session, const struct bench_profile *profile, double step)
{
    const char *path = getenv("BENCH_JSON");
    FILE *json = path ? fopen(path, "a") : NULL;
    struct row rows[SHAPES];
    const int count = find_rows(session, profile, rows), batch = session->plan.options.batch;
    const dnnl_data_type_t type = session->dtype == DT_BF16 ? dnnl_bf16 : dnnl_f32;
    double ours = 0.0, theirs = 0.0;
    printf("%-18s %2s %9s %7s %9s %7s %5s   %9s %7s %9s %7s %5s\n", "", "", "forward", "GFLOP/s", "oneDNN", "GFLOP/s",
           "times", "backward", "GFLOP/s", "oneDNN", "GFLOP/s", "times");
    for (int i = 0; i < count; i++) {
        struct row *row = &rows[i];
        struct shape in = row->in, out = row->out;
        in.n = out.n = batch;
        for (int pass = 0; pass < PASSES; pass++)
            if (pass != PASS_DATA || row->in_grad)
                row->onednn[pass] = best_seconds(&in, &out, &row->node->params, type, (enum pass)pass);
        ours += row->ours[0] + row->ours[1];
        theirs += row->count * (row->onednn[PASS_FORWARD] + row->onednn[PASS_WEIGHTS] + row->onednn[PASS_DATA]);
        row->ours[0] /= row->count;
        row->ours[1] /= row->count;
        print_row(row, batch, dtype_name(session->dtype), json);
    }
    printf("convolutions of a step: %.2f ms, %.2f by oneDNN's best; the step %.2f ms: %.2f and %.2f times as long\n",
           ours * 1e3, theirs * 1e3, step * 1e3, step / ours, step / theirs);
    if (json && fclose(json) != 0)
        fprintf(stderr, "bench_conv: %s cannot be written\n", path);
}

static void bench_net(const char *model, struct shape image, const char *batch, const char *precision)
{
    struct config config = {0};
    struct session session;
    struct bench bench;
    struct bench_times times;
    struct bench_profile profile;
    char words[3][64];
    snprintf(words[0], sizeof words[0], "model.name=%s", model);
    snprintf(words[1], sizeof words[1], "train.batch_size=%s", batch);
    snprintf(words[2], sizeof words[2], "train.precision=%s", precision);
    const char *const all[] = {words[0],           words[1],           words[2],
                               "optim.name=adamw", "train.device=cpu", "augment.hflip=0.5"};
    must(config_load(&config, NULL, all, COUNT_OF(all), stderr));
    must(session_open_noise(&session, &config, image, 10, 4096));
    must(bench_open(&bench, &session));
    must(bench_time(&bench, 2.0, &times));
    must(bench_profile(&bench, PROFILE_STEPS, &profile));
    printf("%s %dx%dx%d, batch %s, %s: milliseconds of one convolution; how many times as long oneDNN takes\n", model,
           image.h, image.w, image.c, batch, precision);
    compare(&session, &profile, times.median);
    bench_profile_free(&profile);
    bench_close(&bench);
    session_close(&session);
    config_free(&config);
}

int main(int count, char **words)
{
    machine_limit_spinning(words);
    struct shape image = {1, 32, 32, 3};
    must_dnnl(dnnl_engine_create(&engine, dnnl_cpu, 0));
    must_dnnl(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    if (count > 2)
        must(cli_image(words[2], &image));
    const char *model = count > 1 ? words[1] : "resnet18", *batch = count > 3 ? words[3] : "128";
    if (count > 4)
        bench_net(model, image, batch, words[4]);
    for (int i = 0; i < 2 && count <= 4; i++)
        bench_net(model, image, batch, i ? "bf16" : "fp32");
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}
