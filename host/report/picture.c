/* picture: the charts of a run, of several or of a sweep as one PNG, with what they were and what came of them in
 * words. See include/report.h. Owns the words; how it looks is host/plot's. */
#include "plot.h"
#include "report.h"
#include "series.h"

#include <math.h>
#include <string.h>

/* "small_cnn, adam, lr 0.002 (cosine), batch 64: 15 epochs, 1755 steps" and the best epoch. */
static const char *describe(struct run_facts *facts)
{
    static const char *const keys[] = {"model.name", "optim.name", "optim.lr", "schedule.name", "train.batch_size"};
    char values[COUNT_OF(keys)][CONFIG_TEXT];
    const char *words[COUNT_OF(keys)];
    struct arena *arena = &facts->arena;
    for (int i = 0; i < COUNT_OF(keys); i++)
        words[i] = config_word(&facts->config, keys[i], values[i], sizeof values[i]);
    const char *text =
        arena_format(arena, "%s, %s, lr %s (%s), batch %s: %lld epochs, %lld steps", words[0], words[1], words[2],
                     words[3], words[4], (long long)facts->results.row_count, (long long)facts->stability.steps);
    const double *best = results_column(facts, "best"), *loss = results_column(facts, "val/loss"),
                 *accuracy = results_column(facts, "metrics/accuracy_top1");
    for (int64_t e = facts->results.row_count - 1; e >= 0; e--)
        if (best[e] == 1.0 && isfinite(loss[e]))
            return arena_format(arena, "%s; best: epoch %lld, validation loss %.4g, accuracy %.2f %%", text,
                                (long long)e + 1, loss[e], 100.0 * accuracy[e]);
    return text;
}

static const char *verdict(struct run_facts *facts)
{
    const struct diagnosis *diagnosis = &facts->diagnosis;
    if (facts->problem)
        return arena_format(&facts->arena, "Verdict: none: %s", facts->problem);
    const bool shown = diagnosis->count > 0 && symptom_speaks(&diagnosis->found[0]);
    return arena_format(&facts->arena, "Verdict: %s%s%s", diagnosis_title(diagnosis), shown ? ": " : "",
                        shown ? diagnosis->found[0].evidence : "");
}

static int draw(struct run_facts *facts, const char *path)
{
    struct charts charts = {0};
    char sentences[STABILITY_TEXTS][STABILITY_TEXT];
    const char *notes[1 + STABILITY_TEXTS] = {verdict(facts)};
    run_charts(&charts, facts);
    const int count = stability_say(&facts->stability, sentences);
    for (int i = 0; i < count; i++)
        notes[1 + i] = sentences[i];
    const struct plot_page page = {
        .title = facts->name, .subtitle = describe(facts), .charts = &charts, .notes = notes, .note_count = 1 + count};
    int status = charts.count > 0 ? plot_write_png(&page, path)
                                  : FAIL(ERR_NO_INPUT, "%s: has recorded no step yet", facts->path);
    charts_free(&charts);
    return status;
}

int report_draw_run(const char *run, const char *path)
{
    struct run_facts facts;
    TRY(run_facts_read(&facts, run));
    const int status = draw(&facts, path);
    run_facts_free(&facts);
    return status;
}

/* ---- several runs, a sweep ---- */

int report_draw_runs(const char *const *runs, int count, const char *path)
{
    struct run_facts *facts;
    struct charts charts = {0};
    TRY(run_facts_read_all(&facts, runs, count));
    compared_charts(&charts, facts, count);
    const struct plot_page page = {
        .title = arena_format(&charts.arena, "%d runs compared", count), .subtitle = "", .charts = &charts};
    const int status =
        charts.count > 0 ? plot_write_png(&page, path) : FAIL(ERR_NO_INPUT, "no step of these runs is recorded yet");
    charts_free(&charts);
    run_facts_free_all(facts, count);
    return status;
}

static int draw_sweep(const struct sweep_table *table, const char *path)
{
    struct charts charts = {0};
    struct sweep_choice choices[SWEEP_ADVICE];
    const char *notes[SWEEP_ADVICE];
    const struct sweep *sweep = table->sweep;
    const int advice = sweep_recommend(table, choices);
    sweep_charts(&charts, table);
    for (int i = 0; i < advice; i++)
        notes[i] = arena_format(&charts.arena, "%s: %s", choices[i].name, choices[i].reason);
    const struct plot_page page = {
        .title = path_base(sweep->path),
        .subtitle = arena_format(&charts.arena, "%d runs, %d points", sweep->run_count, sweep->point_count),
        .charts = &charts,
        .notes = notes,
        .note_count = advice,
    };
    const int status = charts.count > 0 ? plot_write_png(&page, path)
                                        : FAIL(ERR_NO_INPUT, "%s: no run has come to its end yet", sweep->path);
    charts_free(&charts);
    return status;
}

int report_draw_sweep(const char *path_of_sweep, const char *path)
{
    struct sweep sweep = {0};
    struct sweep_table table = {0};
    int status = sweep_read(&sweep, path_of_sweep);
    if (status >= 0)
        status = sweep_table_make(&table, &sweep, NAN);
    if (status >= 0)
        status = draw_sweep(&table, path);
    sweep_table_free(&table);
    sweep_free(&sweep);
    return status;
}
