/* cache: whether the packed copy of a data set may be used in its place: where it lies, and whether the source is still
 * as it was. Knows nothing of a pack's layout. */
#include "file.h"
#include "formats.h"
#include "log.h"
#include "parallel.h"

#include <errno.h>
#include <fts.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

int cache_path(char *path, const char *source, const struct dataset_options *options)
{
    const char *part = options->train_part ? "train" : "val";
    if (options->cache && strcmp(options->cache, "auto") != 0) {
        char name[16];
        snprintf(name, sizeof name, "%s.pack", part);
        return path_join(path, options->cache, name);
    }
    size_t length = strlen(source);
    while (length > 1 && source[length - 1] == '/')
        length--;
    /* A source that is called as its part is called by it already. */
    const size_t named = strlen(part);
    const bool apart = length < named || strncmp(source + length - named, part, named) != 0 ||
                       (length > named && source[length - named - 1] != '/');
    if (snprintf(path, PATH_BYTES, "%.*s%s%s.pack", (int)length, source, apart ? "." : "", apart ? part : "") >=
        PATH_BYTES)
        return FAIL(ERR_CREATE, "%.64s…: the path is longer than %d bytes; use a shorter one", source, PATH_BYTES - 1);
    return OK;
}

/* ---- the fingerprint ---- */

/* Of one file. Files are added up, so that their order does not matter. */
static uint64_t hash_file(const char *name, const struct stat *info)
{
    const int64_t numbers[] = {info->st_size, info->st_mtim.tv_sec, info->st_mtim.tv_nsec};
    uint64_t hash = hash_bytes(HASH_BEGIN, name, strlen(name) + 1);
    hash = hash_bytes(hash, numbers, sizeof numbers);
    return hash ^ hash >> 29;
}

struct tree {
    const char *root;
    const struct listing *listing;
    _Atomic uint64_t sum;
};

/* All below one entry of the root. */
static int hash_entry(void *context, int64_t i)
{
    struct tree *tree = context;
    char path[PATH_BYTES];
    TRY(path_join(path, tree->root, tree->listing->names[i]));
    char *const start[] = {path, NULL};
    FTS *walk = fts_open(start, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return FAIL(ERR_IO, "%s: %s", path, strerror(errno));
    const size_t skipped = strlen(path) - strlen(tree->listing->names[i]);
    uint64_t sum = 0;
    struct walked walked = {0};
    for (FTSENT *entry; (entry = fts_read(walk));)
        if (entry->fts_info == FTS_D && walked_add(&walked, entry->fts_path, entry->fts_statp) < 0)
            fts_set(walk, entry, FTS_SKIP);
        else if (entry->fts_info == FTS_F && !name_ends_with(entry->fts_name, ".pack"))
            sum += hash_file(entry->fts_path + skipped, entry->fts_statp);
    walked_free(&walked);
    fts_close(walk);
    tree->sum += sum;
    return OK;
}

static int hash_list(const char *path, uint64_t *sum)
{
    struct dataset list = {0};
    struct problems problems = {.arena = &list.arena};
    list.source = arena_text(&list.arena, path);
    int status = list_load(&list, path, NULL, NULL, &problems);
    for (int64_t i = 0; status == OK && i < list.count; i++) {
        struct stat info = {0};
        char file[PATH_BYTES];
        status = path_join(file, list.files[i][0] == '/' ? "" : list.encoded.root, list.files[i]);
        if (status == OK && stat(file, &info) == 0)
            *sum += hash_file(list.files[i], &info);
    }
    dataset_close(&list);
    return status;
}

/* classes.txt beside a list or shards, which decides what their labels mean; it need not be there. */
static int hash_classes(const char *beside, uint64_t *sum)
{
    struct stat info;
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%.*sclasses.txt", (int)(path_base(beside) - beside), beside) >= PATH_BYTES)
        return FAIL(ERR_DATA, "%.64s…: the path is longer than %d bytes; use a shorter one", beside, PATH_BYTES - 1);
    if (stat(path, &info) == 0)
        *sum += hash_file(path_base(path), &info);
    return OK;
}

static int hash_files(const char *const *paths, int count, uint64_t *sum)
{
    struct stat info;
    for (int i = 0; i < count; i++) {
        if (stat(paths[i], &info) != 0)
            return FAIL(ERR_NO_INPUT, "%s: %s", paths[i], strerror(errno));
        *sum += hash_file(path_base(paths[i]), &info);
    }
    return OK;
}

int source_fingerprint(const char *source, const struct dataset_options *options, uint64_t *fingerprint)
{
    struct arena arena = {0};
    const int settings[] = {options->resize, options->train_part};
    uint64_t sum = 0;
    int status = OK;
    if (folder_exists(source)) {
        struct listing listing;
        status = listing_read(&listing, &arena, source);
        struct tree tree = {.root = source, .listing = &listing};
        if (status == OK)
            status = parallel_for(listing.count, options->threads, hash_entry, &tree);
        sum = tree.sum;
    } else {
        const char **shards;
        int count;
        status = shards_find(&arena, source, &shards, &count);
        if (status == OK)
            status = hash_files(shards, count, &sum);
        if (status == OK)
            status = hash_classes(count > 0 ? shards[0] : source, &sum);
        if (status == OK && list_recognise(source, NULL))
            status = hash_list(source, &sum);
    }
    arena_free(&arena);
    *fingerprint = hash_bytes(sum, settings, sizeof settings);
    return status;
}

/* ---- use ---- */

int cache_find(char path[static PATH_BYTES], const char *source, const struct dataset_options *options, bool *found)
{
    *found = false;
    if (!options->cache || strcmp(options->cache, "off") == 0)
        return OK;
    TRY(cache_path(path, source, options));
    if (!file_exists(path))
        return OK;
    uint64_t packed, now;
    int64_t skipped;
    TRY(pack_fingerprint(path, &packed, &skipped));
    /* Where only the copy was brought along it is all there is. */
    if (!file_exists(source) && !strchr(source, '{')) {
        log_info("%s is not there; its packed copy %s is used", source, path);
        *found = true;
        return OK;
    }
    TRY(source_fingerprint(source, options, &now));
    *found = packed == now;
    if (*found)
        return OK;
    if (strcmp(options->cache, "auto") != 0)
        return FAIL(ERR_DATA,
                    "%s: was made from other files or settings than %s has now; make it anew with `evenkeel pack`, or "
                    "set data.cache = off",
                    path, source);
    log_warn("%s: was made from other files or settings than %s has now and is not used; make it anew with "
             "`evenkeel pack`",
             path, source);
    return OK;
}
