/* tiles_parts: what spoil.c promises to tiles_write.c. Private to host/data. */
#ifndef TILES_PARTS_H
#define TILES_PARTS_H
#include "data.h"

enum outlier_kind { OUTLIER_BLACK, OUTLIER_CLOUD, OUTLIER_NOISE, OUTLIER_PATTERN, OUTLIER_KINDS };
extern const char *const outlier_names[OUTLIER_KINDS];

/* What happens to one tile. */
struct spoil {
    float illumination, noise;
    int filed_class; /* its own class unless mislabelled */
    int outlier;     /* -1: none; an outlier has no other fault */
};
struct spoil spoil_plan(const struct tiles_options *options, int class, uint32_t index);
/* The tile as the plan leaves it: rgb [size][size][3]. */
void tile_make(uint8_t *rgb, const struct tiles_options *options, int class, uint32_t index, const struct spoil *spoil);
#endif
