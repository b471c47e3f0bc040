/* synth: draws a training and a validation folder of aerial tiles, spoiled as asked, or a contact sheet of them. Knows
 * command lines; what a tile is belongs to host/data. */
#include "cli.h"
#include "data.h"
#include "file.h"
#include "log.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static const char about[] =
    "Draws ten classes of aerial pictures (tiles) as PNG files, DIR/train/<class>/*.png and\n"
    "DIR/val/<class>/*.png, and prints DIR. The same options give the same pixels; a folder that\n"
    "already holds them is kept. Spoiled tiles are listed in DIR/train.spoiled.csv and\n"
    "DIR/val.spoiled.csv. Validation tiles get the uneven lighting and the noise of the training\n"
    "tiles (the same camera), but no wrong labels, no outliers and even classes: what is measured\n"
    "on them can be trusted.";

struct words {
    const char *per_class, *val_per_class, *size, *illumination, *noise, *label_noise, *imbalance, *outliers, *seed,
        *sheet, *columns;
};

struct request {
    struct tiles_options train, val;
    const char *folder, *sheet;
    int columns;
};

static int read_words(const struct words *words, struct request *request)
{
    struct tiles_options *train = &request->train;
    int64_t seed = 1;
    *train = (struct tiles_options){.per_class = 250, .size = 64, .part = TILES_TRAIN};
    request->columns = 5;
    TRY(cli_count("per-class", words->per_class, 1, 100000, &train->per_class));
    TRY(cli_count("size", words->size, TILES_SIZE_MIN, TILES_SIZE_MAX, &train->size));
    TRY(cli_number("illumination", words->illumination, 0.0, 1.0, &train->illumination));
    TRY(cli_number("noise", words->noise, 0.0, 1.0, &train->noise));
    TRY(cli_number("label-noise", words->label_noise, 0.0, 1.0, &train->label_noise));
    TRY(cli_number("imbalance", words->imbalance, 0.0, 0.99, &train->imbalance));
    TRY(cli_number("outliers", words->outliers, 0.0, 1.0, &train->outliers));
    TRY(cli_count("columns", words->columns, 1, 100, &request->columns));
    TRY(cli_integer("seed", words->seed, 0, INT64_MAX, &seed));
    train->seed = (uint64_t)seed;
    request->sheet = words->sheet;
    request->val = *train;
    request->val.part = TILES_VAL;
    request->val.label_noise = request->val.imbalance = request->val.outliers = 0.0;
    request->val.per_class = train->per_class < 5 ? 1 : train->per_class / 5;
    return cli_count("val-per-class", words->val_per_class, 1, 100000, &request->val.per_class);
}

static int write_part(const char *folder, const char *name, const struct tiles_options *options)
{
    char path[PATH_BYTES];
    TRY(path_join(path, folder, name));
    double began = clock_seconds();
    TRY(tiles_write(path, options));
    log_info("%s: %d tiles per class, %d classes, %dx%d pixels (%.1f s)", path, options->per_class, TILES_CLASSES,
             options->size, options->size, clock_seconds() - began);
    return OK;
}

static int carry_out(const struct request *request)
{
    if (request->sheet) {
        TRY(tiles_write_sheet(request->sheet, request->columns, &request->train));
        log_info("%s: a row of %d tiles for each of %d classes", request->sheet, request->columns, TILES_CLASSES);
    }
    if (!request->folder)
        return OK;
    TRY(write_part(request->folder, "train", &request->train));
    TRY(write_part(request->folder, "val", &request->val));
    printf("%s\n", request->folder);
    return OK;
}

int command_synth(int argc, char **argv)
{
    struct words words = {0};
    const struct cli_option options[] = {
        {"per-class", "N", NULL, &words.per_class, "training tiles per class (250)"},
        {"val-per-class", "N", NULL, &words.val_per_class, "validation tiles per class (a fifth of --per-class)"},
        {"size", "N", NULL, &words.size, "pixels along a side, 16 to 256 (64)"},
        {"illumination", "X", NULL, &words.illumination, "uneven lighting, 0 to 1: too dark, too bright, gradients"},
        {"noise", "X", NULL, &words.noise, "sensor noise, standard deviation of values in 0 to 1"},
        {"label-noise", "X", NULL, &words.label_noise, "share of training tiles filed under a wrong class"},
        {"imbalance", "X", NULL, &words.imbalance, "the last class has 1-X of the first one's training tiles"},
        {"outliers", "X", NULL, &words.outliers, "share of training tiles that are no tiles at all"},
        {"seed", "S", NULL, &words.seed, "another seed draws other tiles (1)"},
        {"contact-sheet", "FILE", NULL, &words.sheet, "write a PNG with a row of tiles per class"},
        {"columns", "N", NULL, &words.columns, "tiles per row of the contact sheet (5)"},
    };
    const struct cli_usage usage = {
        .synopsis = "synth DIR [options]\nsynth --contact-sheet FILE.png [options]",
        .about = about,
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct request request = {0};
    TRY(cli_parse(&usage, &argc, argv));
    TRY(read_words(&words, &request));
    if (argc > 2)
        return FAIL(ERR_USAGE, "synth takes one folder, got '%s' and '%s'", argv[1], argv[2]);
    if (argc < 2 && !request.sheet)
        return FAIL(ERR_USAGE, "synth needs the folder to write to: evenkeel synth DIR");
    request.folder = argc > 1 ? argv[1] : NULL;
    return carry_out(&request);
}
