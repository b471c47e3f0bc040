/* swept: charts of a sweep: what came of each point, beside the batch size, or beside whatever was swept first. See
 * include/report.h. Reads the sweep's table only. */
#include "order.h"
#include "report.h"
#include "text.h"

#include <math.h>
#include <string.h>

struct swept {
    struct charts *charts;
    const struct sweep_table *table;
    struct arena *arena;
    int count;          /* points */
    const char *key;    /* what the x axis is, as in the plan */
    bool batches;       /* x is images a step */
    double *x;          /* [count] of each point */
    const char **group; /* [count] the other settings, as text */
    const char **groups;
    int group_count;
    double *ticks; /* the x there are */
    int tick_count;
    enum chart_scale scale;
    struct sweep_choice choices[SWEEP_ADVICE];
};

static bool is_number(const struct sweep_table *table, const char *key)
{
    double number;
    for (int i = 0; i < table->sweep->point_count; i++)
        if (!text_to_double(sweep_value(table->rows[i].run, key), &number))
            return false;
    return true;
}

/* The batch size, else the first swept number, else the first that was swept, whose values are numbered. */
static void choose_axis(struct swept *swept)
{
    const struct sweep_run *run = swept->table->rows[0].run;
    swept->batches =
        sweep_is_swept(swept->table, "train.batch_size") || sweep_is_swept(swept->table, "train.accumulate");
    swept->key = swept->batches ? "train.batch_size" : run->settings[0].key;
    for (int pass = 0; pass < 2 && !swept->batches; pass++)
        for (int i = 0; i < run->setting_count; i++) {
            const char *key = run->settings[i].key;
            if (strcmp(key, "train.seed") != 0 && sweep_is_swept(swept->table, key) &&
                (pass || is_number(swept->table, key))) {
                swept->key = key;
                return;
            }
        }
}

static void find_ticks(struct swept *swept)
{
    swept->ticks = arena_push(swept->arena, (size_t)swept->count * sizeof *swept->ticks);
    memcpy(swept->ticks, swept->x, (size_t)swept->count * sizeof *swept->ticks);
    sort_doubles(swept->ticks, swept->count);
    for (int i = 0; i < swept->count; i++)
        if (swept->tick_count == 0 || swept->ticks[i] > swept->ticks[swept->tick_count - 1])
            swept->ticks[swept->tick_count++] = swept->ticks[i];
    const double low = swept->ticks[0], high = swept->ticks[swept->tick_count - 1];
    swept->scale = swept->batches && low > 0.0     ? CHART_LOG2
                   : low > 0.0 && high > 8.0 * low ? CHART_LOG10
                                                   : CHART_LINEAR;
}

static void place_points(struct swept *swept)
{
    const bool number = is_number(swept->table, swept->key);
    swept->x = arena_push(swept->arena, (size_t)swept->count * sizeof *swept->x);
    for (int i = 0; i < swept->count; i++) {
        const struct sweep_row *row = &swept->table->rows[i];
        if (swept->batches)
            swept->x[i] = row->images;
        else if (!number || !text_to_double(sweep_value(row->run, swept->key), &swept->x[i]))
            swept->x[i] = i + 1;
    }
    find_ticks(swept);
}

/* Whether a setting belongs to the x axis, or to nothing: then it names no group. With a rule for the rate, that is a
 * function of the batch. */
static bool is_aside(const struct swept *swept, const char *key)
{
    return strcmp(key, "train.seed") == 0 || strcmp(key, swept->key) == 0 ||
           (swept->batches && strcmp(key, "train.accumulate") == 0) ||
           (strcmp(key, "optim.lr") == 0 && sweep_value(swept->table->rows[0].run, "lr_rule"));
}

static const char *group_of(const struct swept *swept, const struct sweep_run *run)
{
    const char *text = "";
    for (int i = 0; i < run->setting_count; i++) {
        const struct sweep_setting *setting = &run->settings[i];
        const char *dot = strchr(setting->key, '.');
        if (is_aside(swept, setting->key))
            continue;
        text = strcmp(setting->key, "lr_rule") == 0
                   ? arena_format(swept->arena, "%s%s%s", text, *text ? ", " : "", setting->value)
                   : arena_format(swept->arena, "%s%s%s %s", text, *text ? ", " : "", dot ? dot + 1 : setting->key,
                                  setting->value);
    }
    return text;
}

/* "any" is the batch size at which all rules give the same rate: a point of each. */
static bool belongs(const char *point, const char *group)
{
    return strcmp(point, group) == 0 || strncmp(point, "any", 3) == 0;
}

static void find_groups(struct swept *swept)
{
    swept->group = arena_push(swept->arena, (size_t)swept->count * sizeof *swept->group);
    swept->groups = arena_push(swept->arena, (size_t)swept->count * sizeof *swept->groups);
    for (int i = 0; i < swept->count; i++) {
        swept->group[i] = group_of(swept, swept->table->rows[i].run);
        bool known = strncmp(swept->group[i], "any", 3) == 0;
        for (int k = 0; k < swept->group_count && !known; k++)
            known = strcmp(swept->groups[k], swept->group[i]) == 0;
        if (!known)
            swept->groups[swept->group_count++] = swept->group[i];
    }
    if (swept->group_count == 0)
        swept->groups[swept->group_count++] = "any";
}

/* ---- charts ---- */

/* A figure of a point, with its range over the seeds where there is one. */
typedef struct sweep_range (*figure)(const struct sweep_row *row);

static struct sweep_range exactly(double value)
{
    return isfinite(value) ? (struct sweep_range){value, NAN, NAN} : (struct sweep_range){NAN, NAN, NAN};
}
/* In other units; nothing where most seeds never got there. */
static struct sweep_range known(struct sweep_range range, double factor)
{
    return isfinite(range.median) ? (struct sweep_range){range.median * factor, range.low * factor, range.high * factor}
                                  : exactly(NAN);
}
#define FIGURE(name, expression)                                                                                       \
    static struct sweep_range name(const struct sweep_row *row)                                                        \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
FIGURE(fluctuation, row->fluctuation)
FIGURE(sampling, row->sampling)
FIGURE(noise_scale, known(row->noise_scale, 1.0))
FIGURE(val_loss, row->val_loss)
FIGURE(val_accuracy, row->val_accuracy)
FIGURE(target_images, known(row->target_steps, row->images))
FIGURE(target_seconds, known(row->target_seconds, 1.0))
FIGURE(images_per_second, row->images_per_second)

struct order {
    const struct swept *swept;
    int points[SWEEP_RUNS], count;
};

/* Points of a group in order of x. */
static void find_points(struct order *order, const struct swept *swept, const char *group)
{
    order->count = 0;
    for (int i = 0; i < swept->count; i++) {
        if (!belongs(swept->group[i], group))
            continue;
        int at = order->count++;
        for (; at > 0 && swept->x[order->points[at - 1]] > swept->x[i]; at--)
            order->points[at] = order->points[at - 1];
        order->points[at] = i;
    }
}

/* A group's points lie a little beside those of the others, so that their whiskers do not cover each other: in shares
 * of the axis, 0.03 from the first to the last. */
static double beside(const struct swept *swept, const struct chart *chart, int group, double x)
{
    const double low = chart->x.low, high = chart->x.high;
    const double share = 0.03 * (group / fmax(1.0, swept->group_count - 1.0) - 0.5);
    if (swept->group_count < 2 || isnan(low))
        return x;
    return swept->scale == CHART_LINEAR ? x + share * (high - low) : x * pow(high / low, share);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Whether a figure is one thing for all groups, as speed is for all rules of the rate: wherever two of them meet, and
 * some do. */
static bool is_common(const struct swept *swept, figure of)
{
    bool meet = false;
    for (int i = 1; i < swept->count; i++) {
        const struct sweep_range here = of(&swept->table->rows[i]);
        for (int k = 0; k < i; k++) {
            const struct sweep_range there = of(&swept->table->rows[k]);
            if (swept->x[k] != swept->x[i])
                continue;
            if (!(same(here.median, there.median) && same(here.low, there.low) && same(here.high, there.high)))
                return false;
            meet = true;
        }
    }
    return meet;
}

static void add_group(struct swept *swept, struct chart *chart, int group, figure of)
{
    const bool common = is_common(swept, of);
    if (common && group > 0)
        return;
    struct order *order = arena_push(swept->arena, sizeof *order);
    find_points(order, swept, swept->groups[group]);
    double *arrays[4];
    for (int i = 0; i < COUNT_OF(arrays); i++)
        arrays[i] = arena_push(swept->arena, (size_t)(order->count + 1) * sizeof(double));
    for (int i = 0; i < order->count; i++) {
        const struct sweep_range range = of(&swept->table->rows[order->points[i]]);
        const double x = swept->x[order->points[i]];
        arrays[0][i] = common ? x : beside(swept, chart, group, x);
        arrays[1][i] = range.median;
        arrays[2][i] = range.low;
        arrays[3][i] = range.high;
    }
    enum { COLOURS = CHART_GREY };
    const char *name = swept->group_count > 1 && !common ? swept->groups[group] : "";
    struct chart_series *series = chart_series_add(chart, CHART_SPREAD, (enum chart_colour)(group % COLOURS), name,
                                                   order->count, arrays[0], arrays[1]);
    if (!series)
        return;
    series->low = arrays[2];
    series->high = arrays[3];
    series->dashed = group >= COLOURS;
}

/* The recommended region, to the middle between its ends and the next batch that was tried. */
static void add_advice(const struct swept *swept, struct chart *chart)
{
    struct sweep_region region;
    if (!sweep_region_of(swept->table, swept->choices, &region))
        return;
    double from = chart->x.low, to = chart->x.high;
    for (int i = 1; i < swept->tick_count; i++) {
        const double middle = sqrt(swept->ticks[i - 1] * swept->ticks[i]);
        if (region.below && swept->ticks[i] == region.low)
            from = middle;
        if (region.above && swept->ticks[i - 1] == region.high)
            to = middle;
    }
    chart->regions[chart->region_count++] =
        (struct chart_region){from, to, CHART_GREEN, arena_format(swept->arena, "recommended: %s", region.text)};
}

static struct chart *add_chart(struct swept *swept, const char *id, const char *title, const char *how,
                               const char *axis, figure of)
{
    struct chart *chart = chart_add(swept->charts, id, title, how);
    const char *dot = strchr(swept->key, '.');
    chart->y.title = axis;
    chart->x.title = swept->batches ? "images a step" : dot ? dot + 1 : swept->key;
    chart->x.scale = swept->scale;
    /* All charts have the same axis, with some room at either side, also those that have a figure for few points. */
    const double low = swept->ticks[0], high = swept->ticks[swept->tick_count - 1];
    const bool ratio = swept->scale != CHART_LINEAR;
    const double room = ratio ? pow(high / low, 0.06) : 0.06 * (high - low);
    if (high > low) {
        chart->x.low = ratio ? low / room : low - room;
        chart->x.high = ratio ? high * room : high + room;
    }
    if (swept->tick_count <= CHART_TICKS) {
        chart->x.ticks = swept->ticks;
        chart->x.tick_count = swept->tick_count;
    }
    for (int i = 0; i < swept->group_count; i++)
        add_group(swept, chart, i, of);
    add_advice(swept, chart);
    chart_end(swept->charts);
    return chart;
}

void sweep_charts(struct charts *charts, const struct sweep_table *table)
{
    struct swept swept = {
        .charts = charts, .table = table, .arena = &charts->arena, .count = table->sweep->point_count};
    choose_axis(&swept);
    place_points(&swept);
    find_groups(&swept);
    sweep_recommend(table, swept.choices);
    add_chart(&swept, "fluctuation", "How much single batches scatter about the loss's trend",
              "Whiskers: lowest and highest seed. By chance alone four times the batch has half the scatter. A run of "
              "fewer than 32 steps has none.",
              "deviation of the loss", fluctuation)
        ->y.scale = CHART_LOG10;
    add_chart(
        &swept, "sampling", "How much of that is chance in drawing the batch",
        "The rest is the weights moving. Near 100 %, a larger batch is the remedy for the scatter; far below, it is "
        "not. Whiskers: lowest and highest seed.",
        "share of the variance", sampling)
        ->y = (struct chart_axis){.title = "share of the variance", .low = 0.0, .high = 1.0, .percent = true};
    add_chart(&swept, "accuracy", "Validation accuracy at the end",
              "Whiskers: lowest and highest seed. Points whose whiskers overlap are not told apart.", "accuracy",
              val_accuracy)
        ->y.percent = true;
    add_chart(&swept, "val-loss", "Validation loss at the end", "Lower is better. Whiskers: lowest and highest seed.",
              "loss, nats", val_loss)
        ->y.scale = CHART_LOG10;
    add_chart(&swept, "images", "Images it took down to the target loss",
              "Where the line rises to the right, larger batches no longer make steps that are as much better: returns "
              "diminish. Whiskers: lowest and highest seed, out of the frame where one never got there.",
              "images", target_images)
        ->y.scale = CHART_LOG10;
    struct chart *noise =
        add_chart(&swept, "noise", "Gradient noise scale beside the batch",
                  "Steps of more images than the noise scale are hardly better than those of as many. Whiskers: the 95 "
                  "% interval of one run, out of the frame where it has no upper end.",
                  "images", noise_scale);
    noise->y.scale = CHART_LOG10;
    if (swept.batches && charts_find(charts, "noise"))
        chart_series_add(noise, CHART_LINE, CHART_GREY, "the batch", swept.tick_count, swept.ticks, swept.ticks);
    add_chart(&swept, "seconds", "Seconds it took down to the target loss",
              "These steps at the speed below. Whiskers: lowest and highest seed, out of the frame where one never got "
              "there.",
              "seconds", target_seconds);
    add_chart(&swept, "speed", "Images per second",
              "Where the line is level the machine is busy: larger batches are no "
              "faster. Whiskers: the middle half of the runs.",
              "images/s", images_per_second)
        ->y.low = 0.0;
}
