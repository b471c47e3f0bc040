/* tile_series: see tile_series.h. */
#include "tile_series.h"

#include "file.h"

#include <stdio.h>
#include <string.h>

int tile_series_train(const char *tiles, const char *folder, const char *words, struct train_result *result,
                      struct table *steps)
{
    enum { MOST = 32 };
    char text[4 * PATH_BYTES], path[PATH_BYTES];
    const char *overrides[MOST];
    int count = 0;
    snprintf(text, sizeof text,
             "data.train=%s data.val_fraction=0.1 run.dir=%s model.name=mlp model.hidden=32 stats.noise_every=0 %s",
             tiles, folder, words);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) && count < MOST;)
        if (*word)
            overrides[count++] = word;
    struct train_request request = {.overrides = overrides, .override_count = count};
    TRY(train_run(&request, result));
    TRY(path_join(path, result->path, "steps.csv"));
    return table_read(steps, path);
}
