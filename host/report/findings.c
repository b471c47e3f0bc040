/* findings: the small plot beside each of the doctor's findings: the column that its rule looked at, around the step
 * where it shows. One table of rules. */
#include "sections.h"
#include "series.h"

#include <math.h>
#include <string.h>

/* What a rule's finding is seen in; steps: how much of the run is shown, 0: all. */
static const struct {
    const char *rule, *chart;
    int64_t steps;
    double limit; /* NaN: none */
    const char *limit_text;
} views[] = {
    {"first_loss", "loss", 200, NAN, ""},
    {"equal_outputs", "loss", 200, NAN, ""},
    {"large_steps", "update", 100, 0.15, "limit 0.15"},
    {"worse_than_guessing", "loss", 300, NAN, ""},
    {"decay", "loss", 0, NAN, ""},
    {"small_steps", "update", 0, NAN, ""},
    {"stuck", "loss", 0, NAN, ""},
    {"noise_scale", "noise", 0, NAN, ""},
    {"early_drop", "rate", 0, NAN, ""},
    {"setback", "loss", 0, NAN, ""},
    {"overfitting", "loss", 0, NAN, ""},
    {"better_on_validation", "accuracy", 0, NAN, ""},
    {"imbalance", "balance", 0, NAN, ""},
};

void page_finding_figure(FILE *page, const struct run_facts *facts, int finding)
{
    const struct symptom *symptom = &facts->diagnosis.found[finding];
    struct charts charts = {0};
    run_charts(&charts, facts);
    for (int i = 0; i < COUNT_OF(views); i++) {
        const struct chart *found = charts_find(&charts, views[i].chart);
        if (strcmp(views[i].rule, symptom->rule) != 0 || !found)
            continue;
        struct chart chart = *found;
        chart.id = arena_format(&charts.arena, "finding-%d", finding + 1);
        if (views[i].steps && (double)(symptom->step + views[i].steps) < chart.x.high)
            chart.x.high = (double)(symptom->step + views[i].steps);
        chart.event_count = 0;
        chart_event_add(&chart, (double)symptom->step, CHART_RED, "shows here");
        chart_limit_add(&chart, views[i].limit, CHART_RED, views[i].limit_text);
        page_figure(page, &chart, FIGURE_SMALL);
    }
    charts_free(&charts);
}
