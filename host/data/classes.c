/* classes: whether two data sets have the same classes, and making them so where only some are absent. Knows no files.
 */
#include "data.h"
#include "log.h"
#include "text.h"

#include <string.h>

/* Numbers in place of names cannot shift when the last classes are absent. */
static bool has_numbered_classes(const struct dataset *dataset)
{
    for (int i = 0; i < dataset->class_count; i++) {
        int64_t number;
        if (!text_to_int64(dataset->class_names[i], &number) || number != i)
            return false;
    }
    return true;
}

static int find_class(const struct dataset *dataset, const char *name)
{
    for (int i = 0; i < dataset->class_count; i++)
        if (strcmp(dataset->class_names[i], name) == 0)
            return i;
    return -1;
}

void dataset_adopt_classes(struct dataset *dataset, const struct dataset *train)
{
    if (has_numbered_classes(dataset) || dataset->class_count >= train->class_count)
        return;
    int *number = arena_push(&dataset->arena, (size_t)dataset->class_count * sizeof *number);
    for (int i = 0; i < dataset->class_count; i++)
        if ((number[i] = find_class(train, dataset->class_names[i])) < 0)
            return;
    int absent = 0;
    while (find_class(dataset, train->class_names[absent]) >= 0)
        absent++;
    log_warn("%s has no images of class '%s'%s, which are in no figure measured on it", dataset->source,
             train->class_names[absent], train->class_count - dataset->class_count > 1 ? " and others" : "");
    for (int64_t i = 0; i < dataset->count; i++)
        dataset->labels[i] = number[dataset->labels[i]];
    dataset->class_count = train->class_count;
    dataset->class_names = arena_push(&dataset->arena, (size_t)train->class_count * sizeof *dataset->class_names);
    for (int i = 0; i < train->class_count; i++)
        dataset->class_names[i] = arena_text(&dataset->arena, train->class_names[i]);
}

int dataset_match(const struct dataset *train, const struct dataset *val)
{
    bool shorter_is_fine = has_numbered_classes(train) && has_numbered_classes(val);
    int common = train->class_count < val->class_count ? train->class_count : val->class_count;
    for (int i = 0; i < common; i++)
        if (strcmp(train->class_names[i], val->class_names[i]) != 0)
            return FAIL(ERR_DATA, "%s and %s have different classes: class %d is '%s' in the first, '%s' in the second",
                        train->source, val->source, i, train->class_names[i], val->class_names[i]);
    if (val->class_count > common)
        return FAIL(ERR_DATA, "%s has a class '%s' that %s has not; take it out", val->source, val->class_names[common],
                    train->source);
    if (train->class_count > common && !shorter_is_fine)
        return FAIL(ERR_DATA, "%s has no class '%s', which %s has; add it", val->source, train->class_names[common],
                    train->source);
    return OK;
}
