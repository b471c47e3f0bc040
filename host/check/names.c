/* names: classes whose names are the same but for capital letters, as one class gets to be two in labels that several
 * people wrote. Looks at no image. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int compare(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

bool judge_class_names(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const struct dataset *data = facts->input->train->data;
    const char **names = arena_push(arena, (size_t)data->class_count * sizeof *names), *first = NULL, *second = NULL;
    int alike = 0;
    for (int i = 0; i < data->class_count; i++)
        names[i] = data->class_names[i];
    qsort(names, (size_t)data->class_count, sizeof *names, compare);
    for (int i = 1; i < data->class_count; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0 && ++alike == 1) {
            const bool turned = strcmp(names[i - 1], names[i]) > 0;
            first = names[turned ? i : i - 1];
            second = names[turned ? i - 1 : i];
        }
    if (alike == 0)
        return false;
    finding->severity = SEVERITY_INFO;
    finding->text = arena_format(arena, "'%s' and '%s' are two classes%s, whose names differ in capital letters alone",
                                 first, second, alike > 1 ? ", and others are" : "");
    finding->action = "write them alike, if they are one class";
    finding_number(finding, "names", alike);
    return true;
}
