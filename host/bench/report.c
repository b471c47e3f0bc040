/* report: a session's speed, its parts and their ceilings, measured, as a table and as JSON. */
#include "bench.h"
#include "json.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { PROFILE_STEPS = 30, PROFILE_LEAST = 3 };

static int measure(struct bench_report *report, struct bench *bench, double seconds)
{
    const struct session *session = report->session;
    TRY(bench_time(bench, seconds, &report->times));
    const double wanted = seconds / 2.0 / report->times.median;
    const int steps = (int)fmin(fmax(wanted, PROFILE_LEAST), PROFILE_STEPS);
    TRY(bench_profile(bench, steps, &report->profile));
    bench_count(&session->plan, session->config->train.accumulate, &report->profile);
    return bench_measure_ceiling(session->backend, session->device, session->dtype, &report->ceiling);
}

int bench_report(struct bench_report *report, struct session *session, double seconds)
{
    struct bench bench = {0};
    *report = (struct bench_report){.session = session};
    session->backend->describe(session->device, report->device, sizeof report->device);
    int status = bench_open(&bench, session);
    if (status == OK)
        status = measure(report, &bench, seconds);
    bench_close(&bench);
    return status;
}

/* ---- for people ---- */

static bool is_stage_of_nodes(const struct bench_part *part)
{
    return part->within < 0 && (strcmp(part->name, "forward") == 0 || strcmp(part->name, "backward") == 0);
}

/* Seconds of the parts that are in no other one, or a stage of their own. */
static double accounted(const struct bench_report *report)
{
    double sum = 0.0;
    for (int i = 0; i < report->profile.part_count; i++) {
        const struct bench_part *part = &report->profile.parts[i];
        const bool counted = part->within < 0 ? !is_stage_of_nodes(part) && strcmp(part->name, "update") != 0 : true;
        sum += counted ? part->seconds : 0.0;
    }
    return sum;
}

/* What shares are of: a step, or, as timing takes parts apart that else overlap, all parts together. */
static double whole(const struct bench_report *report)
{
    return fmax(report->times.median, accounted(report));
}

/* One line of the table: parts of one kind together. */
struct row {
    char name[40];
    double seconds, bytes, flops, floor; /* floor NaN: one of the parts has none */
};

static void add_part(struct row *row, const struct bench_report *report, const struct bench_part *part)
{
    row->seconds += part->seconds;
    row->bytes += part->bytes;
    row->flops += part->flops;
    row->floor += bench_floor(&report->ceiling, part);
}

static void print_row(const struct bench_report *report, const struct row *row)
{
    printf("%-26s %10.3f %6.1f %%", row->name, row->seconds * 1e3, 100.0 * row->seconds / whole(report));
    if (row->flops > 0.0)
        printf(" %10.0f", row->flops / row->seconds * 1e-9);
    else
        printf(" %10s", "");
    if (row->bytes > 0.0)
        printf(" %8.1f", row->bytes / row->seconds * 1e-9);
    else
        printf(" %8s", "");
    if (!(row->floor > 0.0))
        printf("\n");
    else
        printf(" %8.0f %%\n", 100.0 * row->floor / row->seconds);
}

/* Operations of a kind and pass; what is left of forward and backward is the meeting of gradients. */
static void print_kinds(const struct bench_report *report)
{
    const struct bench_profile *profile = &report->profile;
    for (int kind = 0; kind < OP_COUNT; kind++)
        for (int backward = 0; backward < 2; backward++) {
            struct row row = {0};
            snprintf(row.name, sizeof row.name, "%s %s", op_table[kind].name, backward ? "backward" : "forward");
            for (int i = 0; i < profile->part_count; i++) {
                const struct bench_part *part = &profile->parts[i];
                if (part->node >= 0 && (int)report->session->graph.nodes[part->node].op == kind &&
                    part->backward == (bool)backward)
                    add_part(&row, report, part);
            }
            if (row.seconds > 0.0)
                print_row(report, &row);
        }
}

/* Gathering, the loss and the parts of the update; then what no part accounts for. */
static void print_stages(const struct bench_report *report, bool before_loss)
{
    const struct bench_profile *profile = &report->profile;
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        struct row row = {0};
        if (part->node >= 0 || is_stage_of_nodes(part) || (part->within < 0 && strcmp(part->name, "update") == 0) ||
            (strcmp(part->name, "gather") == 0) != before_loss)
            continue;
        snprintf(row.name, sizeof row.name, "%s", part->name);
        add_part(&row, report, part);
        print_row(report, &row);
    }
}

/* What lies between the parts, or how much longer they are one by one than in a step. */
static void print_rest(const struct bench_report *report)
{
    const double step = report->times.median, parts = accounted(report);
    const struct row rest = {.name = "between them", .seconds = step - parts, .floor = NAN};
    if (parts <= step)
        print_row(report, &rest);
    else
        printf("shares are of the parts together, %.3f ms timed one by one; undivided the step takes %.3f ms, %.0f %% "
               "less\n",
               parts * 1e3, step * 1e3, 100.0 * (1.0 - step / parts));
}

static void print_layers(const struct bench_report *report)
{
    const struct bench_profile *profile = &report->profile;
    printf("\n%-26s %10s %8s %10s %8s %10s\n", "layer", "ms", "share", "GFLOP/s", "GB/s", "of ceiling");
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        struct row row = {0};
        if (part->node < 0)
            continue;
        snprintf(row.name, sizeof row.name, "%.28s %s", part->name, part->backward ? "backward" : "");
        add_part(&row, report, part);
        print_row(report, &row);
    }
}

void bench_print(const struct bench_report *report, bool layers)
{
    const struct session *session = report->session;
    const struct bench_times *times = &report->times;
    const struct bench_ceiling *ceiling = &report->ceiling;
    const int images = session->config->train.batch_size * session->config->train.accumulate;
    char text[24], shape[48], product[40] = "the multipliers alone";
    text_count(text, (double)graph_param_count(&session->graph));
    printf("%s, %s parameters, images %s, %s, steps of %d\n%s\n\n", session->graph.model, text,
           shape_text(shape, session->card.image), dtype_name(session->dtype), images, report->device);
    printf("%.0f images/s, %.3f ms a step (%.3f to %.3f in %d rounds of %d)\n", images / times->median,
           times->median * 1e3, times->least * 1e3, times->most * 1e3, BENCH_ROUNDS, times->steps);
    text_bytes(text, (double)plan_bytes(&session->plan));
    printf("%s of device memory without the images\n", text);
    if (ceiling->side > 0)
        snprintf(product, sizeof product, "a linear layer of %d", ceiling->side);
    printf("ceilings: %.0f GFLOP/s (%s), copying %.1f GB/s in memory, up to %.1f in caches\n\n",
           ceiling->product * 1e-9, product, ceiling->copy[BENCH_COPIES - 1] * 1e-9,
           fmax(ceiling->copy[1], ceiling->copy[2]) * 1e-9);
    printf("%-26s %10s %8s %10s %8s %10s\n", "part", "ms", "share", "GFLOP/s", "GB/s", "of ceiling");
    print_stages(report, true);
    print_kinds(report);
    print_stages(report, false);
    print_rest(report);
    if (layers)
        print_layers(report);
}

/* ---- JSON ---- */

static json_t *parts_json(const struct bench_report *report)
{
    const struct bench_profile *profile = &report->profile;
    json_t *parts = json_array();
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        json_t *one = json_pack("{s:s, s:o, s:f, s:f, s:f, s:f, s:o}", "name", part->name, "within",
                                part->within < 0 ? json_null() : json_string(profile->parts[part->within].name),
                                "seconds", part->seconds, "seconds_least", part->least, "bytes", part->bytes, "flops",
                                part->flops, "floor_seconds", json_known(bench_floor(&report->ceiling, part)));
        if (part->node >= 0)
            json_object_set_new(one, "operation",
                                json_string(op_table[report->session->graph.nodes[part->node].op].name));
        json_array_append_new(parts, one);
    }
    return parts;
}

int bench_print_json(const struct bench_report *report)
{
    const struct session *session = report->session;
    const struct bench_times *times = &report->times;
    const int images = session->config->train.batch_size * session->config->train.accumulate;
    const struct shape image = session->card.image;
    json_t *copies = json_array();
    for (int i = 0; i < BENCH_COPIES; i++)
        json_array_append_new(copies, json_real(report->ceiling.copy[i]));
    json_t *all = json_pack(
        "{s:s, s:s, s:s, s:[i,i,i], s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:b, s:o, s:o}", "model",
        session->graph.model, "device", report->device, "precision", dtype_name(session->dtype), "image", image.h,
        image.w, image.c, "images_per_step", images, "parameters", (json_int_t)graph_param_count(&session->graph),
        "images_per_second", images / times->median, "step_seconds", times->median, "step_seconds_least", times->least,
        "step_seconds_most", times->most, "host_waits_per_step", times->waits, "host_held_per_step", times->held,
        "device_bytes", (json_int_t)plan_bytes(&session->plan), "flops_per_second_ceiling", report->ceiling.product,
        "ceiling_of_multipliers", report->ceiling.side == 0, "copy_bytes_per_second", copies, "parts",
        parts_json(report));
    return json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}
