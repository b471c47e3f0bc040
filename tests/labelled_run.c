/* labelled_run: see labelled_run.h. */
#include "labelled_run.h"

#include <stdio.h>
#include <string.h>

void labelled_run(const struct dataset *data, const struct sample_stats *table, const char *predictions, size_t bytes)
{
    char folder[PATH_BYTES];
    fixture_write(fixture_path("run/predictions.csv"), predictions, bytes);
    assert_int_equal(samples_write(fixture_path("run/samples.csv"), data, table), OK);
    snprintf(folder, sizeof folder, "%s", fixture_path("run/samples.csv"));
    *strrchr(folder, '/') = 0;
    healthy();
    part(0.9, 0.3, 0.9, 0.3);
    run.evidence.over = true;
    run.evidence.classes = data->class_count;
    doctor_labels(&run.evidence, folder);
}
