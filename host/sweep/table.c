/* table: runs into rows over their seeds. See include/sweep_table.h. Computes; what it looks like is in table_write.c.
 */
#include "log.h"
#include "order.h"
#include "sweep_table.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the values that are numbers, infinite ones included; they are put in order. */
static struct sweep_range range_of(double *values, int count)
{
    int known = 0;
    for (int i = 0; i < count; i++)
        known += !isnan(values[i]);
    if (known == 0)
        return (struct sweep_range){NAN, NAN, NAN};
    const double middle = median_of_known(values, count);
    return (struct sweep_range){middle, values[0], values[known - 1]};
}

/* One run as the table takes it. */
struct entry {
    struct sweep_outcome outcome;
    struct measures measures;
};

struct builder {
    struct sweep_table *table;
    struct entry *entries; /* [run_count] */
    double *values;        /* [run_count], room for range_of */
};

static bool is_counted(const struct entry *entry)
{
    return entry->outcome.state == SWEEP_DONE && !entry->measures.diverged;
}

static bool is_diverged(const struct entry *entry)
{
    return entry->outcome.state == SWEEP_DIVERGED || (entry->outcome.state == SWEEP_DONE && entry->measures.diverged);
}

/* A figure of the runs of a point that count. */
static struct sweep_range figure(const struct builder *builder, int point, double (*take)(const struct measures *))
{
    const struct sweep *sweep = builder->table->sweep;
    int count = 0;
    for (int i = 0; i < sweep->run_count; i++)
        if (sweep->runs[i].point == point && is_counted(&builder->entries[i]))
            builder->values[count++] = take(&builder->entries[i].measures);
    return range_of(builder->values, count);
}

/* Until the target: a seed that diverged never got there. */
static struct sweep_range until_target(const struct builder *builder, int point)
{
    const struct sweep *sweep = builder->table->sweep;
    int count = 0;
    for (int i = 0; i < sweep->run_count; i++) {
        const struct entry *entry = &builder->entries[i];
        if (sweep->runs[i].point == point && (is_counted(entry) || is_diverged(entry)))
            builder->values[count++] =
                is_counted(entry) && !isnan(entry->measures.target_steps) ? entry->measures.target_steps : INFINITY;
    }
    return range_of(builder->values, count);
}

/* Whether a step of two runs does the same work, by what was swept: rates, schedules, seeds and labels change none. */
static bool same_work(const struct sweep_run *a, const struct sweep_run *b)
{
    for (int i = 0; i < a->setting_count; i++) {
        const char *key = a->settings[i].key, *other = sweep_value(b, key);
        const bool free = strcmp(key, "optim.lr") == 0 || strcmp(key, "train.seed") == 0 || !strchr(key, '.') ||
                          strncmp(key, "schedule.", strlen("schedule.")) == 0;
        if (!free && (!other || strcmp(a->settings[i].value, other) != 0))
            return false;
    }
    return true;
}

/* What else the machine did while one run went on says nothing of its settings, so that all runs whose steps do the
 * same work tell the speed together: their median, and the middle half of them. */
static struct sweep_range speed_of(const struct builder *builder, int point)
{
    const struct sweep *sweep = builder->table->sweep;
    int count = 0;
    for (int i = 0; i < sweep->run_count; i++)
        if (is_counted(&builder->entries[i]) && !isnan(builder->entries[i].measures.images_per_second) &&
            same_work(&sweep->runs[i], builder->table->rows[point].run))
            builder->values[count++] = builder->entries[i].measures.images_per_second;
    struct sweep_range speed = range_of(builder->values, count);
    if (count > 0) {
        speed.low = builder->values[count / 4];
        speed.high = builder->values[count - 1 - count / 4];
    }
    return speed;
}

/* Of what never came about it is known that it never will, however fast. */
static double seconds_of(double images, double images_per_second)
{
    return isinf(images) ? INFINITY : images / images_per_second;
}

#define TAKE(name, expression)                                                                                         \
    static double take_##name(const struct measures *m)                                                                \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
TAKE(fluctuation, m->fluctuation)
TAKE(sampling, m->sampling)
TAKE(spikes, (double)m->spikes)
TAKE(noise, m->noise_scale.value)
TAKE(noise_low, m->noise_scale.low)
TAKE(noise_high, m->noise_scale.high)
TAKE(val_loss, m->val_loss)
TAKE(val_accuracy, m->val_accuracy)
TAKE(last_loss, m->last_loss)

static void count_runs(const struct builder *builder, int point, struct sweep_row *row)
{
    const struct sweep *sweep = builder->table->sweep;
    for (int i = 0; i < sweep->run_count; i++) {
        const struct entry *entry = &builder->entries[i];
        if (sweep->runs[i].point != point)
            continue;
        if (!row->run)
            row->run = &sweep->runs[i];
        row->runs++;
        row->done += is_counted(entry);
        row->diverged += is_diverged(entry);
        row->no_memory += entry->outcome.state == SWEEP_NO_MEMORY;
        row->reached += is_counted(entry) && !isnan(entry->measures.target_steps);
    }
    row->unfinished = row->runs - row->done - row->diverged - row->no_memory;
}

static int fill_row(const struct builder *builder, int point)
{
    const struct sweep_table *table = builder->table;
    struct sweep_row *row = &table->rows[point];
    struct config config;
    count_runs(builder, point, row);
    TRY(sweep_load_config(table->sweep, row->run, &config, stderr));
    row->images = (double)config.train.batch_size * config.train.accumulate;
    config_free(&config);
    row->fluctuation = figure(builder, point, take_fluctuation);
    row->sampling = figure(builder, point, take_sampling);
    row->motion = 1.0 - row->sampling.median;
    row->spikes = figure(builder, point, take_spikes).median;
    row->noise_scale =
        (struct sweep_range){figure(builder, point, take_noise).median, figure(builder, point, take_noise_low).median,
                             figure(builder, point, take_noise_high).median};
    row->images_per_second = speed_of(builder, point);
    row->target_steps = until_target(builder, point);
    const struct sweep_range *steps = &row->target_steps, *speed = &row->images_per_second;
    row->target_seconds = (struct sweep_range){seconds_of(steps->median * row->images, speed->median),
                                               seconds_of(steps->low * row->images, speed->high),
                                               seconds_of(steps->high * row->images, speed->low)};
    row->val_loss = figure(builder, point, take_val_loss);
    row->val_accuracy = figure(builder, point, take_val_accuracy);
    return OK;
}

static int read_runs(const struct builder *builder)
{
    const struct sweep *sweep = builder->table->sweep;
    for (int i = 0; i < sweep->run_count; i++) {
        char path[PATH_BYTES];
        TRY(sweep_outcome(sweep, i, &builder->entries[i].outcome));
        TRY(sweep_file(sweep, sweep->runs[i].name, path));
        TRY(measure_run(path, builder->table->target, &builder->entries[i].measures));
    }
    return OK;
}

static void add_damage(const struct builder *builder)
{
    struct table_damage *all = &builder->table->damage;
    for (int i = 0; i < builder->table->sweep->run_count; i++) {
        const struct table_damage *damage = &builder->entries[i].measures.damage;
        if (all->rows == 0)
            *all = *damage;
        else
            all->rows += damage->rows;
    }
    if (all->rows > 0)
        log_warn("%lld row%s could not be read and %s left out: %s", (long long)all->rows, all->rows == 1 ? "" : "s",
                 all->rows == 1 ? "is" : "are", all->first);
}

/* Where the runs of the median point ended: half of the points come down to it. */
static double choose_target(const struct builder *builder)
{
    const struct sweep *sweep = builder->table->sweep;
    double *ends = arena_push(&builder->table->arena, (size_t)sweep->point_count * sizeof *ends);
    for (int point = 0; point < sweep->point_count; point++)
        ends[point] = figure(builder, point, take_last_loss).median;
    return range_of(ends, sweep->point_count).median;
}

static int make(struct builder *builder)
{
    struct sweep_table *table = builder->table;
    TRY(read_runs(builder));
    add_damage(builder);
    if (!table->target_given) {
        table->target = choose_target(builder);
        TRY(read_runs(builder));
    }
    for (int point = 0; point < table->sweep->point_count; point++)
        TRY(fill_row(builder, point));
    return OK;
}

int sweep_table_make(struct sweep_table *table, const struct sweep *sweep, double target)
{
    *table = (struct sweep_table){.sweep = sweep, .target = target, .target_given = !isnan(target)};
    struct builder builder = {.table = table};
    table->rows = arena_push(&table->arena, (size_t)sweep->point_count * sizeof *table->rows);
    builder.entries = arena_push(&table->arena, (size_t)sweep->run_count * sizeof *builder.entries);
    builder.values = arena_push(&table->arena, (size_t)sweep->run_count * sizeof *builder.values);
    return make(&builder);
}

void sweep_table_free(struct sweep_table *table)
{
    arena_free(&table->arena);
    *table = (struct sweep_table){0};
}
