/* pack: the command that writes a config's images as packed files, from which a training starts at once. Knows the
 * command line; what is packed and how is the data's business. */
#include "cli.h"
#include "config.h"
#include "data.h"
#include "file.h"
#include "log.h"
#include "machine.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

struct request {
    const char *config, *out;
    bool force;
};

static bool is_up_to_date(const char *path, const struct dataset_options *options, uint64_t fingerprint)
{
    uint64_t packed;
    int64_t skipped;
    struct dataset dataset;
    if (pack_fingerprint(path, &packed, &skipped) != OK || packed != fingerprint || (skipped > 0 && !options->skip) ||
        dataset_open(&dataset, path, options) != OK)
        return false;
    dataset_close(&dataset);
    return true;
}

static int write_pack(const char *source, const char *path, const struct dataset_options *options, uint64_t fingerprint)
{
    struct dataset dataset;
    char bytes[24];
    const double began = clock_seconds();
    TRY(dataset_open(&dataset, source, options));
    int status = pack_write(&dataset, path, fingerprint, options->threads);
    text_bytes(bytes, (double)dataset.count * (double)shape_count(dataset.image));
    if (status == OK)
        log_info("%s: %lld images of %d x %d pixels, %d classes, %s (%.1f s)", path, (long long)dataset.count,
                 dataset.image.w, dataset.image.h, dataset.class_count, bytes, clock_seconds() - began);
    dataset_close(&dataset);
    return status;
}

static int pack_source(const struct request *request, const struct config *config, const char *source, bool train_part)
{
    struct dataset_options options = {
        .resize = config->data.resize,
        .threads = config->data.threads ? config->data.threads : config->train.threads,
        .train_part = train_part,
        .skip = config->data.on_error == ON_ERROR_SKIP,
        .cache = request->out ? request->out : "auto",
    };
    char path[PATH_BYTES];
    uint64_t fingerprint;
    TRY(cache_path(path, source, &options));
    TRY(source_fingerprint(source, &options, &fingerprint));
    options.cache = NULL;
    options.memory = machine_memory() / 2;
    /* Another file of that name is not ours to replace. */
    if (file_exists(path) && !pack_is_one(path))
        return FAIL(ERR_CREATE, "%s: is no packed data set and is not replaced; move it away", path);
    if (file_exists(path) && !request->force && is_up_to_date(path, &options, fingerprint))
        log_info("%s: is up to date", path);
    else
        TRY(write_pack(source, path, &options, fingerprint));
    printf("%s\n", path);
    return OK;
}

static int pack(const struct request *request, const char *const *overrides, int override_count)
{
    struct config config = {0};
    int status = config_load(&config, request->config, overrides, override_count, stderr);
    if (status == OK && !config.data.train[0])
        status = FAIL(ERR_CONFIG, "%s: data.train is empty; it names the images to pack", request->config);
    if (status == OK && request->out)
        status = folder_make(request->out);
    if (status == OK)
        status = pack_source(request, &config, config.data.train, true);
    if (status == OK && config.data.val[0])
        status = pack_source(request, &config, config.data.val, false);
    config_free(&config);
    return status;
}

int command_pack(int argc, char **argv)
{
    struct request request = {0};
    const struct cli_option options[] = {
        {"force", NULL, &request.force, NULL, "also where they are up to date"},
    };
    const struct cli_usage usage = {
        .synopsis = "pack CONFIG [OUT] [key=value…] [--force]",
        .about = "Writes the images of data.train and data.val, decoded and resized, as one file each, which later\n"
                 "trainings map instead of reading the images (data.cache). OUT is a folder for train.pack and\n"
                 "val.pack, to be named in data.cache; without it they lie beside the images and are found there.\n"
                 "A packed file is used only as long as the images are as they were.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 2)
        return FAIL(ERR_USAGE, "pack needs a config file: evenkeel pack CONFIG [OUT]");
    request.config = argv[1];
    int first = 2;
    if (argc > 2 && !strchr(argv[2], '='))
        request.out = argv[first++];
    for (int i = first; i < argc; i++)
        if (!strchr(argv[i], '='))
            return FAIL(ERR_USAGE, "'%s': OUT comes before the settings: evenkeel pack CONFIG [OUT] [key=value…]",
                        argv[i]);
    return pack(&request, (const char *const *)argv + first, argc - first);
}
