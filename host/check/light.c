/* light: how each training image is lit and whether it is odd, image by image, for whoever asks later what that costs.
 * Judges nothing. */
#include "facts.h"
#include "file.h"

#include <math.h>

int facts_light(const struct facts *facts, struct arena *arena, const struct image_light **light)
{
    const size_t count = (size_t)facts->train_count;
    struct image_light *rows;
    double *slopes;
    TRY(arena_take(arena, &rows, count * sizeof *rows, "how images are lit"));
    TRY(arena_take(arena, &slopes, count * sizeof *slopes, "how images are lit"));
    TRY(facts_slopes(facts, false, true, slopes));
    for (size_t i = 0; i < count; i++) {
        const struct image_facts *one = &facts->images[i];
        rows[i] = (struct image_light){
            .sample = one->sample,
            .brightness = one->mean,
            .contrast = one->spread > 0.0f ? logf(one->spread) : NAN,
            .background = image_has_ground(one) ? (float)one->ground / 255.0f : NAN,
            .slope = (float)slopes[i],
            .odd = one->kind == KIND_ODD,
            .torn = one->kind == KIND_TORN,
        };
    }
    *light = rows;
    return OK;
}

/* What cannot be told is an empty cell. */
static void put(FILE *stream, float value, char end)
{
    if (isfinite(value))
        fprintf(stream, "%.6g", (double)value);
    fputc(end, stream);
}

int findings_write_light(const struct findings *findings, const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs("sample,brightness,contrast,background,slope,odd,torn\n", file.stream);
    for (int64_t i = 0; i < findings->train_seen; i++) {
        const struct image_light *row = &findings->light[i];
        fprintf(file.stream, "%d,", row->sample);
        put(file.stream, row->brightness, ',');
        put(file.stream, row->contrast, ',');
        put(file.stream, row->background, ',');
        put(file.stream, row->slope, ',');
        fprintf(file.stream, "%d,%d\n", row->odd, row->torn);
    }
    return new_file_commit(&file);
}
