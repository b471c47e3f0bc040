/* compare_page: the page of several runs: a table of what sets them apart and what came of it, and their curves. */
#include "log.h"
#include "sections.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 12 };

/* Settings that differ between the runs. */
struct differing {
    char names[KEYS][2 * CONFIG_KEY];
    int count;
};

static bool differs(const struct run_facts *facts, int count, const char *key)
{
    char first[CONFIG_TEXT + 8], other[CONFIG_TEXT + 8];
    if (!config_get(&facts[0].config, key, first, sizeof first))
        return false;
    for (int i = 1; i < count; i++)
        if (config_get(&facts[i].config, key, other, sizeof other) && strcmp(first, other) != 0)
            return true;
    return false;
}

static void find_differing(struct differing *differing, const struct run_facts *facts, int count)
{
    char *keys = NULL, *rest;
    size_t bytes;
    FILE *stream = open_memstream(&keys, &bytes);
    differing->count = 0;
    if (!stream)
        return;
    config_print_keys(stream);
    if (fclose(stream) == 0)
        for (rest = keys; rest && differing->count < KEYS;) {
            const char *key = strsep(&rest, "\n");
            if (*key && !strchr(key, '=') && strncmp(key, "run.", 4) != 0 && differs(facts, count, key))
                text_copy(differing->names[differing->count++], 2 * CONFIG_KEY, key);
        }
    free(keys);
}

static void put_number(FILE *page, const char *format, double value)
{
    fputs("<td class=\"n\">", page);
    if (isfinite(value))
        page_format(page, format, value);
    else
        fputs("-", page);
    fputs("</td>", page);
}

/* The epoch that is best in a column; NAN where there is none. */
static double extreme(const struct run_facts *facts, const char *name, double sign)
{
    const double *column = table_column(&facts->results, name);
    double best = NAN;
    for (int64_t e = 0; column && e < facts->results.row_count; e++)
        if (isfinite(column[e]) && !(sign * column[e] <= sign * best))
            best = column[e];
    return best;
}

static const char *verdict_of(const struct run_facts *facts)
{
    if (facts->end.kind == RUN_FAILED)
        return "failed";
    if (facts->problem)
        return "cannot be judged";
    if (facts->diagnosis.too_early)
        return "too early to say";
    return facts->diagnosis.cause == CAUSE_HEALTHY ? "healthy" : diagnosis_title(&facts->diagnosis);
}

static void put_row(FILE *page, const struct run_facts *facts, const struct differing *differing, int run)
{
    char text[24], setting[CONFIG_TEXT + 8];
    enum { COLOURS = CHART_GREY };
    fprintf(page, "<tr><th class=\"%s\"><i class=\"dot\"></i>", page_colour((enum chart_colour)(run % COLOURS)));
    page_text(page, facts->name);
    fputs("</th><td>", page);
    page_text(page, verdict_of(facts));
    fputs("</td>", page);
    put_number(page, "%.2f %%", 100.0 * extreme(facts, "metrics/accuracy_top1", 1.0));
    put_number(page, "%.4g", extreme(facts, "val/loss", -1.0));
    put_number(page, "%.4g", facts->stability.end.value);
    put_number(page, "%.2g", facts->stability.last.deviation);
    put_number(page, "%.0f %%", 100.0 * facts->stability.last.sampling.value);
    put_number(page, "%.0f", table_last(&facts->results, "images_per_second"));
    text_duration(text, table_last(&facts->results, "time"));
    fprintf(page, "<td class=\"n\">%s</td>", text);
    for (int i = 0; i < differing->count; i++) {
        fputs("<td class=\"n\">", page);
        page_text(page, config_word(&facts->config, differing->names[i], setting, sizeof setting));
        fputs("</td>", page);
    }
    fputs("</tr>\n", page);
}

/* "augment.crop_padding" may be broken after its dot and underscores: a column is then as narrow as its values. */
static void put_key(FILE *page, const char *key)
{
    for (const char *at = key; *at; at++) {
        fputc(*at, page);
        if (*at == '.' || *at == '_')
            fputs("<wbr/>", page);
    }
}

static void put_table(FILE *page, const struct run_facts *facts, int count)
{
    struct differing differing;
    static const char *const heads[] = {"best accuracy", "lowest val loss", "train loss", "scatter",
                                        "by chance",     "images/s",        "time"};
    find_differing(&differing, facts, count);
    fputs("<section class=\"card\"><div class=\"scroll\"><table "
          "class=\"compare\"><thead><tr><th>run</th><th>verdict</th>",
          page);
    for (int i = 0; i < COUNT_OF(heads); i++)
        fprintf(page, "<th class=\"n\">%s</th>", heads[i]);
    for (int i = 0; i < differing.count; i++) {
        fputs("<th class=\"n\">", page);
        put_key(page, differing.names[i]);
        fputs("</th>", page);
    }
    fputs("</tr></thead><tbody>\n", page);
    for (int i = 0; i < count; i++)
        put_row(page, &facts[i], &differing, i);
    fputs("</tbody></table></div><p class=\"soft\">Scatter of the training loss from batch to batch (standard "
          "deviation) and how much of "
          "that is chance in drawing the batch: of the last 200 steps; train loss: their mean, or that of the last of "
          "them where it fell or rose on the way. One run of each kind says little about small differences: seeds "
          "differ, too.</p></section>\n",
          page);
}

static void put_page(FILE *page, const struct run_facts *facts, int count)
{
    struct charts charts = {0};
    compared_charts(&charts, facts, count);
    page_begin(page, "runs compared");
    fprintf(page, "<main>\n<header><span class=\"brand\">evenkeel report</span><h1>%d runs compared</h1></header>\n",
            count);
    for (int i = 0; i < count; i++)
        page_damage(page, &facts[i]);
    put_table(page, facts, count);
    fputs("<h2>How they went</h2>\n<div class=\"grid\">\n", page);
    for (int i = 0; i < charts.count; i++)
        page_figure(page, &charts.list[i], FIGURE_PLAIN);
    fputs("</div>\n</main>\n", page);
    page_end(page);
    charts_free(&charts);
}

int report_write_runs(const char *const *runs, int count, const char *path)
{
    struct run_facts *facts;
    struct new_file file = {0};
    TRY(run_facts_read_all(&facts, runs, count));
    int status = new_file_open(&file, path);
    if (status >= 0) {
        run_facts_say_damage(facts, count);
        put_page(file.stream, facts, count);
        status = new_file_commit(&file);
    }
    run_facts_free_all(facts, count);
    return status;
}
