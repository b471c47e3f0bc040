/* table_write: a sweep's table for people, as CSV and as JSON. See include/sweep_table.h. Knows columns, not where the
 * figures come from. */
#include "json.h"
#include "sweep_table.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- for people ---- */

static void add(struct sweep_cells *cells, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct sweep_cells *cells, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(cells->text[cells->count++], SWEEP_CELL, format, args);
    va_end(args);
}

/* A number with so many digits; "-" where there is none, "never" where it is infinite. */
static const char *digits(char text[static SWEEP_CELL], double value, int count)
{
    if (isnan(value))
        return "-";
    if (isinf(value))
        return "never";
    if (fabs(value) >= pow(10.0, count) || value == floor(value))
        snprintf(text, SWEEP_CELL, "%.0f", value);
    else
        snprintf(text, SWEEP_CELL, "%#.*g", count, value);
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.')
        text[length - 1] = '\0';
    return text;
}

static void add_number(struct sweep_cells *cells, double value, int count)
{
    char text[SWEEP_CELL];
    add(cells, "%s", digits(text, value, count));
}

static void add_range(struct sweep_cells *cells, const struct sweep_range *range, int count)
{
    char middle[SWEEP_CELL], low[SWEEP_CELL], high[SWEEP_CELL];
    const char *text = digits(middle, range->median, count);
    if (isnan(range->median) || range->low == range->high)
        add(cells, "%s", text);
    else
        add(cells, "%s (%s..%s)", text, digits(low, range->low, count), digits(high, range->high, count));
}

/* One digit behind the point, whatever the share. */
static void add_accuracy(struct sweep_cells *cells, const struct sweep_range *accuracy)
{
    if (isnan(accuracy->median))
        add(cells, "-");
    else if (accuracy->low == accuracy->high)
        add(cells, "%.1f", 100.0 * accuracy->median);
    else
        add(cells, "%.1f (%.1f..%.1f)", 100.0 * accuracy->median, 100.0 * accuracy->low, 100.0 * accuracy->high);
}

/* Of an interval that has no upper end the lower one. */
static void add_noise(struct sweep_cells *cells, const struct sweep_range *noise)
{
    char middle[SWEEP_CELL], low[SWEEP_CELL], high[SWEEP_CELL];
    const char *text = isinf(noise->median) ? "" : digits(middle, noise->median, 2);
    if (isnan(noise->median))
        add(cells, "%s", text);
    else if (isinf(noise->high))
        add(cells, "%s%s(%s..)", text, *text ? " " : "", digits(low, noise->low, 2));
    else
        add(cells, "%s (%s..%s)", text, digits(low, noise->low, 2), digits(high, noise->high, 2));
}

/* The range where the middle seed came down to the target. */
static void add_seconds(struct sweep_cells *cells, const struct sweep_range *seconds)
{
    if (isfinite(seconds->median))
        add_range(cells, seconds, 3);
    else
        add_number(cells, seconds->median, 3);
}

static bool is_seed(const struct sweep_setting *setting)
{
    return strcmp(setting->key, "train.seed") == 0;
}

static const char *short_key(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot ? dot + 1 : key;
}

static void head_cells(const struct sweep_table *table, struct sweep_cells *cells)
{
    const struct sweep_run *run = table->rows[0].run;
    static const char *const names[] = {"runs",  "diverged", "loss sd", "sampling", "motion",   "spikes",
                                        "noise", "steps",    "seconds", "val loss", "accuracy", "images/s"};
    *cells = (struct sweep_cells){0};
    for (int i = 0; i < run->setting_count; i++)
        if (!is_seed(&run->settings[i]))
            add(cells, "%s", short_key(run->settings[i].key));
    for (int i = 0; i < COUNT_OF(names); i++)
        add(cells, "%s", names[i]);
}

static void row_cells(const struct sweep_row *row, struct sweep_cells *cells)
{
    *cells = (struct sweep_cells){0};
    for (int i = 0; i < row->run->setting_count; i++)
        if (!is_seed(&row->run->settings[i]))
            add(cells, "%s", row->run->settings[i].value);
    if (row->unfinished)
        add(cells, "%d of %d", row->runs - row->unfinished, row->runs);
    else
        add(cells, "%d", row->runs);
    if (row->no_memory)
        add(cells, "%d, %d no memory", row->diverged, row->no_memory);
    else
        add(cells, "%d", row->diverged);
    add_number(cells, row->fluctuation.median, 3);
    add(cells, isnan(row->sampling.median) ? "-" : "%.0f %%", 100.0 * row->sampling.median);
    add(cells, isnan(row->motion) ? "-" : "%.0f %%", 100.0 * row->motion);
    add(cells, isnan(row->spikes) ? "-" : "%g", row->spikes);
    add_noise(cells, &row->noise_scale);
    add_number(cells, row->target_steps.median, 3);
    add_seconds(cells, &row->target_seconds);
    add_range(cells, &row->val_loss, 3);
    add_accuracy(cells, &row->val_accuracy);
    add_number(cells, row->images_per_second.median, 3);
}

void sweep_table_cells(const struct sweep_table *table, int row, struct sweep_cells *cells)
{
    if (row < 0)
        head_cells(table, cells);
    else
        row_cells(&table->rows[row], cells);
}

static void print_cells(FILE *stream, const struct sweep_cells *cells, const int *widths)
{
    for (int i = 0; i < cells->count; i++)
        fprintf(stream, "%s%*s", i ? "  " : "", widths[i], cells->text[i]);
    fputc('\n', stream);
}

bool sweep_has_any_rule(const struct sweep_table *table)
{
    for (int i = 0; i < table->sweep->point_count; i++) {
        const char *rule = sweep_value(table->rows[i].run, "lr_rule");
        if (rule && strcmp(rule, "any") == 0)
            return true;
    }
    return false;
}

void sweep_table_print(const struct sweep_table *table, FILE *stream)
{
    int widths[SWEEP_CELLS] = {0}, points = table->sweep->point_count;
    struct sweep_cells cells;
    for (int point = -1; point < points; point++) {
        if (point < 0)
            head_cells(table, &cells);
        else
            row_cells(&table->rows[point], &cells);
        for (int i = 0; i < cells.count; i++)
            if (text_columns(cells.text[i]) > widths[i])
                widths[i] = text_columns(cells.text[i]);
    }
    for (int point = -1; point < points; point++) {
        if (point < 0)
            head_cells(table, &cells);
        else
            row_cells(&table->rows[point], &cells);
        print_cells(stream, &cells, widths);
    }
    if (!isnan(table->target))
        fprintf(stream,
                "\nsteps and seconds: to a training loss of %.4g%s. Medians over seeds, in brackets the range; of "
                "noise a single run's 95 %% interval.\n",
                table->target, table->target_given ? "" : ", where the median point ended");
    if (sweep_has_any_rule(table))
        fprintf(stream, "any: every rule gives this batch the same rate.\n");
}

/* ---- csv ---- */

/* Columns after the settings, by name and place in a row. */
struct column {
    const char *name;
    enum { COLUMN_INT, COLUMN_DOUBLE } type;
    size_t offset;
};
#define COLUMN(name, type, field)                                                                                      \
    {                                                                                                                  \
        name, type, offsetof(struct sweep_row, field)                                                                  \
    }
static const struct column columns[] = {
    COLUMN("images_per_step", COLUMN_DOUBLE, images),
    COLUMN("runs", COLUMN_INT, runs),
    COLUMN("done", COLUMN_INT, done),
    COLUMN("diverged", COLUMN_INT, diverged),
    COLUMN("no_memory", COLUMN_INT, no_memory),
    COLUMN("unfinished", COLUMN_INT, unfinished),
    COLUMN("loss_sd", COLUMN_DOUBLE, fluctuation.median),
    COLUMN("loss_sd_min", COLUMN_DOUBLE, fluctuation.low),
    COLUMN("loss_sd_max", COLUMN_DOUBLE, fluctuation.high),
    COLUMN("sampling_share", COLUMN_DOUBLE, sampling.median),
    COLUMN("sampling_share_min", COLUMN_DOUBLE, sampling.low),
    COLUMN("sampling_share_max", COLUMN_DOUBLE, sampling.high),
    COLUMN("motion_share", COLUMN_DOUBLE, motion),
    COLUMN("spikes", COLUMN_DOUBLE, spikes),
    COLUMN("noise_scale", COLUMN_DOUBLE, noise_scale.median),
    COLUMN("noise_scale_low", COLUMN_DOUBLE, noise_scale.low),
    COLUMN("noise_scale_high", COLUMN_DOUBLE, noise_scale.high),
    COLUMN("reached_target", COLUMN_INT, reached),
    COLUMN("steps_to_target", COLUMN_DOUBLE, target_steps.median),
    COLUMN("steps_to_target_min", COLUMN_DOUBLE, target_steps.low),
    COLUMN("steps_to_target_max", COLUMN_DOUBLE, target_steps.high),
    COLUMN("seconds_to_target", COLUMN_DOUBLE, target_seconds.median),
    COLUMN("seconds_to_target_min", COLUMN_DOUBLE, target_seconds.low),
    COLUMN("seconds_to_target_max", COLUMN_DOUBLE, target_seconds.high),
    COLUMN("val_loss", COLUMN_DOUBLE, val_loss.median),
    COLUMN("val_loss_min", COLUMN_DOUBLE, val_loss.low),
    COLUMN("val_loss_max", COLUMN_DOUBLE, val_loss.high),
    COLUMN("val_accuracy", COLUMN_DOUBLE, val_accuracy.median),
    COLUMN("val_accuracy_min", COLUMN_DOUBLE, val_accuracy.low),
    COLUMN("val_accuracy_max", COLUMN_DOUBLE, val_accuracy.high),
    COLUMN("images_per_second", COLUMN_DOUBLE, images_per_second.median),
};

static int column_int(const struct sweep_row *row, const struct column *column)
{
    int value;
    memcpy(&value, (const char *)row + column->offset, sizeof value);
    return value;
}

static double column_double(const struct sweep_row *row, const struct column *column)
{
    double value;
    memcpy(&value, (const char *)row + column->offset, sizeof value);
    return value;
}

/* A value with a comma or a quote is quoted, as RFC 4180 has it. */
static void csv_text(FILE *stream, const char *text)
{
    if (!strpbrk(text, ",\"")) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++)
        fprintf(stream, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', stream);
}

int sweep_table_write_csv(const struct sweep_table *table, const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    for (int point = -1; point < table->sweep->point_count; point++) {
        const struct sweep_row *row = &table->rows[point < 0 ? 0 : point];
        for (int i = 0; i < row->run->setting_count; i++)
            if (!is_seed(&row->run->settings[i])) {
                csv_text(file.stream, point < 0 ? row->run->settings[i].key : row->run->settings[i].value);
                fputc(',', file.stream);
            }
        for (int i = 0; i < COUNT_OF(columns); i++) {
            const char *between = i ? "," : "";
            if (point < 0)
                fprintf(file.stream, "%s%s", between, columns[i].name);
            else if (columns[i].type == COLUMN_INT)
                fprintf(file.stream, "%s%d", between, column_int(row, &columns[i]));
            else if (isnan(column_double(row, &columns[i])))
                fputs(between, file.stream);
            else
                fprintf(file.stream, "%s%.9g", between, column_double(row, &columns[i]));
        }
        fputc('\n', file.stream);
    }
    return new_file_commit(&file);
}

/* ---- json ---- */

/* What was never reached is null, with reached_target beside. */
static json_t *json_of_row(const struct sweep_row *row)
{
    json_t *object = json_object(), *settings = json_object();
    for (int i = 0; i < row->run->setting_count; i++)
        if (!is_seed(&row->run->settings[i]))
            json_object_set_new(settings, row->run->settings[i].key, json_text(row->run->settings[i].value));
    json_object_set_new(object, "settings", settings);
    for (int i = 0; i < COUNT_OF(columns); i++)
        json_object_set_new(object, columns[i].name,
                            columns[i].type == COLUMN_INT ? json_integer(column_int(row, &columns[i]))
                                                          : json_known(column_double(row, &columns[i])));
    return object;
}

static json_t *json_of_runs(const struct sweep *sweep)
{
    json_t *runs = json_array();
    for (int i = 0; i < sweep->run_count; i++)
        json_array_append_new(
            runs, json_pack("{s:o, s:i}", "name", json_text(sweep->runs[i].name), "point", sweep->runs[i].point));
    return runs;
}

static json_t *json_of_advice(const struct sweep_table *table)
{
    struct sweep_choice choices[SWEEP_ADVICE];
    int count = sweep_recommend(table, choices);
    json_t *advice = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(advice, json_pack("{s:s, s:o, s:s}", "name", choices[i].name, "point",
                                                choices[i].row < 0 ? json_null() : json_integer(choices[i].row),
                                                "reason", choices[i].reason));
    return advice;
}

int sweep_table_write_json(const struct sweep_table *table, const char *path)
{
    struct new_file file;
    json_t *points = json_array();
    for (int point = 0; point < table->sweep->point_count; point++)
        json_array_append_new(points, json_of_row(&table->rows[point]));
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o}", "sweep", json_text(table->sweep->path), "target_loss",
                            json_known(table->target), "points", points, "runs", json_of_runs(table->sweep),
                            "recommendation", json_of_advice(table));
    int status = new_file_open(&file, path);
    if (status == OK) {
        bool written = all && json_dumpf(all, file.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0;
        fputc('\n', file.stream);
        if (written) {
            status = new_file_commit(&file);
        } else {
            new_file_abandon(&file);
            status = FAIL(ERR_IO, "%s: could not be written (names and values must be UTF-8)", path);
        }
    }
    json_decref(all);
    return status;
}
