/* labels: from labels as people write them, names or numbers, to class numbers. Knows neither lists nor archives. */
#include "file.h"
#include "formats.h"
#include "log.h"
#include "order.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_MOST = 65536, CLASSES_FILE_BYTES = 1 << 24 };

/* classes.txt, if there is one. */
static int read_classes(struct dataset *dataset, const char *folder)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    TRY(path_join(path, folder, "classes.txt"));
    if (!file_exists(path))
        return OK;
    TRY(file_read(path, CLASSES_FILE_BYTES, &text, &bytes));
    dataset->class_names = arena_push(&dataset->arena, (bytes / 2 + 1) * sizeof *dataset->class_names);
    char *rest = text_begin(text), *line;
    while ((line = strsep(&rest, "\n"))) {
        line = text_trim(line);
        if (*line && dataset->class_count < CLASSES_MOST)
            dataset->class_names[dataset->class_count++] = arena_text(&dataset->arena, line);
    }
    memory_give(text);
    return dataset->class_count > 0 ? OK : FAIL(ERR_DATA, "%s: names no class; write one a line", path);
}

static bool all_numbers(const char *const *text, int64_t count)
{
    int64_t number;
    for (int64_t i = 0; i < count; i++)
        if (!text_to_int64(text[i], &number))
            return false;
    return true;
}

/* Every name once, sorted. */
static int name_classes(struct dataset *dataset, const char *const *text)
{
    const char **names;
    TRY(arena_take(&dataset->arena, &names, (size_t)dataset->count * sizeof *names, dataset->source));
    int64_t count = 0;
    for (int64_t i = 0; i < dataset->count; i++)
        names[i] = text[i];
    sort_names(names, dataset->count);
    for (int64_t i = 0; i < dataset->count && count < CLASSES_MOST; i++)
        if (count == 0 || strcmp(names[count - 1], names[i]) != 0)
            names[count++] = names[i];
    dataset->class_names = names;
    dataset->class_count = (int)count;
    return OK;
}

/* As many as the highest number says. */
static void number_classes(struct dataset *dataset, const char *const *text)
{
    int64_t highest = -1, number;
    for (int64_t i = 0; i < dataset->count; i++)
        if (text_to_int64(text[i], &number) && number < CLASSES_MOST && number > highest)
            highest = number;
    dataset_number_classes(dataset, (int)highest + 1);
}

struct name {
    const char *text;
    int number;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int class_of(const struct dataset *dataset, const struct name *names, const char *text, bool numbers)
{
    int64_t number;
    if (numbers)
        return text_to_int64(text, &number) && number >= 0 && number < dataset->class_count ? (int)number : -1;
    const struct name wanted = {text, 0};
    const struct name *found = bsearch(&wanted, names, (size_t)dataset->class_count, sizeof *names, compare_entries);
    return found ? found->number : -1;
}

void labels_warn_of_gaps(const struct dataset *dataset)
{
    bool *seen = calloc((size_t)dataset->class_count + 1, sizeof *seen);
    int used = 0;
    for (int64_t i = 0; seen && i < dataset->count; i++) {
        used += !seen[dataset->labels[i]];
        seen[dataset->labels[i]] = true;
    }
    if (seen && used * 2 < dataset->class_count)
        log_warn("%s: labels run from 0 to %d, but only %d different ones occur; are they right?", dataset->source,
                 dataset->class_count - 1, used);
    free(seen);
}

int labels_assign(struct dataset *dataset, const char *const *text, const char *const *where, const char *folder,
                  struct problems *problems)
{
    TRY(memory_take(&dataset->labels, (size_t)dataset->count * sizeof *dataset->labels, dataset->source));
    TRY(read_classes(dataset, folder));
    const bool numbers = all_numbers(text, dataset->count), given = dataset->class_count > 0;
    if (!given && numbers)
        number_classes(dataset, text);
    else if (!given)
        TRY(name_classes(dataset, text));
    struct name *names = arena_push(&dataset->arena, (size_t)dataset->class_count * sizeof *names);
    for (int i = 0; i < dataset->class_count; i++)
        names[i] = (struct name){dataset->class_names[i], i};
    qsort(names, (size_t)dataset->class_count, sizeof *names, compare_entries);
    bool *keep;
    TRY(arena_take(&dataset->arena, &keep, (size_t)dataset->count * sizeof *keep, dataset->source));
    for (int64_t i = 0; i < dataset->count; i++) {
        dataset->labels[i] = class_of(dataset, names, text[i], numbers);
        keep[i] = dataset->labels[i] >= 0;
        if (keep[i])
            continue;
        FAIL(ERR_DATA, "%s: the label '%.80s' %s", where[i], text[i],
             given ? "is not in classes.txt" : "is out of range; class numbers are 0 to 65535");
        problems_add_failure(problems, ERR_DATA);
    }
    encoded_keep(dataset, keep);
    if (numbers && !given && dataset->count > 0)
        labels_warn_of_gaps(dataset);
    return OK;
}
