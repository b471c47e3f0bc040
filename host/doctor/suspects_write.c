/* suspects_write: the list of suspects as CSV and as pictures. Judges nothing. */
#include "suspects.h"

#include "easel.h"
#include "file.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

const struct dataset *suspect_data(const struct suspect *suspect, struct suspect_images images)
{
    return suspect->in_val ? images.val : images.train;
}

int suspects_write(const struct suspects *suspects, struct suspect_images images, const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs("file,sample,label,class,suggested,suggested_class,kind,score,evidence,part\n", file.stream);
    for (int64_t i = 0; i < suspects->count; i++) {
        const struct suspect *suspect = &suspects->list[i];
        const struct dataset *data = suspect_data(suspect, images);
        const int label = data->labels[suspect->sample];
        file_put_cell(file.stream, data->files ? data->files[suspect->sample] : "");
        fprintf(file.stream, ",%d,%d,", (int)suspect->sample, label);
        file_put_cell(file.stream, data->class_names[label]);
        if (suspect->suggested >= 0) {
            fprintf(file.stream, ",%d,", (int)suspect->suggested);
            file_put_cell(file.stream, data->class_names[suspect->suggested]);
        } else {
            fputs(",,", file.stream);
        }
        fprintf(file.stream, ",%s,%.6f,", suspect_names[suspect->kind], suspect->score);
        file_put_cell(file.stream, suspect->evidence);
        fputs(suspect->in_val ? ",val\n" : ",train\n", file.stream);
    }
    return new_file_commit(&file);
}

/* ---- pictures ---- */

/* An image in three colours. */
static int picture_of(struct arena *arena, const struct dataset *data, int32_t sample, uint8_t **rgb)
{
    const int64_t values = shape_count(data->image), pixels = values / data->image.c;
    uint8_t *image = arena_push(arena, (size_t)values);
    *rgb = arena_push(arena, (size_t)pixels * 3);
    TRY(dataset_image(data, sample, image));
    for (int64_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++)
            (*rgb)[3 * i + c] = image[i * data->image.c + (data->image.c == 3 ? c : 0)];
    return OK;
}

static const char *drawable(const char *name)
{
    return text_is_utf8(name) ? name : "(a name that is not UTF-8)";
}

static int fill_cell(struct arena *arena, const struct dataset *data, const struct suspect *suspect, struct cell *cell)
{
    const char *const *classes = data->class_names;
    const char *label = drawable(classes[data->labels[suspect->sample]]);
    const char *file = data->files ? drawable(data->files[suspect->sample]) : NULL,
               *slash = file ? strrchr(file, '/') : NULL;
    TRY(picture_of(arena, data, suspect->sample, &cell->rgb));
    cell->lines[0] =
        suspect->suggested >= 0 ? arena_format(arena, "%s → %s", label, drawable(classes[suspect->suggested])) : label;
    const char *part = suspect->in_val ? "val, " : "";
    cell->lines[1] = file ? arena_format(arena, "%s%s %s", part, suspect_names[suspect->kind], slash ? slash + 1 : file)
                          : arena_format(arena, "%s%s %d", part, suspect_names[suspect->kind], (int)suspect->sample);
    return OK;
}

int suspects_sheet(const struct suspects *suspects, struct suspect_images images, const char *path)
{
    struct arena arena = {0};
    struct sheet sheet = {.height = images.train->image.h, .width = images.train->image.w};
    int status = OK;
    sheet.count = suspects->count < SUSPECTS_ON_SHEET ? (int)suspects->count : SUSPECTS_ON_SHEET;
    sheet.cells = arena_push(&arena, (size_t)(sheet.count ? sheet.count : 1) * sizeof *sheet.cells);
    sheet.title = arena_format(&arena, "%s: the first %d of %lld images that are likely to be wrong",
                               drawable(images.train->source), sheet.count, (long long)suspects->count);
    for (int i = 0; i < sheet.count && status == OK; i++)
        status = fill_cell(&arena, suspect_data(&suspects->list[i], images), &suspects->list[i], &sheet.cells[i]);
    if (status == OK)
        status = easel_write(path, &sheet);
    arena_free(&arena);
    return status;
}
