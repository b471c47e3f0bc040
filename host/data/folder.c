/* folder: class folders of image files, in torchvision ImageFolder's order and by its rules: a class is a folder in the
 * root, names sorted by byte value; in a class all folders below it, sorted by path, then by file name; files in the
 * root itself are ignored. What is hidden, which ImageFolder reads, is left out: copies made by editors
 * (.ipynb_checkpoints), what a Mac leaves beside each file (._x.png). What ImageFolder passes over in silence (a folder
 * that cannot be read) or reads again (one that a link leads to a second time within a class) is an error here. Knows
 * nothing of how images are decoded. */
#include "file.h"
#include "formats.h"
#include "log.h"
#include "order.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The endings that ImageFolder takes for images. What kind it is is found out from its content. */
static const char *const endings[] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};

enum { OTHERS_MOST = 8, ENDING_BYTES = 12 };

/* Files that are passed over because of how their names end; ImageFolder is silent about them. */
struct others {
    struct {
        char ending[ENDING_BYTES]; /* "": none */
        int64_t count;
    } kinds[OTHERS_MOST]; /* in the order they were met; what has no place is in the count alone */
    int kind_count;
    int64_t count;
};

struct image_file {
    const char *folder; /* relative to the root */
    const char *name;
    int label;
};

struct walk {
    struct arena *arena; /* of the data set */
    const char *root;
    struct problems *problems;
    struct image_file *files;
    int64_t count, room;
    int label;
    struct walked walked; /* the root and the folders of the class */
    struct others others;
    struct hidden {
        int64_t count;
        const char *first; /* relative to the root */
    } hidden;              /* folders, and files that end as images do */
};

int listing_read(struct listing *listing, struct arena *arena, const char *folder)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return FAIL(ERR_NO_INPUT, "%s: cannot open the folder: %s", folder, strerror(errno));
    const char **names = NULL;
    int count = 0, room = 0;
    struct dirent *entry;
    while (errno = 0, (entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (count == room) {
            room = room ? 2 * room : 64;
            const char **larger = arena_push(arena, (size_t)room * sizeof *names);
            if (count)
                memcpy(larger, names, (size_t)count * sizeof *names);
            names = larger;
        }
        names[count++] = arena_text(arena, entry->d_name);
    }
    int reason = errno;
    closedir(stream);
    if (reason)
        return FAIL(ERR_IO, "%s: cannot read the folder: %s", folder, strerror(reason));
    sort_names(names, count);
    *listing = (struct listing){names, count};
    return OK;
}

bool name_ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), wanted = strlen(ending);
    return length >= wanted && strcasecmp(name + length - wanted, ending) == 0;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.';
}

bool is_image_name(const char *name)
{
    for (int i = 0; i < COUNT_OF(endings); i++)
        if (name_ends_with(name, endings[i]))
            return true;
    return false;
}

int image_files(struct arena *arena, const char *folder, char ***files, int *count)
{
    struct listing listing;
    char path[PATH_BYTES];
    TRY(listing_read(&listing, arena, folder));
    *count = 0;
    TRY(arena_take(arena, files, (size_t)listing.count * sizeof **files, folder));
    for (int i = 0; i < listing.count; i++) {
        TRY(path_join(path, folder, listing.names[i]));
        if (is_image_name(listing.names[i]) && !is_hidden(listing.names[i]) && !folder_exists(path))
            (*files)[(*count)++] = arena_text(arena, path);
    }
    return *count > 0 ? OK
                      : FAIL(ERR_DATA, "%s: no image lies in this folder itself; name the folder that holds the images",
                             folder);
}

static void walk_add(struct walk *walk, const char *folder, const char *name)
{
    if (walk->count == walk->room) {
        walk->room = walk->room ? 2 * walk->room : 1024;
        struct image_file *larger = arena_push(walk->arena, (size_t)walk->room * sizeof *larger);
        if (walk->count)
            memcpy(larger, walk->files, (size_t)walk->count * sizeof *larger);
        walk->files = larger;
    }
    walk->files[walk->count++] = (struct image_file){folder, name, walk->label};
}

/* Hidden files are nobody's images. */
static void others_add(struct others *others, const char *name)
{
    const char *dot = strrchr(name, '.');
    int k = 0;
    if (is_hidden(name))
        return;
    if (!dot || strlen(dot) >= ENDING_BYTES)
        dot = "";
    while (k < others->kind_count && strcasecmp(others->kinds[k].ending, dot) != 0)
        k++;
    if (k == others->kind_count && k < OTHERS_MOST)
        strcpy(others->kinds[others->kind_count++].ending, dot);
    if (k < OTHERS_MOST)
        others->kinds[k].count++;
    others->count++;
}

/* Once, with the number of each kind. */
static void others_tell(const struct others *others, const char *path)
{
    char text[OTHERS_MOST * (ENDING_BYTES + 32) + 64] = "";
    int64_t rest = others->count;
    size_t used = 0;
    if (others->count == 0)
        return;
    for (int k = 0; k < others->kind_count; rest -= others->kinds[k++].count)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %lld", k ? ", " : "",
                                 others->kinds[k].ending[0] ? others->kinds[k].ending : "no ending",
                                 (long long)others->kinds[k].count);
    if (rest > 0)
        snprintf(text + used, sizeof text - used, ", others %lld", (long long)rest);
    log_warn("%s: %lld file%s in the class folders %s left out, whose names do not end as an image's does: %s", path,
             (long long)others->count, others->count == 1 ? "" : "s", others->count == 1 ? "is" : "are", text);
}

static void hidden_add(struct hidden *hidden, const char *first)
{
    if (hidden->count++ == 0)
        hidden->first = first;
}

static void hidden_tell(const struct hidden *hidden, const char *path)
{
    if (hidden->count > 0)
        log_warn("%s: %lld hidden folder%s or image%s left out: %s%s", path, (long long)hidden->count,
                 hidden->count == 1 ? "" : "s", hidden->count == 1 ? " is" : "s are", hidden->first,
                 hidden->count == 1 ? "" : ", …");
}

static void walk_folder(struct walk *walk, const char *folder);

/* One entry of a folder: a folder is walked, an image is kept, anything else counted. What is wrong with it is a
 * problem; only running out of path is a failure. */
static void walk_entry(struct walk *walk, const char *folder, const char *name)
{
    char path[PATH_BYTES], below[PATH_BYTES];
    struct stat info;
    if (path_join(below, folder, name) < 0 || path_join(path, walk->root, below) < 0) {
        problems_add_failure(walk->problems, ERR_DATA);
        return;
    }
    const bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (is_hidden(name) && (is_folder || is_image_name(name))) {
        hidden_add(&walk->hidden, arena_text(walk->arena, below));
    } else if (is_folder) {
        const int status = walked_add(&walk->walked, path, &info);
        if (status == OK)
            walk_folder(walk, arena_text(walk->arena, below));
        else
            problems_add_failure(walk->problems, status);
    } else if (is_image_name(name)) {
        walk_add(walk, folder, name);
    } else {
        others_add(&walk->others, name);
    }
}

static void walk_folder(struct walk *walk, const char *folder)
{
    char path[PATH_BYTES];
    struct listing listing = {0};
    int status = path_join(path, walk->root, folder);
    if (status == OK)
        status = listing_read(&listing, walk->arena, path);
    if (status != OK)
        problems_add_failure(walk->problems, status);
    for (int i = 0; i < listing.count; i++)
        walk_entry(walk, folder, listing.names[i]);
}

static int compare_files(const void *a, const void *b)
{
    const struct image_file *x = a, *y = b;
    if (x->label != y->label)
        return x->label - y->label;
    int order = strcmp(x->folder, y->folder);
    return order ? order : strcmp(x->name, y->name);
}

static const char *part_of(const struct dataset *dataset, const char *const *names, int count)
{
    for (int i = 0; i < dataset->class_count; i++)
        for (int k = 0; k < count; k++)
            if (strcasecmp(dataset->class_names[i], names[k]) == 0)
                return dataset->class_names[i];
    return NULL;
}

/* A folder of nothing but the parts of a data set looks like one of classes. */
static int refuse_parts(const struct dataset *dataset, const char *path)
{
    static const char *const train_names[] = {"train", "training"}, *const val_names[] = {"val", "valid", "validation"},
                             *const test_names[] = {"test", "testing"};
    const char *train = part_of(dataset, train_names, COUNT_OF(train_names));
    const char *val = part_of(dataset, val_names, COUNT_OF(val_names));
    const char *test = part_of(dataset, test_names, COUNT_OF(test_names));
    if (!train || !(val || test) || dataset->class_count != 1 + (val != NULL) + (test != NULL))
        return OK;
    val = val ? val : test;
    return FAIL(ERR_DATA,
                "%s: holds '%s' and '%s', which are parts of a data set and no classes; name them by themselves: "
                "data.train=%s/%s data.val=%s/%s",
                path, train, val, path, train, path, val);
}

/* Folders in the root are the classes. An image beside them has none. */
static int find_classes(struct dataset *dataset, const char *path, const struct listing *listing, struct hidden *hidden)
{
    int loose = 0;
    dataset->class_names = arena_push(&dataset->arena, (size_t)listing->count * sizeof *dataset->class_names);
    for (int i = 0; i < listing->count; i++) {
        char below[PATH_BYTES];
        TRY(path_join(below, path, listing->names[i]));
        const bool is_folder = folder_exists(below);
        if (is_folder && is_hidden(listing->names[i]))
            hidden_add(hidden, listing->names[i]);
        else if (is_folder)
            dataset->class_names[dataset->class_count++] = listing->names[i];
        else
            loose += is_image_name(listing->names[i]) && !is_hidden(listing->names[i]);
    }
    if (dataset->class_count == 0)
        return FAIL(ERR_DATA,
                    "%s: holds no class folders (and no tar, IDX or CIFAR files); expected %s/<class>/<image>.jpg or "
                    ".png. A list of paths and labels must be named itself: %s/list.txt",
                    path, path, path);
    TRY(refuse_parts(dataset, path));
    if (loose > 0)
        log_warn("%s: %d image%s beside the class folders %s left out: %s in none of them", path, loose,
                 loose == 1 ? "" : "s", loose == 1 ? "is" : "are", loose == 1 ? "it is" : "they are");
    return OK;
}

/* Every image of one class. */
static int walk_class(struct walk *walk, const char *name)
{
    const int64_t images = walk->count, before = walk->problems->count;
    char path[PATH_BYTES];
    struct stat info;
    TRY(path_join(path, walk->root, name));
    if (stat(path, &info) != 0)
        return FAIL(ERR_NO_INPUT, "%s: %s", path, strerror(errno));
    TRY(walked_add(&walk->walked, path, &info));
    walk_folder(walk, name);
    if (walk->count == images && walk->problems->count == before)
        return FAIL(ERR_DATA, "%s: class '%s' has no image; add PNG or JPEG files to it or remove the folder", path,
                    name);
    return OK;
}

/* Every image of every class, sorted. */
static int find_files(struct dataset *dataset, const char *path, const struct listing *listing,
                      struct problems *problems, struct walk *walk)
{
    struct stat info;
    *walk = (struct walk){.arena = &dataset->arena, .root = path, .problems = problems};
    TRY(find_classes(dataset, path, listing, &walk->hidden));
    if (stat(path, &info) != 0)
        return FAIL(ERR_NO_INPUT, "%s: %s", path, strerror(errno));
    for (walk->label = 0; walk->label < dataset->class_count; walk->label++) {
        int status = walked_add(&walk->walked, path, &info);
        if (status == OK)
            status = walk_class(walk, dataset->class_names[walk->label]);
        walked_free(&walk->walked);
        TRY(status);
    }
    others_tell(&walk->others, path);
    hidden_tell(&walk->hidden, path);
    qsort(walk->files, (size_t)walk->count, sizeof *walk->files, compare_files);
    return OK;
}

bool folder_recognise(const char *path, const struct listing *listing)
{
    (void)path;
    return listing != NULL;
}

int folder_load(struct dataset *dataset, const char *path, const struct listing *listing,
                const struct dataset_options *options, struct problems *problems)
{
    (void)options;
    struct walk walk;
    dataset->format = "folder";
    dataset->encoded = (struct encoded){.root = dataset->source};
    TRY(find_files(dataset, path, listing, problems, &walk));
    dataset->count = walk.count;
    TRY(memory_take(&dataset->labels, (size_t)walk.count * sizeof *dataset->labels, path));
    TRY(arena_take(&dataset->arena, &dataset->files, (size_t)walk.count * sizeof *dataset->files, path));
    for (int64_t i = 0; i < walk.count; i++) {
        dataset->files[i] = arena_format(&dataset->arena, "%s/%s", walk.files[i].folder, walk.files[i].name);
        dataset->labels[i] = walk.files[i].label;
    }
    return OK;
}
