/* tile_series: see tile_series.h. */
#include "tile_series.h"

#include "file.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 32 };

/* Adds the words of a text; of usual ones only those whose key is not in given. */
static int add(const char *overrides[MOST], int count, char *text, const char *given)
{
    for (char *rest = text, *word; (word = strsep(&rest, " ")) && count < MOST;) {
        char key[64];
        snprintf(key, sizeof key, "%.*s=", (int)strcspn(word, "="), word);
        if (*word && !(given && strstr(given, key)))
            overrides[count++] = word;
    }
    return count;
}

int tile_series_train(const char *tiles, const char *folder, const char *words, struct train_result *result,
                      struct table *steps)
{
    char usual[3 * PATH_BYTES], more[PATH_BYTES], path[PATH_BYTES];
    const char *overrides[MOST];
    snprintf(usual, sizeof usual,
             "data.train=%s data.val_fraction=0.1 run.dir=%s model.name=mlp model.hidden=32 stats.noise_every=0", tiles,
             folder);
    snprintf(more, sizeof more, "%s", words);
    const int count = add(overrides, add(overrides, 0, usual, words), more, NULL);
    struct train_request request = {.overrides = overrides, .override_count = count};
    TRY(train_run(&request, result));
    TRY(path_join(path, result->path, "steps.csv"));
    return table_read(steps, path);
}
