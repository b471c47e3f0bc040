/* findings: the small plot beside each of the doctor's findings: the column that its rule looked at, around the step
 * where it shows, or what was measured of the images. A table of rules each. */
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
    {"dead_units", "loss", 0, NAN, ""},
    {"noise_scale", "noise", 0, NAN, ""},
    {"early_drop", "rate", 0, NAN, ""},
    {"setback", "loss", 0, NAN, ""},
    {"overfitting", "loss", 0, NAN, ""},
    {"better_on_validation", "accuracy", 0, NAN, ""},
    {"imbalance", "balance", 0, NAN, ""},
};

/* What was measured of the images, a bar each, and the limit that it is beyond; NaN: the one that was logged with it.
 */
static const struct {
    const char *rule, *title, *how;
    struct {
        const char *number, *text;
    } bars[2];
    double limit;
    bool percent;
} image_views[] = {
    {"illumination",
     "Contrast within a class",
     "How widely the logarithm of an image's contrast differs.",
     {{"spread", "these images"}},
     NAN,
     false},
    {"brightness",
     "Brightness within a class",
     "How widely images differ in brightness, by how widely the pixels of an image do.",
     {{"ratio", "these images"}},
     NAN,
     false},
    {"background",
     "Backgrounds away from their class's level",
     "Share of the images on a background of one level.",
     {{"away", "these images"}},
     NAN,
     true},
    {"shading",
     "Slopes of brightness",
     "What differs in brightness within an image: the share that is a slope across it.",
     {{"share", "these images"}},
     NAN,
     true},
    {"outliers", "Images unlike their class", "Share of the images looked at.", {{"share", "these images"}}, NAN, true},
    {"normalisation",
     "Pixels after normalisation",
     "Of the worst channel: a mean of 0 and a deviation of 1 are wanted.",
     {{"mean", "mean"}, {"std", "deviation"}},
     1.0,
     false},
    {"constant", "Images of one colour", "Of those looked at.", {{"images", "these images"}}, 0.0, false},
    {"conflicting-labels",
     "Images under two labels",
     "Share of the images looked at.",
     {{"share", "these images"}},
     0.001,
     true},
    {"leak",
     "Validation images that are training images",
     "Share of the validation images looked at.",
     {{"share", "these images"}},
     0.001,
     true},
    {"order",
     "How unlike the batches are",
     "Chi-square of a batch's labels by its degrees of freedom: 1 by chance.",
     {{"ratio", "these batches"}},
     NAN,
     false},
};

/* false: the rule is none of images, or its numbers were not logged. */
static bool put_image_figure(FILE *page, const struct symptom *symptom, int finding)
{
    int row = 0;
    while (row < COUNT_OF(image_views) && strcmp(image_views[row].rule, symptom->rule) != 0)
        row++;
    if (row == COUNT_OF(image_views))
        return false;
    struct charts charts = {0};
    struct chart *chart = chart_add(&charts, arena_format(&charts.arena, "finding-%d", finding + 1),
                                    image_views[row].title, image_views[row].how);
    static const double places[] = {0.0, 1.0};
    const char *names[COUNT_OF(places)];
    double values[COUNT_OF(places)];
    int count = 0;
    for (int i = 0; i < COUNT_OF(places) && image_views[row].bars[i].number; i++) {
        names[count] = image_views[row].bars[i].text;
        values[count++] = symptom_number(symptom, image_views[row].bars[i].number);
    }
    const double given = symptom_number(symptom, "threshold"), limit = isfinite(given) ? given : image_views[row].limit;
    chart->x = (struct chart_axis){
        .title = "", .low = -0.5, .high = count - 0.5, .ticks = places, .names = names, .tick_count = count};
    chart->y = (struct chart_axis){.title = "", .low = NAN, .high = NAN, .percent = image_views[row].percent};
    const bool shown = chart_series_add(chart, CHART_BARS, CHART_BLUE, "", count, places, values) != NULL;
    if (limit > 0.0)
        chart_limit_add(chart, limit, CHART_RED,
                        arena_format(&charts.arena, image_views[row].percent ? "limit %.3g %%" : "limit %.3g",
                                     image_views[row].percent ? 100.0 * limit : limit));
    if (shown)
        page_figure(page, chart, FIGURE_SMALL);
    charts_free(&charts);
    return shown;
}

void page_finding_figure(FILE *page, const struct run_facts *facts, int finding)
{
    const struct symptom *symptom = &facts->diagnosis.found[finding];
    if (put_image_figure(page, symptom, finding))
        return;
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
        chart.y.title = ""; /* its place is the mark's; the heading says what it is */
        chart_event_add(&chart, (double)symptom->step, CHART_RED, "shows here");
        chart_limit_add(&chart, views[i].limit, CHART_RED, views[i].limit_text);
        page_figure(page, &chart, FIGURE_SMALL);
    }
    charts_free(&charts);
}
