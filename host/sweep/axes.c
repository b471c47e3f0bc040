/* axes: words of the command line into swept keys with their values. Knows no runs. */
#include "axes.h"
#include "text.h"

#include <string.h>

/* One past the end of the value that begins here. */
static const char *value_end(const char *at)
{
    int depth = 0;
    bool quoted = false;
    for (; *at && (*at != ',' || depth > 0 || quoted); at++) {
        quoted ^= *at == '"';
        depth += !quoted && *at == '[' ? 1 : !quoted && *at == ']' ? -1 : 0;
    }
    return at;
}

bool axes_several(const char *text)
{
    return *value_end(text) != '\0';
}

static int check_value(const char *key, const char *value, const char *const *before, int count)
{
    if (!*value)
        return FAIL(ERR_USAGE, "%s: a value is missing between the commas", key);
    if (strpbrk(value, " \t\r\n"))
        return FAIL(ERR_USAGE, "%s: '%s' has blanks, which a plan of one line a run cannot hold", key, value);
    for (int i = 0; i < count; i++)
        if (strcmp(before[i], value) == 0)
            return FAIL(ERR_USAGE, "%s: %s is given twice", key, value);
    return OK;
}

int axes_split(const char *key, const char *text, const char ***values, struct arena *arena)
{
    const char **all = arena_push(arena, AXIS_VALUES * sizeof *all);
    int count = 0;
    for (const char *at = text;; at++) {
        const char *end = value_end(at);
        if (count == AXIS_VALUES)
            return FAIL(ERR_USAGE, "%s: more than %d values", key, AXIS_VALUES);
        all[count] = text_trim(arena_format(arena, "%.*s", (int)(end - at), at));
        TRY(check_value(key, all[count], all, count));
        count++;
        if (!*end)
            break;
        at = end;
    }
    *values = all;
    return count;
}

static int check_key(const struct axes *axes, const char *key, int seeds)
{
    if (strncmp(key, "run.", 4) == 0 && (strcmp(key + 4, "dir") == 0 || strcmp(key + 4, "name") == 0))
        return FAIL(ERR_USAGE, "%s: a sweep names its runs itself; --out says where they go", key);
    if (strcmp(key, "train.seed") == 0 && seeds > 1)
        return FAIL(ERR_USAGE, "train.seed and --seeds both choose the seeds; leave one out");
    for (int i = 0; i < axes->count; i++)
        if (strcmp(axes->axis[i].key, key) == 0)
            return FAIL(ERR_USAGE, "%s: is given twice", key);
    return OK;
}

int axes_read(struct axes *axes, const struct sweep_request *request, struct arena *arena)
{
    axes->every = arena_push(arena, (size_t)(request->word_count + 1) * sizeof *axes->every);
    for (int i = 0; i < request->word_count; i++) {
        const char *word = request->words[i], *equals = strchr(word, '='), **values;
        char *name = text_trim(arena_format(arena, "%.*s", (int)(equals - word), word)), full[CONFIG_KEY];
        if (!config_find_key(name, full))
            return FAIL(ERR_USAGE, "%s: no key of the config", name);
        const char *key = arena_text(arena, full);
        TRY(check_key(axes, key, request->seeds));
        if (!axes_several(equals + 1)) {
            if (strpbrk(equals, "\r\n"))
                return FAIL(ERR_USAGE, "%s: a plan's line cannot hold a value of several lines", key);
            axes->every[axes->every_count++] = arena_format(arena, "%s=%s", key, equals + 1);
            continue;
        }
        int count = axes_split(key, equals + 1, &values, arena);
        TRY(count);
        if (axes->count == AXES)
            return FAIL(ERR_USAGE, "more than %d keys with several values", AXES);
        axes->axis[axes->count++] = (struct axis){key, values, count};
    }
    return OK;
}
