/* replay: gives every file of the named folders to one fuzz target, once. So the corpus is a test for any compiler,
 * without libFuzzer. Must not know what the target reads. */
#include "file.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

static int replay_folder(const char *folder, int *count)
{
    struct dirent **entries;
    int found = scandir(folder, &entries, NULL, alphasort);
    if (found < 0)
        return FAIL(ERR_NO_INPUT, "%s: cannot be read", folder);
    int status = OK;
    for (int i = 0; i < found; i++) {
        char path[PATH_BYTES];
        void *data = NULL;
        size_t bytes = 0;
        if (entries[i]->d_name[0] != '.' && status == OK) {
            status = path_join(path, folder, entries[i]->d_name);
            if (status == OK)
                status = file_read(path, (size_t)1 << 24, &data, &bytes);
            if (status == OK) {
                LLVMFuzzerTestOneInput(data, bytes);
                ++*count;
            }
            memory_give(data);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        int status = replay_folder(argv[i], &count);
        if (status != OK) {
            fprintf(stderr, "%s\n", fail_text());
            return status_exit_code(status);
        }
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
