/* formats: what the readers of the single formats promise to dataset.c. Private to host/data. */
#ifndef FORMATS_H
#define FORMATS_H
#include "data.h"
#include "file.h"

enum { IMAGE_BYTES_MAX = 1 << 30 }; /* of an image file */

/* The names in a folder, sorted by byte value (as Python sorts str), "." and ".." left out. */
struct listing {
    const char **names;
    int count;
};
int listing_read(struct listing *listing, struct arena *arena, const char *folder);
bool name_ends_with(const char *name, const char *ending); /* ASCII letter case ignored */
bool is_image_name(const char *name);                      /* as torchvision's ImageFolder takes them */

/* The folders that a walk has been to, to go to each once: links that double a folder, each in the folder before, make
 * 2^n paths of n folders. Zero-initialise. ERR_DATA names where it was met before. */
struct walked {
    void *tree;
};
struct stat;
int walked_add(struct walked *walked, const char *path, const struct stat *info);
void walked_free(struct walked *walked);

/* What cannot be used, found one after the other, told together. Texts live in the arena. */
struct problems {
    struct arena *arena;
    const char **texts;
    int64_t count, room;
    int status; /* of the first */
};
void problems_add(struct problems *problems, int status, const char *text);
/* fail_text() with the status of the call that left it. */
void problems_add_failure(struct problems *problems, int status);
/* OK where there are none, or where they may be skipped: then dataset->skipped names them. Else the first few go to
 * stderr, and the failure counts them. */
int problems_settle(const struct problems *problems, struct dataset *dataset, bool skip);

/* One row of the table of formats. Loaders fill everything in *dataset but source; what they took is freed by
 * dataset_close, after failure too. A loader of encoded images leaves pixels and image to dataset.c. */
struct format {
    /* Whether path is of this format, by content or by a name that says so. listing: of a folder, else NULL. */
    bool (*recognise)(const char *path, const struct listing *listing);
    int (*load)(struct dataset *dataset, const char *path, const struct listing *listing,
                const struct dataset_options *options, struct problems *problems);
};
bool idx_recognise(const char *path, const struct listing *listing);
int idx_load(struct dataset *dataset, const char *path, const struct listing *listing,
             const struct dataset_options *options, struct problems *problems);
bool cifar_recognise(const char *path, const struct listing *listing);
int cifar_load(struct dataset *dataset, const char *path, const struct listing *listing,
               const struct dataset_options *options, struct problems *problems);
bool tar_recognise(const char *path, const struct listing *listing);
int tar_load(struct dataset *dataset, const char *path, const struct listing *listing,
             const struct dataset_options *options, struct problems *problems);
bool list_recognise(const char *path, const struct listing *listing);
int list_load(struct dataset *dataset, const char *path, const struct listing *listing,
              const struct dataset_options *options, struct problems *problems);
bool pack_recognise(const char *path, const struct listing *listing);
int pack_load(struct dataset *dataset, const char *path, const struct listing *listing,
              const struct dataset_options *options, struct problems *problems);
bool folder_recognise(const char *path, const struct listing *listing);
int folder_load(struct dataset *dataset, const char *path, const struct listing *listing,
                const struct dataset_options *options, struct problems *problems);

/* Encoded images (encoded, files, labels, count are there): finds their size, by options->resize or the first that can
 * be decoded. */
void encoded_find_size(struct dataset *dataset, const struct dataset_options *options);
/* Decodes each, keeps the pixels where they fit options->memory, adds to problems what cannot be decoded and leaves it
 * out. */
int encoded_load(struct dataset *dataset, const struct dataset_options *options, struct problems *problems);
/* Records in so many files: of each skip bytes, then its pixels (planes: [c][h][w]). Files are added in order: path,
 * bytes before its first record, and how many records the files before it hold. */
struct raw *raw_begin(struct dataset *dataset, int files, int64_t skip, bool planes);
int raw_add(struct dataset *dataset, const char *path, int64_t header, int64_t first);
void raw_close(struct dataset *dataset); /* accepts a data set without */
/* Brings them into pixels where they fit options->memory, else measures them. */
int raw_load(struct dataset *dataset, const struct dataset_options *options);
int raw_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels);
/* Pixels of a packed data set are used as they lie in the file where they fit options->memory, and checked then. */
int pack_hold(struct dataset *dataset, const struct dataset_options *options);
/* One of them, as the data set has it. */
int encoded_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels);
/* Closes the gaps of samples that are left out: keep [count], count as before. */
void encoded_keep(struct dataset *dataset, const bool *keep);
/* Numbers the classes of samples by their labels as they are written: text [count]. Where all are numbers, these are
 * the class numbers; else names, sorted by byte value. A file classes.txt in folder, a name a line, says instead which
 * class has which number, for numbers and names. Takes dataset->labels. What cannot be a label is a problem that names
 * where [count], and is left out. */
int labels_assign(struct dataset *dataset, const char *const *text, const char *const *where, const char *folder,
                  struct problems *problems);
/* Where the labels are numbers of which more than half do not occur. */
void labels_warn_of_gaps(const struct dataset *dataset);

/* The shards that a path with ranges {000..009} means, in order; another path is itself. */
int shards_find(struct arena *arena, const char *path, const char ***paths, int *count);

/* The packed copy to use in place of a source, by options->cache: found only if it was made from the source as it is
 * now. One that is there and cannot be trusted is an error or a warning that names it. */
int cache_find(char path[static PATH_BYTES], const char *source, const struct dataset_options *options, bool *found);

/* Takes dataset->pixels for count images of dataset->image, and labels unless they are there. */
int dataset_take(struct dataset *dataset, int64_t count, uint8_t **pixels);
/* Class names "0", "1", …; sets class_count. */
void dataset_number_classes(struct dataset *dataset, int count);

/* Four bytes as PNG and IDX files have numbers. */
static inline uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* torchvision's Resize(size), then CenterCrop. Both write [out_h][out_w][channels] to out. */
int image_fit(const uint8_t *pixels, int height, int width, int channels, int size, int out_h, int out_w, uint8_t *out);
#endif
