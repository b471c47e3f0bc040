/* The plan of a sweep: any text is read or refused, and what was read has runs with names and settings. */
#include "sweep.h"

#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena = {0};
    char *text = arena_push(&arena, bytes + 1), label[64];
    if (bytes > 0)
        memcpy(text, data, bytes);
    struct sweep sweep;
    if (sweep_parse(&sweep, "fuzz", text) == OK) {
        assert(sweep.run_count > 0 && sweep.point_count > 0 && sweep.point_count <= sweep.run_count);
        for (int i = 0; i < sweep.run_count; i++) {
            assert(sweep.runs[i].name[0] && sweep.runs[i].point < sweep.point_count);
            sweep_run_label(&sweep.runs[i], label, sizeof label);
        }
    }
    sweep_free(&sweep);
    arena_free(&arena);
    return 0;
}
