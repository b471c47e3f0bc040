/* sweep_page: the page of a sweep: what to take and why, the figures beside the batch size, the table. */
#include "json.h"
#include "sections.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* The reason without what is above it already. */
static const char *after(const char *reason, const char *said)
{
    const size_t length = strlen(said);
    return strncmp(reason, said, length) == 0 ? reason + length + strspn(reason + length, " ,") : reason;
}

static void put_advice(FILE *page, const struct sweep_table *table)
{
    static const char unknown[] = "cannot be said: ";
    struct sweep_choice choices[SWEEP_ADVICE];
    struct sweep_region region;
    const int count = sweep_recommend(table, choices);
    if (sweep_region_of(table, choices, &region))
        fprintf(page, "<p><b>Recommended: %s images a step</b>, shaded below.</p>\n", region.text);
    fputs("<div class=\"also advice\">\n", page);
    for (int i = 0; i < count; i++) {
        char label[256] = "cannot be said";
        if (choices[i].row >= 0) {
            sweep_run_label(table->rows[choices[i].row].run, label, sizeof label);
            char *seed = strstr(label, " seed=");
            if (seed)
                *seed = 0;
        }
        fprintf(page, "<section class=\"card\"><p class=\"kicker\">%s</p><h3>", choices[i].name);
        page_text(page, label);
        fputs("</h3><p class=\"soft\">", page);
        page_text(page, after(choices[i].reason, choices[i].row < 0 ? unknown : label));
        fputs("</p></section>\n", page);
    }
    fputs("</div>\n", page);
}

/* What stands in brackets is smaller, so that all columns fit. */
static void put_cell(FILE *page, const char *text)
{
    const char *bracket = strchr(text, '(');
    char before[SWEEP_CELL];
    if (!bracket) {
        page_text(page, text);
        return;
    }
    snprintf(before, sizeof before, "%.*s", (int)(bracket - text), text);
    page_text(page, before);
    fputs("<small>", page);
    page_text(page, bracket);
    fputs("</small>", page);
}

static void put_table(FILE *page, const struct sweep_table *table)
{
    struct sweep_cells *cells;
    if (memory_take(&cells, sizeof *cells, "a row") < 0)
        return;
    fputs("<h2>Every point</h2>\n<section class=\"card\"><div class=\"scroll\"><table class=\"compare\">", page);
    for (int row = -1; row < table->sweep->point_count; row++) {
        sweep_table_cells(table, row, cells);
        fputs(row < 0 ? "<thead><tr>" : "<tr>", page);
        for (int i = 0; i < cells->count; i++) {
            fputs(row < 0 ? "<th class=\"n\">" : "<td class=\"n\">", page);
            put_cell(page, cells->text[i]);
            fputs(row < 0 ? "</th>" : "</td>", page);
        }
        fputs(row < 0 ? "</tr></thead><tbody>\n" : "</tr>\n", page);
    }
    fputs("</tbody></table></div><p class=\"soft\">Medians over the seeds that were trained to the end; in brackets "
          "the lowest and the highest, of noise the 95 % interval of one run. Steps and seconds: until the smoothed "
          "training loss came down to ",
          page);
    if (isnan(table->target))
        fputs("a target that no run has set yet", page);
    else
        page_format(page, "%.3g", table->target);
    fputs(sweep_has_any_rule(table) ? ". any: every rule gives this batch the same rate.</p></section>\n"
                                    : ".</p></section>\n",
          page);
    memory_give(cells);
}

static void put_page(FILE *page, const struct sweep_table *table)
{
    const struct sweep *sweep = table->sweep;
    struct charts charts = {0};
    int done = 0, diverged = 0, open = 0;
    for (int i = 0; i < sweep->point_count; i++) {
        done += table->rows[i].done;
        diverged += table->rows[i].diverged + table->rows[i].no_memory;
        open += table->rows[i].unfinished;
    }
    sweep_charts(&charts, table);
    page_begin(page, path_base(sweep->path));
    fputs("<main>\n<header><span class=\"brand\">evenkeel report</span><h1>", page);
    page_text(page, path_base(sweep->path));
    fprintf(page, "</h1><span class=\"pill %s\">%s</span><p>A sweep: %d runs, %d points. Trained to the end: %d",
            open ? "open" : "good", open ? "not all done" : "done", sweep->run_count, sweep->point_count, done);
    if (diverged)
        fprintf(page, "; diverged or too large: %d", diverged);
    if (open)
        fprintf(page, "; still to be done: %d", open);
    fputs(".</p></header>\n", page);
    if (table->damage.rows > 0)
        page_format(page, "Rows of the runs' records that could not be read and are left out: %lld. The first: %s.",
                    (long long)table->damage.rows, table->damage.first);
    put_advice(page, table);
    fputs("<h2>What depends on it</h2>\n<div class=\"grid\">\n", page);
    for (int i = 0; i < charts.count; i++)
        page_figure(page, &charts.list[i], FIGURE_PLAIN);
    fputs("</div>\n", page);
    put_table(page, table);
    fputs("</main>\n", page);
    page_end(page);
    charts_free(&charts);
}

/* The target that the sweep's own table was made with; NaN where there is no table yet: then it is chosen as there. */
static double read_target(const struct sweep *sweep)
{
    char path[PATH_BYTES];
    if (sweep_file(sweep, "sweep.json", path) < 0)
        return NAN;
    json_t *table = json_read(path);
    const double value = json_known_value(table, "target_loss");
    json_decref(table);
    return value;
}

int report_write_sweep(const char *path_of_sweep, const char *path)
{
    struct sweep sweep = {0};
    struct sweep_table table = {0};
    struct new_file file = {0};
    int status = sweep_read(&sweep, path_of_sweep);
    if (status >= 0)
        status = sweep_table_make(&table, &sweep, read_target(&sweep));
    if (status >= 0)
        status = new_file_open(&file, path);
    if (status >= 0) {
        put_page(file.stream, &table);
        status = new_file_commit(&file);
    }
    sweep_table_free(&table);
    sweep_free(&sweep);
    return status;
}
