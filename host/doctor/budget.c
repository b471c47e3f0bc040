/* budget: how much experiments need, and how that is asked for. Must not run them. */
#include "doctor.h"

#include <math.h>
#include <stdio.h>

double doctor_percent(double updates, int64_t steps)
{
    return ceil(100.0 * updates / (double)(steps > 0 ? steps : 1));
}

void doctor_probe_options(int64_t steps, char text[static PROBE_OPTIONS])
{
    const double percent = doctor_percent((double)TRIALS_USUAL * TRIAL_UPDATES_LEAST, steps);
    if (percent <= 100.0 * DOCTOR_SHARE)
        snprintf(text, PROBE_OPTIONS, "--probe");
    else
        snprintf(text, PROBE_OPTIONS, "--probe --budget %.0f%%", percent);
}
