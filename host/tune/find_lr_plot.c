/* find_lr_plot: what find_lr found, as a table and as a chart. See include/find_lr.h. Computes nothing that it does not
 * show. */
#include "find_lr.h"

#include <math.h>
#include <stdlib.h>

/* ---- csv ---- */

int find_lr_write_csv(const struct find_lr *found, const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs("restart,trial,step,lr,loss,standard_error,smooth,gain\n", file.stream);
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_restart *restart = &found->restarts[r];
        for (int i = 0; i < restart->curve.count; i++) {
            fprintf(file.stream, "%d,,%d,%.9g,", r + 1, i, restart->curve.rate[i]);
            if (isfinite(restart->curve.loss[i]))
                fprintf(file.stream, "%.9g,%.9g", restart->curve.loss[i], sqrt(restart->curve.variance[i]));
            else
                fputs("nan,", file.stream);
            fprintf(file.stream, ",%.9g,\n", restart->curve.smooth[i]);
        }
        for (int i = 0; i < restart->trial_count; i++)
            fprintf(file.stream, "%d,%d,,%.9g,,,,%.9g\n", r + 1, i + 1, restart->trials[i].rate,
                    restart->trials[i].gain);
    }
    return new_file_commit(&file);
}

/* ---- chart ---- */

/* Losses up to somewhat above the beginning's: a curve that leaves goes far. */
static void cap_losses(const struct find_lr *found, struct chart_axis *axis)
{
    double begin = 0.0, low = INFINITY, high = -INFINITY;
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_curve *curve = &found->restarts[r].curve;
        begin = fmax(begin, curve->smooth[0]);
        for (int i = 0; i < curve->count; i++) {
            low = fmin(low, curve->smooth[i]);
            high = fmax(high, curve->smooth[i]);
        }
    }
    high = fmin(high, begin + 0.5 * (begin - low));
    if (high > low) {
        axis->low = low - 0.05 * (high - low);
        axis->high = high;
    }
}

static void mark_rate(struct chart *chart, const struct find_lr_spread *spread, enum chart_colour colour,
                      const char *text)
{
    if (spread->count == 0)
        return;
    chart_event_add(chart, spread->middle, colour, text);
    if (spread->high > spread->low && chart->region_count < CHART_REGIONS)
        chart->regions[chart->region_count++] = (struct chart_region){spread->low, spread->high, colour, ""};
}

void find_lr_chart(const struct find_lr *found, struct charts *charts)
{
    struct arena *arena = &charts->arena;
    struct chart *chart = chart_add(
        charts, "find-lr",
        arena_format(arena, "Loss while the learning rate grows, %d restart%s", found->restart_count,
                     found->restart_count == 1 ? "" : "s"),
        "A curve for each restart, smoothed. Shaded, in the colour of each mark: how far the restarts lie apart.");
    chart->x.title = "learning rate";
    chart->x.scale = CHART_LOG10;
    chart->y.title = "loss";
    cap_losses(found, &chart->y);
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_curve *curve = &found->restarts[r].curve;
        chart_series_add(chart, CHART_LINE, CHART_BLUE, "", curve->count, curve->rate, curve->smooth);
    }
    mark_rate(chart, &found->best, CHART_GREEN, arena_format(arena, "suggested %.2g", found->best.middle));
    mark_rate(chart, &found->stable, CHART_ORANGE, arena_format(arena, "stable to %.2g", found->stable.middle));
}
