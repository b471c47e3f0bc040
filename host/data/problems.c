/* problems: what of a data set cannot be used, collected so that all of it is told at once. Knows no format. */
#include "formats.h"
#include "log.h"
#include "text.h"

#include <string.h>

enum { SHOWN = 12 };

void problems_add(struct problems *problems, int status, const char *text)
{
    if (problems->count == problems->room) {
        problems->room = problems->room ? 2 * problems->room : 64;
        const char **larger = arena_push(problems->arena, (size_t)problems->room * sizeof *larger);
        if (problems->count)
            memcpy(larger, problems->texts, (size_t)problems->count * sizeof *larger);
        problems->texts = larger;
    }
    if (problems->count == 0)
        problems->status = status;
    problems->texts[problems->count++] = text_one_line(arena_text(problems->arena, text));
}

void problems_add_failure(struct problems *problems, int status)
{
    problems_add(problems, status, fail_text());
}

int problems_settle(const struct problems *problems, struct dataset *dataset, bool skip)
{
    if (problems->count == 0)
        return OK;
    if (skip) {
        dataset->skipped = problems->texts;
        dataset->skipped_count = problems->count;
        log_warn("%s: %lld %s left out%s: %s", dataset->source, (long long)problems->count,
                 problems->count == 1 ? "image or file cannot be used and is"
                                      : "images or files cannot be used and are",
                 problems->count == 1 ? "" : ", the first", problems->texts[0]);
        return OK;
    }
    if (problems->count == 1)
        return FAIL(problems->status, "%s; or set data.on_error = skip to do without it", problems->texts[0]);
    for (int64_t i = 0; i < problems->count && i < SHOWN; i++)
        log_error("%s", problems->texts[i]);
    if (problems->count > SHOWN)
        log_error("… and %lld more", (long long)(problems->count - SHOWN));
    return FAIL(problems->status,
                "%s: %lld images or files cannot be used; mend or remove them, or set data.on_error = skip to do "
                "without them; the first: %s",
                dataset->source, (long long)problems->count, problems->texts[0]);
}
