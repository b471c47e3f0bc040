/* mixed: see mixed.h. Must not know what is asked. */
#include "mixed.h"

static int64_t at(const int32_t *taken, int label, int as, int classes)
{
    return taken[(size_t)label * (size_t)classes + (size_t)as];
}

static int64_t labelled(const int32_t *taken, int label, int classes)
{
    int64_t sum = 0;
    for (int c = 0; c < classes; c++)
        sum += at(taken, label, c, classes);
    return sum;
}

static struct mixed_part part_of(const int32_t *taken, int a, int b, int classes)
{
    struct mixed_part part = {.images = labelled(taken, a, classes) + labelled(taken, b, classes),
                              .right = at(taken, a, a, classes) + at(taken, b, b, classes)};
    part.either = part.right + at(taken, a, b, classes) + at(taken, b, a, classes);
    for (int c = 0; c < classes; c++) {
        part.others += labelled(taken, c, classes);
        part.others_right += at(taken, c, c, classes);
    }
    part.others -= part.images;
    part.others_right -= part.right;
    return part;
}

void mixed_find(struct mixed *found, const int32_t *taken, const int32_t *val, int classes)
{
    struct arena arena = {0};
    double most = 0.0;
    int64_t *images = arena_push(&arena, (size_t)classes * sizeof *images);
    *found = (struct mixed){.a = -1, .b = -1};
    for (int b = 0; b < classes; b++) {
        images[b] = labelled(taken, b, classes);
        for (int a = 0; a < b; a++) {
            const int64_t away = at(taken, a, b, classes) + at(taken, b, a, classes);
            if (!((double)away > most * (double)(images[a] + images[b])))
                continue;
            most = (double)away / (double)(images[a] + images[b]);
            found->a = a;
            found->b = b;
        }
    }
    if (found->a >= 0) {
        found->train = part_of(taken, found->a, found->b, classes);
        found->val = part_of(val, found->a, found->b, classes);
    }
    arena_free(&arena);
}
