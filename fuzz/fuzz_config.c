/* fuzz_config: any bytes as a config file are either refused with a reason, or load to a config that is written and
 * loads back as the same text. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Loads bytes as a file in memory, which never touches a disk. */
static int load(struct config *config, const void *data, size_t bytes, FILE *errors)
{
    char path[64];
    int file = memfd_create("config", 0);
    if (file < 0 || write(file, data, bytes) != (ssize_t)bytes)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int status = config_load(config, path, NULL, 0, errors);
    close(file);
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
