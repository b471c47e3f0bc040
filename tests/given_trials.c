/* given_trials: see given_trials.h. */
#include "given_trials.h"

#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

bool given_suspected;
double given_unchanged = 1.0;
int given_updates;
const char *given_name[GIVEN_MOST];
double given_longer[GIVEN_MOST];

void write_trials(const char *run, const struct given *given, int count, double by_heart, int batch, int steps)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run, "trials.json"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"steps\": %d, \"experiment\": {\"batch\": %d, \"updates\": %d, \"spent\": 900.0, \"allowed\": 1000.0, "
            "\"wanted\": 950.0, \"seconds\": 1.5, \"guess\": 2.302585, \"by_heart\": ",
            steps, batch,
            given_updates > 0 ? given_updates
            : steps < 400     ? steps
                              : 400);
    if (by_heart >= 0.0)
        fprintf(file, "{\"images\": 80, \"updates\": 250, \"accuracy\": %f}", by_heart);
    else
        fputs("null", file);
    fputs(", \"arms\": [", file);
    static const char *const families[ARM_FAMILIES] = {"anew", "onward", "unseen", "freed"};
    for (int f = 0; f < ARM_FAMILIES; f++)
        fprintf(
            file,
            "{\"name\": \"unchanged\", \"family\": \"%s\", \"cause\": \"healthy\", \"changes\": [], \"left_out\": 0, "
            "\"pace\": 1, \"done\": true, \"loss\": %f, \"train_accuracy\": 0.5, \"gain\": null, \"error\": null}%s",
            families[f], given_unchanged, f + 1 == ARM_FAMILIES && count == 0 ? "" : ",");
    for (int i = 0; i < count; i++) {
        char name[48];
        const double longer = i < GIVEN_MOST ? given_longer[i] : 0.0;
        if (i < GIVEN_MOST && given_name[i])
            snprintf(name, sizeof name, "%s", given_name[i]);
        else
            snprintf(name, sizeof name, "trial %d", i);
        fprintf(file,
                "{\"name\": \"%s\", \"family\": \"%s\", \"cause\": \"%s\", \"changes\": [\"optim.lr=0.5\"%s], "
                "\"left_out\": 0, \"pace\": 1, \"suspected\": %s, \"done\": %s, \"loss\": %f, \"train_accuracy\": 0.5, "
                "\"gain\": %f, \"error\": %f, \"longer\": %d, \"longer_loss\": %f}%s",
                name, given[i].family, cause_table[given[i].cause].name, given[i].swaps ? ", \"optim.name=adam\"" : "",
                given_suspected && i == 0 ? "true" : "false", given[i].untried ? "false" : "true",
                given_unchanged - given[i].gain, given[i].gain, given[i].error, longer > 0.0 ? 400 : 0, longer,
                i + 1 < count ? "," : "");
    }
    fputs("]}}\n", file);
    assert_int_equal(fclose(file), 0);
}
