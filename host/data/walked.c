/* walked: the folders that a walk has been to, whatever names lead to them. Knows nothing of what is in them. */
#include "formats.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct met {
    dev_t device;
    ino_t inode;
    char path[];
};

static int compare_met(const void *a, const void *b)
{
    const struct met *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

int walked_add(struct walked *walked, const char *path, const struct stat *info)
{
    const size_t bytes = strlen(path) + 1;
    struct met *here = malloc(sizeof *here + bytes);
    struct met **found = NULL;
    if (here) {
        here->device = info->st_dev;
        here->inode = info->st_ino;
        memcpy(here->path, path, bytes);
        found = tsearch(here, &walked->tree, compare_met);
    }
    if (found && *found == here)
        return OK;
    free(here);
    return found ? FAIL(ERR_DATA, "%s: is the folder %s once more; remove the link", path, (*found)->path)
                 : FAIL(ERR_MEMORY, "%s: no memory for the list of folders", path);
}

void walked_free(struct walked *walked)
{
    tdestroy(walked->tree, free);
    walked->tree = NULL;
}
