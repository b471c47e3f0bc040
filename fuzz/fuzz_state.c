/* The state of a run as JSON: what is read, writes to something that reads to the same. */
#include "state.h"

#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena = {0};
    char *text = arena_push(&arena, bytes + 1);
    if (bytes > 0)
        memcpy(text, data, bytes);
    struct train_state state, again;
    if (state_read(&state, "fuzz", text) == OK) {
        const char *written = state_write(&state, &arena);
        assert(state_read(&again, "fuzz", written) == OK);
        assert(strcmp(written, state_write(&again, &arena)) == 0);
    }
    arena_free(&arena);
    return 0;
}
