/* fuzz_config: any bytes as a config file are either refused with a reason, or load to a config that is written and
 * loads back as the same text. */
#include "config.h"
#include "fuzz.h"

#include <string.h>

static int load(struct config *config, const void *data, size_t bytes, FILE *errors)
{
    struct fuzz_file file;
    fuzz_file_open(&file, data, bytes);
    int status = config_load(config, file.path, NULL, 0, errors);
    fuzz_file_close(&file);
    return status;
}

static char *write_text(const struct config *config)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream || config_write(config, stream) != OK)
        abort();
    fclose(stream);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config config, again;
    char *said;
    size_t size;
    FILE *errors = open_memstream(&said, &size);
    if (!errors)
        abort();
    int status = load(&config, data, bytes, errors);
    fclose(errors);
    if ((status == OK) != (*said == 0) && bytes < 1 << 20)
        abort();
    if (status == OK) {
        char *first = write_text(&config);
        if (load(&again, first, strlen(first), stderr) != OK)
            abort();
        char *second = write_text(&again);
        if (strcmp(first, second) != 0)
            abort();
        config_free(&again);
        free(first);
        free(second);
    }
    config_free(&config);
    free(said);
    return 0;
}
