/* chart_ticks: round numbers along an axis and how they are written. See include/chart.h. */
#include "chart.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "1e-05" as "1e-5". */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (!e)
        return;
    char *digits = e + 1 + (e[1] == '-' || e[1] == '+');
    char *from = digits;
    while (*from == '0' && from[1])
        from++;
    if (e[1] == '+')
        digits = e + 1;
    memmove(digits, from, strlen(from) + 1);
}

/* A value of an axis whose ticks lie step apart, with as many decimals as tell them apart. */
static void write_linear(char text[static CHART_TICK_TEXT], double value, double step, double largest)
{
    if (fabs(value) < 1e-9 * step)
        value = 0.0;
    const char *unit = "";
    if (largest >= 1e4 || largest < 1e-3) {
        if (largest >= 1e6 && largest < 1e10) {
            value /= 1e6, step /= 1e6, unit = " M";
        } else if (largest >= 1e4 && largest < 1e6) {
            value /= 1e3, step /= 1e3, unit = " k";
        } else {
            snprintf(text, CHART_TICK_TEXT, "%.2g", value);
            shorten_exponent(text);
            return;
        }
    }
    int decimals = step >= 1.0 ? 0 : (int)ceil(-log10(step) - 1e-9);
    /* 2.5 is no whole number of its decade. */
    if (fabs(step * pow(10.0, decimals) - round(step * pow(10.0, decimals))) > 1e-6)
        decimals++;
    snprintf(text, CHART_TICK_TEXT, "%.*f%s", decimals, value, value == 0.0 ? "" : unit);
}

static void write_percent(char text[static CHART_TICK_TEXT], double value, double step)
{
    double percent = 100.0 * value, width = 100.0 * step;
    snprintf(text, CHART_TICK_TEXT, "%.*f %%", width >= 1.0 ? 0 : (int)ceil(-log10(width) - 1e-9),
             fabs(percent) < 1e-9 ? 0.0 : percent);
}

static void linear_ticks(const struct chart_axis *axis, double low, double high, int wanted, struct chart_ticks *ticks)
{
    enum { FEWEST = 2, MOST_WANTED = 8 };
    const double width = (high - low) / (wanted > 1 ? wanted : 1), decade = pow(10.0, floor(log10(width)));
    const double part = width / decade;
    const double step = decade * (part <= 1.0001 ? 1.0 : part <= 2.0001 ? 2.0 : part <= 5.0001 ? 5.0 : 10.0);
    for (double k = ceil(low / step - 1e-6); k * step <= high + 1e-6 * step && ticks->count < CHART_TICKS; k += 1.0) {
        const int i = ticks->count++;
        ticks->at[i] = k * step;
        if (axis->percent)
            write_percent(ticks->text[i], ticks->at[i], step);
        else
            write_linear(ticks->text[i], ticks->at[i], step, fmax(fabs(low), fabs(high)));
    }
    /* One alone says nothing of the scale. */
    if (ticks->count < FEWEST && wanted < MOST_WANTED) {
        ticks->count = 0;
        linear_ticks(axis, low, high, 2 * (wanted > 1 ? wanted : 1), ticks);
    }
}

static void write_log(char text[static CHART_TICK_TEXT], double value)
{
    if (value >= 1e4 || value < 1e-3) {
        snprintf(text, CHART_TICK_TEXT, "%.2g", value);
        shorten_exponent(text);
    } else {
        snprintf(text, CHART_TICK_TEXT, "%.12g", value);
    }
}

static void add_log(struct chart_ticks *ticks, double low, double high, double value)
{
    if (value < low * 0.9999 || value > high * 1.0001 || ticks->count == CHART_TICKS)
        return;
    const int i = ticks->count++;
    ticks->at[i] = value;
    write_log(ticks->text[i], value);
}

/* Powers, every so many-th; within less than two decades 2 and 5 times them as well, within a third of one round
 * numbers.
 */
static void log_ticks(const struct chart_axis *axis, double low, double high, int wanted, struct chart_ticks *ticks)
{
    const double base = axis->scale == CHART_LOG2 ? 2.0 : 10.0;
    const double first = log(low) / log(base), last = log(high) / log(base), powers = last - first;
    if (base == 10.0 && powers < 0.5) {
        linear_ticks(axis, low, high, wanted, ticks);
        return;
    }
    static const struct {
        int count;
        double times[3];
    } sets[] = {{1, {1.0}}, {2, {1.0, 3.0}}, {3, {1.0, 2.0, 5.0}}};
    enum { FEW = 3 };
    const double stride = fmax(1.0, ceil(powers / (wanted > 1 ? wanted + 1 : 1) - 1e-9));
    int set = base != 10.0 ? 0 : powers * 3.0 <= wanted + 2 ? 2 : powers * 2.0 <= wanted + 1 ? 1 : 0;
    /* A denser one where that leaves too few to read a curve by. */
    do {
        ticks->count = 0;
        for (double k = stride * floor(first / stride); k <= last; k += stride)
            for (int i = 0; i < sets[set].count; i++)
                add_log(ticks, low, high, sets[set].times[i] * pow(base, k));
    } while (ticks->count < FEW && base == 10.0 && stride == 1.0 && ++set < COUNT_OF(sets));
    if (ticks->count < FEW && base == 10.0) {
        ticks->count = 0;
        linear_ticks(axis, low, high, wanted, ticks);
    }
}

void chart_ticks_of(const struct chart_axis *axis, double low, double high, int wanted, struct chart_ticks *ticks)
{
    *ticks = (struct chart_ticks){0};
    if (!axis->ticks && axis->scale == CHART_LINEAR)
        linear_ticks(axis, low, high, wanted, ticks);
    else if (!axis->ticks)
        log_ticks(axis, low, high, wanted, ticks);
    for (int i = 0; axis->ticks && i < axis->tick_count && ticks->count < CHART_TICKS; i++) {
        if (axis->ticks[i] < low || axis->ticks[i] > high)
            continue;
        const int at = ticks->count++;
        ticks->at[at] = axis->ticks[i];
        if (axis->names)
            text_copy(ticks->text[at], CHART_TICK_TEXT, axis->names[i]);
        else
            write_log(ticks->text[at], axis->ticks[i]);
    }
}
