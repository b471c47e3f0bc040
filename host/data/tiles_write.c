/* tiles_write: a set of generated tiles as a folder of PNG files, and the record of what was spoiled in it. Everything
 * is written below <folder>.unfinished, which takes the folder's name when complete. */
#include "file.h"
#include "parallel.h"
#include "tiles_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Changed whenever a tile of the same options would look different. */
enum { DRAWING_VERSION = 1 };
static const char stamp_name[] = "tiles.ini";

struct tile {
    int class;
    uint32_t index;
    struct spoil spoil;
};

struct writing {
    const struct tiles_options *options;
    const char *folder; /* written to */
    struct tile *tiles;
    int64_t count;
};

static int check_options(const struct tiles_options *options)
{
    const struct {
        const char *name;
        double value, limit;
    } shares[] = {
        {"illumination", options->illumination, 1.0}, {"noise", options->noise, 1.0},
        {"label noise", options->label_noise, 1.0},   {"imbalance", options->imbalance, 0.99},
        {"outliers", options->outliers, 1.0},
    };
    if (options->per_class < 1 || options->per_class > 100000)
        return FAIL(ERR_USAGE, "tiles per class: %d is out of range; expected 1 to 100000", options->per_class);
    if (options->size < TILES_SIZE_MIN || options->size > TILES_SIZE_MAX)
        return FAIL(ERR_USAGE, "tile size: %d is out of range; expected %d to %d pixels", options->size, TILES_SIZE_MIN,
                    TILES_SIZE_MAX);
    for (int i = 0; i < COUNT_OF(shares); i++)
        if (!(shares[i].value >= 0.0 && shares[i].value <= shares[i].limit))
            return FAIL(ERR_USAGE, "%s: %g is out of range; expected 0 to %g", shares[i].name, shares[i].value,
                        shares[i].limit);
    return OK;
}

/* The options as text; two results are the same when their stamps are. */
static char *stamp_text(struct arena *arena, const struct tiles_options *options)
{
    return arena_format(arena,
                        "# written by evenkeel synth; the tiles of this folder follow from these lines\n"
                        "drawing = %d\npart = \"%s\"\nper_class = %d\nsize = %d\nillumination = %.17g\nnoise = %.17g\n"
                        "label_noise = %.17g\nimbalance = %.17g\noutliers = %.17g\nseed = %llu\n",
                        DRAWING_VERSION, options->part == TILES_TRAIN ? "train" : "val", options->per_class,
                        options->size, options->illumination, options->noise, options->label_noise, options->imbalance,
                        options->outliers, (unsigned long long)options->seed);
}

static int class_tiles(const struct tiles_options *options, int class)
{
    double share = 1.0 - options->imbalance * class / (TILES_CLASSES - 1);
    long count = lround(options->per_class * share);
    return count < 1 ? 1 : (int)count;
}

/* keep: an earlier result of the same options is there. */
static int check_folder(const char *folder, const char *stamp, bool *keep)
{
    char path[PATH_BYTES];
    *keep = false;
    if (!file_exists(folder))
        return OK;
    if (!folder_exists(folder))
        return FAIL(ERR_CREATE, "%s: is a file; name a folder that is absent or empty", folder);
    if (rmdir(folder) == 0)
        return OK;
    TRY(path_join(path, folder, stamp_name));
    if (!file_exists(path))
        return FAIL(ERR_CREATE, "%s: holds other files; name a folder that is absent or empty", folder);
    void *found;
    size_t bytes;
    TRY(file_read(path, 1 << 16, &found, &bytes));
    *keep = strcmp(found, stamp) == 0;
    const char *a = found, *b = stamp;
    size_t line = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '\n')
            line = i + 1;
    int status = OK;
    if (!*keep)
        status = FAIL(ERR_CREATE,
                      "%s: holds tiles of other options ('%.*s' there, '%.*s' wanted); remove it or name "
                      "another folder",
                      folder, (int)strcspn(a + line, "\n"), a + line, (int)strcspn(b + line, "\n"), b + line);
    memory_give(found);
    return status;
}

static void plan_tiles(struct writing *writing, struct arena *arena)
{
    const struct tiles_options *options = writing->options;
    for (int class = 0; class < TILES_CLASSES; class ++)
        writing->count += class_tiles(options, class);
    writing->tiles = arena_push(arena, (size_t)writing->count * sizeof *writing->tiles);
    struct tile *next = writing->tiles;
    for (int class = 0; class < TILES_CLASSES; class ++)
        for (int i = 0; i < class_tiles(options, class); i++)
            *next++ = (struct tile){class, (uint32_t)i, spoil_plan(options, class, (uint32_t)i)};
}

static void tile_file(char name[static 64], const struct tile *tile, int64_t number)
{
    snprintf(name, 64, "%s/%05lld.png", tiles_class_names[tile->spoil.filed_class], (long long)number);
}

/* Not flushed to disk: thousands of flushes take minutes, and a file that a power failure leaves empty is noticed when
 * it is read. */
static int write_plainly(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return FAIL(ERR_CREATE, "%s: cannot be created: %s", path, strerror(errno));
    bool written = fwrite(bytes, 1, count, file) == count;
    int reason = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    return written ? OK : FAIL(ERR_IO, "%s: writing failed: %s", path, strerror(reason));
}

static int write_tile(void *context, int64_t i)
{
    const struct writing *writing = context;
    const struct tile *tile = &writing->tiles[i];
    int size = writing->options->size;
    char name[64], path[PATH_BYTES];
    tile_file(name, tile, i);
    TRY(path_join(path, writing->folder, name));
    uint8_t *rgb = malloc((size_t)size * (size_t)size * 3), *bytes = NULL;
    size_t count = 0;
    if (!rgb)
        return FAIL(ERR_MEMORY, "%s: out of memory", path);
    tile_make(rgb, writing->options, tile->class, tile->index, &tile->spoil);
    int status = png_encode(rgb, size, size, 3, &bytes, &count);
    if (status == OK)
        status = write_plainly(path, bytes, count);
    free(bytes);
    free(rgb);
    return status;
}

static void record_faults(FILE *stream, const struct tile *tile, int64_t number)
{
    char name[64];
    const struct spoil *spoil = &tile->spoil;
    const char *class = tiles_class_names[tile->class];
    tile_file(name, tile, number);
    if (spoil->outlier >= 0)
        fprintf(stream, "%s,%s,outlier,%s\n", name, class, outlier_names[spoil->outlier]);
    if (spoil->filed_class != tile->class)
        fprintf(stream, "%s,%s,label,%s\n", name, class, tiles_class_names[spoil->filed_class]);
    if (spoil->illumination > 0.0f)
        fprintf(stream, "%s,%s,illumination,%.4f\n", name, class, (double)spoil->illumination);
    if (spoil->noise > 0.0f)
        fprintf(stream, "%s,%s,noise,%g\n", name, class, (double)spoil->noise);
}

static int write_record(const struct writing *writing, const char *folder)
{
    struct new_file file;
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s.spoiled.csv", folder) >= (int)sizeof path)
        return FAIL(ERR_CREATE, "%s: the name is too long", folder);
    TRY(new_file_open(&file, path));
    fprintf(file.stream, "file,class,fault,detail\n");
    for (int64_t i = 0; i < writing->count; i++)
        record_faults(file.stream, &writing->tiles[i], i);
    return new_file_commit(&file);
}

static int write_all(struct writing *writing, const char *folder, const char *stamp)
{
    char path[PATH_BYTES];
    TRY(folder_remove(writing->folder));
    for (int class = 0; class < TILES_CLASSES; class ++) {
        TRY(path_join(path, writing->folder, tiles_class_names[class]));
        TRY(folder_make(path));
    }
    TRY(parallel_for(writing->count, 0, write_tile, writing));
    TRY(path_join(path, writing->folder, stamp_name));
    TRY(write_plainly(path, stamp, strlen(stamp)));
    TRY(write_record(writing, folder));
    if (rename(writing->folder, folder) != 0)
        return FAIL(ERR_CREATE, "%s: cannot be created: %s", folder, strerror(errno));
    return OK;
}

int tiles_write(const char *folder, const struct tiles_options *options)
{
    struct arena arena = {0};
    TRY(check_options(options));
    char *name = arena_text(&arena, folder), *stamp = stamp_text(&arena, options);
    for (size_t length = strlen(name); length > 1 && name[length - 1] == '/'; length--)
        name[length - 1] = 0;
    struct writing writing = {options, arena_format(&arena, "%s.unfinished", name), NULL, 0};
    bool keep;
    int status = check_folder(name, stamp, &keep);
    if (status == OK && !keep) {
        plan_tiles(&writing, &arena);
        status = write_all(&writing, name, stamp);
    }
    arena_free(&arena);
    return status;
}

int tiles_write_sheet(const char *file, int columns, const struct tiles_options *options)
{
    enum { GAP = 3 };
    TRY(check_options(options));
    if (columns < 1 || columns > 100)
        return FAIL(ERR_USAGE, "contact sheet: %d columns is out of range; expected 1 to 100", columns);
    int size = options->size, step = size + GAP, width = columns * step + GAP, height = TILES_CLASSES * step + GAP;
    uint8_t *sheet = malloc((size_t)width * (size_t)height * 3), *rgb = malloc((size_t)size * (size_t)size * 3);
    int status = OK;
    if (!sheet || !rgb) {
        status = FAIL(ERR_MEMORY, "%s: out of memory", file);
    } else {
        memset(sheet, 255, (size_t)width * (size_t)height * 3);
        for (int class = 0; class < TILES_CLASSES; class ++)
            for (int i = 0; i < columns; i++) {
                struct spoil spoil = spoil_plan(options, class, (uint32_t)i);
                tile_make(rgb, options, class, (uint32_t)i, &spoil);
                for (int y = 0; y < size; y++)
                    memcpy(sheet + ((size_t)(GAP + class * step + y) * (size_t)width + (size_t)(GAP + i * step)) * 3,
                           rgb + (size_t)y * (size_t)size * 3, (size_t)size * 3);
            }
        status = png_write(file, sheet, height, width, 3);
    }
    free(sheet);
    free(rgb);
    return status;
}
