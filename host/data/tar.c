/* tar: WebDataset's shards. A sample is the members that follow each other and are called alike up to the first dot of
 * their names; its image is the one that ends in .png, .jpg or .jpeg, its label the text of .cls, a number or a name,
 * or else the folder that its members are in. Members are found once, with libarchive, and read in place later: nothing
 * is ever unpacked. Knows nothing of how images are decoded. */
#include "file.h"
#include "shard.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_tar_name(const char *name)
{
    static const char *const endings[] = {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"};
    for (int i = 0; i < COUNT_OF(endings); i++)
        if (name_ends_with(name, endings[i]))
            return true;
    return false;
}

/* A folder holds shards if it holds nothing else that could be meant: class folders come first. */
bool tar_recognise(const char *path, const struct listing *listing)
{
    bool found = false;
    if (!listing)
        return is_tar_name(path);
    for (int i = 0; i < listing->count; i++) {
        char below[PATH_BYTES];
        if (path_join(below, path, listing->names[i]) != OK || folder_exists(below))
            return false;
        found |= is_tar_name(listing->names[i]);
    }
    return found;
}

enum { SHARDS_MOST = 100000, DIGITS_MOST = 9 };

/* ---- which shards ---- */

struct shards {
    struct arena *arena;
    const char **paths;
    int count, room;
};

static int add_shard(struct shards *shards, const char *path)
{
    if (shards->count == SHARDS_MOST)
        return FAIL(ERR_DATA, "%s: more than %d shards", path, SHARDS_MOST);
    if (shards->count == shards->room) {
        shards->room = shards->room ? 2 * shards->room : 16;
        const char **larger = arena_push(shards->arena, (size_t)shards->room * sizeof *larger);
        if (shards->count)
            memcpy(larger, shards->paths, (size_t)shards->count * sizeof *larger);
        shards->paths = larger;
    }
    shards->paths[shards->count++] = path;
    return OK;
}

/* "a-{08..10}.tar" as a-08.tar, a-09.tar, a-10.tar; several ranges one within the other. */
static int expand(struct shards *shards, const char *path)
{
    int first_at, first_end, second_at, end = 0; /* what follows the numbers may be missing */
    unsigned first, last;
    const char *open = strchr(path, '{');
    if (!open || file_exists(path))
        return add_shard(shards, path);
    if (sscanf(open, "{%n%9u%n..%n%9u}%n", &first_at, &first, &first_end, &second_at, &last, &end) != 2 || end == 0 ||
        first > last || last - first >= SHARDS_MOST)
        return FAIL(ERR_DATA, "%s: a range of shards is written {000..009}, the lower number first", path);
    for (unsigned i = first; i <= last; i++)
        TRY(expand(shards, arena_format(shards->arena, "%.*s%0*u%s", (int)(open - path), path, first_end - first_at, i,
                                        open + end)));
    return OK;
}

int shards_find(struct arena *arena, const char *path, const char ***paths, int *count)
{
    struct shards shards = {.arena = arena};
    TRY(expand(&shards, path));
    *paths = shards.paths;
    *count = shards.count;
    return OK;
}

#ifndef WITH_TAR
int tar_load(struct dataset *dataset, const char *path, const struct listing *listing,
             const struct dataset_options *options, struct problems *problems)
{
    (void)dataset, (void)listing, (void)options, (void)problems;
    return FAIL(
        ERR_UNSUPPORTED,
        "%s: holds tar shards, which this evenkeel was built without; install libarchive-dev and build again, or "
        "unpack them",
        path);
}
#else

static int find_shards(struct shards *shards, const char *path, const struct listing *listing)
{
    if (!listing)
        return expand(shards, path);
    for (int i = 0; i < listing->count; i++) {
        char below[PATH_BYTES];
        TRY(path_join(below, path, listing->names[i]));
        if (is_tar_name(listing->names[i]))
            TRY(add_shard(shards, arena_text(shards->arena, below)));
    }
    return OK;
}

/* ---- samples ---- */

struct samples {
    struct dataset *dataset;
    struct problems *problems;
    const char **labels; /* [room] beside dataset->files and encoded.places */
    int64_t room;
    /* The sample under way. */
    char key[PATH_BYTES];
    const char *file, *label;
    struct place place;
    int images;
};

static int grow(struct samples *samples)
{
    struct dataset *dataset = samples->dataset;
    struct arena *arena = &dataset->arena;
    const size_t count = (size_t)dataset->count, room = count ? 2 * count : 1024;
    const char **labels, **files;
    struct place *places;
    TRY(arena_take(arena, &labels, room * sizeof *labels, dataset->source));
    TRY(arena_take(arena, &files, room * sizeof *files, dataset->source));
    TRY(arena_take(arena, &places, room * sizeof *places, dataset->source));
    if (count) {
        memcpy(labels, samples->labels, count * sizeof *labels);
        memcpy(files, dataset->files, count * sizeof *files);
        memcpy(places, dataset->encoded.places, count * sizeof *places);
    }
    samples->labels = labels;
    dataset->files = files;
    dataset->encoded.places = places;
    samples->room = (int64_t)room;
    return OK;
}

/* The last folder of "a/b/key"; NULL: it is in none, as in "./key". */
static const char *folder_of(struct arena *arena, const char *key)
{
    const char *end = strrchr(key, '/');
    if (!end || end == key)
        return NULL;
    const char *begin = end;
    while (begin > key && begin[-1] != '/')
        begin--;
    if (end - begin == 1 && *begin == '.')
        return NULL;
    return arena_format(arena, "%.*s", (int)(end - begin), begin);
}

static int end_sample(struct samples *samples, const char *shard)
{
    struct dataset *dataset = samples->dataset;
    const char *label = samples->label ? samples->label : folder_of(&dataset->arena, samples->key);
    const char *fault = !samples->key[0]       ? NULL
                        : samples->images == 0 ? "has no image (.png, .jpg, .jpeg)"
                        : samples->images > 1  ? "has several images"
                        : !label || !label[0]  ? "has no label: no member .cls and no folder"
                                               : "";
    if (fault && fault[0]) {
        FAIL(ERR_DATA, "%s: sample '%.300s' %s; members of a sample must follow each other", shard, samples->key,
             fault);
        problems_add_failure(samples->problems, ERR_DATA);
    } else if (fault) {
        if (dataset->count == samples->room)
            TRY(grow(samples));
        samples->labels[dataset->count] = label;
        dataset->files[dataset->count] = samples->file;
        dataset->encoded.places[dataset->count++] = samples->place;
    }
    samples->key[0] = 0;
    samples->images = 0;
    samples->label = samples->file = NULL;
    return OK;
}

static int take_member(void *context, const struct member *member)
{
    struct samples *samples = context;
    struct arena *arena = &samples->dataset->arena;
    const char *base = path_base(member->name), *dot = strchr(base, '.');
    /* Nameless ones ("._x" of a Mac, ".DS_Store") belong to no sample. */
    if (!dot || dot == base)
        return OK;
    const size_t length = (size_t)(dot - member->name);
    if (length != strlen(samples->key) || strncmp(samples->key, member->name, length) != 0) {
        TRY(end_sample(samples, member->archive));
        snprintf(samples->key, sizeof samples->key, "%.*s", (int)length, member->name);
    }
    if (strcmp(dot, ".cls") == 0) {
        samples->label = text_trim(
            arena_format(arena, "%.*s", member->bytes < 256 ? (int)member->bytes : 256, (const char *)member->content));
    } else if (name_ends_with(dot, ".png") || name_ends_with(dot, ".jpg") || name_ends_with(dot, ".jpeg")) {
        samples->file = arena_format(arena, "%s/%s", member->archive, member->name);
        samples->place = (struct place){member->archive, member->offset, member->bytes};
        samples->images++;
    }
    return OK;
}

int tar_load(struct dataset *dataset, const char *path, const struct listing *listing,
             const struct dataset_options *options, struct problems *problems)
{
    (void)options;
    struct shards shards = {.arena = &dataset->arena};
    struct samples samples = {.dataset = dataset, .problems = problems};
    char folder[PATH_BYTES];
    dataset->format = "tar";
    dataset->encoded.root = "";
    TRY(find_shards(&shards, path, listing));
    for (int i = 0; i < shards.count; i++) {
        TRY(shard_read(shards.paths[i], take_member, &samples, problems));
        TRY(end_sample(&samples, shards.paths[i]));
    }
    if (dataset->count == 0 && problems->count == 0)
        return FAIL(ERR_DATA, "%s: the shards hold no sample; expected KEY.png or KEY.jpg and KEY.cls", path);
    const int length = (int)(path_base(shards.paths[0]) - shards.paths[0]);
    snprintf(folder, sizeof folder, "%.*s", length, length ? shards.paths[0] : ".");
    return labels_assign(dataset, samples.labels, dataset->files, length ? folder : ".", problems);
}
#endif
