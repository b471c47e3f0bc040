/* Experiments as JSON (trials.json): what is read, writes to something that reads to the same. */
#include "experiment.h"

#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct experiment experiment, again;
    struct arena arena = {0};
    int64_t steps, steps_again;
    if (experiment_parse(&experiment, "fuzz", (const char *)data, bytes, &steps) == OK) {
        const struct arm *proof;
        experiment_verdict(&experiment, &proof);
        const char *inner = experiment_json(&experiment, NULL, &arena);
        const char *written = arena_format(&arena, "{\"steps\": %lld, \"experiment\": %s}", (long long)steps, inner);
        assert(experiment_parse(&again, "fuzz", written, strlen(written), &steps_again) == OK);
        assert(steps == steps_again && strcmp(inner, experiment_json(&again, NULL, &arena)) == 0);
    }
    arena_free(&arena);
    return 0;
}
