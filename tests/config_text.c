/* config_text: loads configs that a test holds as text. Support of test_config and test_config_mistakes. */
#include "config_text.h"

#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

char config_folder[PATH_BYTES];

int config_folder_make(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(config_folder, sizeof config_folder, "%s/evenkeel-config-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(config_folder) ? 0 : -1;
}

int config_folder_remove(void **state)
{
    (void)state;
    return folder_remove(config_folder);
}

char *config_path(const char *name)
{
    static char paths[4][PATH_BYTES];
    static int turn;
    char *path = paths[turn++ % 4];
    assert_int_equal(path_join(path, config_folder, name), OK);
    return path;
}

int config_text_load(struct config *config, const char *text, size_t bytes, const char *overrides, char **said)
{
    char *path = config_path("x.ini"), words[4096] = "", *list[64];
    int count = 0;
    if (overrides)
        text_copy(words, sizeof words, overrides);
    for (char *word = strtok(words, "|"); word; word = strtok(NULL, "|"))
        list[count++] = word;
    FILE *file = fopen(path, "wb"); /* not file_write, which waits for the disk */
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
    size_t size;
    FILE *errors = open_memstream(said, &size);
    int status = config_load(config, path, (const char *const *)list, count, errors);
    fclose(errors);
    size_t length = strlen(config_folder) + 1;
    for (char *at = *said; (at = strstr(at, config_folder));)
        memmove(at, at + length, strlen(at + length) + 1);
    return status;
}
