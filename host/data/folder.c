/* folder: class folders of image files, in torchvision ImageFolder's order and by its rules: a class is a folder in the
 * root (hidden ones too), names sorted by byte value; in a class all folders below it, sorted by path, then by file
 * name; files in the root itself are ignored. What ImageFolder passes over in silence (a folder that cannot be read, a
 * link that leads back to a folder above it) is an error here. Knows nothing of how a PNG is decoded. */
#include "file.h"
#include "formats.h"
#include "parallel.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The endings that ImageFolder takes for images. Whether a file is a PNG is found out from its content. */
static const char *const endings[] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};

struct image_file {
    const char *folder; /* relative to the root */
    const char *name;
    int label;
};

struct walk {
    struct arena *arena; /* of the data set */
    const char *root;
    struct image_file *files;
    int64_t count, room;
    int label;
};

/* The folders from the root down to the one being read, to notice a link that leads back up. */
struct above {
    const struct above *next;
    dev_t device;
    ino_t inode;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

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
    if (count)
        qsort(names, (size_t)count, sizeof *names, compare_names);
    *listing = (struct listing){names, count};
    return OK;
}

bool name_ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), wanted = strlen(ending);
    return length >= wanted && strcasecmp(name + length - wanted, ending) == 0;
}

static bool is_image_name(const char *name)
{
    for (int i = 0; i < COUNT_OF(endings); i++)
        if (name_ends_with(name, endings[i]))
            return true;
    return false;
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

static int walk_folder(struct walk *walk, const char *folder, const struct above *above);

/* One entry of a folder: a folder is walked, an image is kept, anything else ignored. */
static int walk_entry(struct walk *walk, const char *folder, const char *name, const struct above *above)
{
    char path[PATH_BYTES], below[PATH_BYTES];
    TRY(path_join(below, folder, name));
    TRY(path_join(path, walk->root, below));
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        for (const struct above *a = above; a; a = a->next)
            if (a->device == info.st_dev && a->inode == info.st_ino)
                return FAIL(ERR_DATA, "%s: is a link to a folder that contains it; remove the link", path);
        const struct above here = {above, info.st_dev, info.st_ino};
        return walk_folder(walk, arena_text(walk->arena, below), &here);
    }
    if (is_image_name(name))
        walk_add(walk, folder, name);
    return OK;
}

static int walk_folder(struct walk *walk, const char *folder, const struct above *above)
{
    char path[PATH_BYTES];
    TRY(path_join(path, walk->root, folder));
    struct listing listing;
    TRY(listing_read(&listing, walk->arena, path));
    for (int i = 0; i < listing.count; i++)
        TRY(walk_entry(walk, folder, listing.names[i], above));
    return OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct image_file *x = a, *y = b;
    if (x->label != y->label)
        return x->label - y->label;
    int order = strcmp(x->folder, y->folder);
    return order ? order : strcmp(x->name, y->name);
}

/* Folders in the root are the classes. */
static int find_classes(struct dataset *dataset, const char *path, struct above *root)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return FAIL(ERR_NO_INPUT, "%s: %s; data.train and data.val name folders", path, strerror(errno));
    *root = (struct above){NULL, info.st_dev, info.st_ino};
    struct listing listing;
    TRY(listing_read(&listing, &dataset->arena, path));
    dataset->class_names = arena_push(&dataset->arena, (size_t)listing.count * sizeof *dataset->class_names);
    dataset->class_count = 0;
    for (int i = 0; i < listing.count; i++) {
        char below[PATH_BYTES];
        TRY(path_join(below, path, listing.names[i]));
        if (folder_exists(below))
            dataset->class_names[dataset->class_count++] = listing.names[i];
    }
    if (dataset->class_count == 0)
        return FAIL(ERR_DATA, "%s: holds no class folders (and no IDX or CIFAR files); expected %s/<class>/<image>.png",
                    path, path);
    return OK;
}

/* Every image of every class, sorted. */
static int find_files(struct dataset *dataset, const char *path, struct walk *walk)
{
    struct above root;
    TRY(find_classes(dataset, path, &root));
    *walk = (struct walk){.arena = &dataset->arena, .root = path};
    for (int class = 0; class < dataset->class_count; class ++) {
        int64_t before = walk->count;
        walk->label = class;
        const char *name = dataset->class_names[class];
        char below[PATH_BYTES];
        struct stat info;
        TRY(path_join(below, path, name));
        if (stat(below, &info) != 0)
            return FAIL(ERR_NO_INPUT, "%s: %s", below, strerror(errno));
        if (info.st_dev == root.device && info.st_ino == root.inode)
            return FAIL(ERR_DATA, "%s: is a link to a folder that contains it; remove the link", below);
        const struct above here = {&root, info.st_dev, info.st_ino};
        TRY(walk_folder(walk, name, &here));
        if (walk->count == before)
            return FAIL(ERR_DATA, "%s: class '%s' has no image; add PNG files to it or remove the folder", below, name);
    }
    qsort(walk->files, (size_t)walk->count, sizeof *walk->files, compare_files);
    return OK;
}

struct decoding {
    struct dataset *dataset;
    int resize, first_height, first_width;
};

static int decode_one(void *context, int64_t i)
{
    const struct decoding *decoding = context;
    const struct dataset *dataset = decoding->dataset;
    char path[PATH_BYTES];
    TRY(path_join(path, dataset->source, dataset->files[i]));
    uint8_t *pixels;
    int height, width, status = OK;
    TRY(png_read(path, &pixels, &height, &width));
    struct shape image = dataset->image;
    uint8_t *to = dataset->pixels + (size_t)i * (size_t)shape_count(image);
    if (decoding->resize)
        status = image_fit(pixels, height, width, 3, decoding->resize, image.h, image.w, to);
    else if (height == image.h && width == image.w)
        memcpy(to, pixels, (size_t)shape_count(image));
    else
        status = FAIL(ERR_DATA,
                      "%s: images differ in size: %s is %dx%d but %s is %dx%d (width x height); set data.resize=N to "
                      "bring all to NxN",
                      dataset->source, dataset->files[0], image.w, image.h, dataset->files[i], width, height);
    memory_give(pixels);
    return status;
}

static int decode_all(struct dataset *dataset, const struct dataset_options *options)
{
    struct decoding decoding = {.dataset = dataset, .resize = options->resize};
    dataset->image = (struct shape){1, options->resize, options->resize, 3};
    if (!options->resize) {
        char path[PATH_BYTES];
        uint8_t *pixels;
        TRY(path_join(path, dataset->source, dataset->files[0]));
        TRY(png_read(path, &pixels, &dataset->image.h, &dataset->image.w));
        memory_give(pixels);
    }
    TRY(dataset_take(dataset, dataset->count));
    return parallel_for(dataset->count, options->threads, decode_one, &decoding);
}

int folder_load(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    struct walk walk;
    dataset->format = "folder";
    TRY(find_files(dataset, path, &walk));
    dataset->count = walk.count;
    dataset->files = arena_push(&dataset->arena, (size_t)walk.count * sizeof *dataset->files);
    for (int64_t i = 0; i < walk.count; i++)
        dataset->files[i] = arena_format(&dataset->arena, "%s/%s", walk.files[i].folder, walk.files[i].name);
    TRY(decode_all(dataset, options));
    for (int64_t i = 0; i < walk.count; i++)
        dataset->labels[i] = walk.files[i].label;
    return OK;
}
