/* data: labelled images, in memory or read again whenever they are wanted.
 * Level 2: includes op, config types by name only. */
#ifndef DATA_H
#define DATA_H
#include "op.h"

/* Sums over the bytes of one image, by channel: exact, so that any order of adding gives the same. */
struct image_sums {
    uint64_t sum[4], squares[4];
};

/* Where a file lies within an archive. */
struct place {
    const char *archive; /* path */
    int64_t offset, bytes;
};
/* How the encoded images (PNG, JPEG) of a data set are read again. Private to host/data. */
struct encoded {
    const char *root;     /* files are below it, or "" where they are whole paths. NULL: no encoded images */
    struct place *places; /* [count]; NULL: files lie as they are */
    const char **where;   /* [count] the line of a list that names it, "list.txt:7"; NULL: there is no list */
    int resize;
    const char *measured; /* resize 0: the file that says how large all are */
};

/* Images that lie in files as they are, one record after the other. Private to host/data. */
struct raw_file {
    const char *path;
    int64_t header, first; /* bytes before its first record, and the number of that among all */
    int descriptor;        /* -1: closed */
};
struct raw {
    struct raw_file *files; /* [file_count] */
    int file_count;
    int64_t skip;      /* bytes of a record before its pixels */
    bool planes;       /* pixels [c][h][w], else [h][w][c] */
    uint8_t *unpacked; /* all records in memory, without header and skip; NULL: they are read from the files */
};

/* All images of one folder or file set, equal in shape. */
struct dataset {
    struct arena arena;
    const char *source; /* path */
    const char *format; /* "folder", "list", "tar", "idx", "cifar10", "cifar100", "pack" */
    struct shape image; /* {1, h, w, c}, c 1 or 3 */
    int64_t count;
    int class_count;
    const char **class_names; /* [class_count]; IDX: "0", "1", … */
    const uint8_t *pixels;    /* [count][h][w][c]; NULL: not held in memory, dataset_image reads them */
    int32_t *labels;          /* [count] */
    const char **files;       /* [count] path relative to source, or NULL */
    /* [count] or NULL: to be taken of pixels */
    struct image_sums *sums;
    bool *turned; /* [count] its EXIF data say that it is to be turned, which it is not; NULL: not known */
    /* What data.on_error = skip left out: "path: reason" each. */
    const char **skipped;
    int64_t skipped_count;
    struct encoded encoded;
    struct raw *raw;           /* NULL: there are none, or all are in pixels */
    struct problems *problems; /* found so far; private to host/data */
    struct shape stored;       /* of records, before they are brought to image */
    int64_t held;              /* bytes of pixels in memory */
    const struct pack *pack;   /* of a packed data set; private to host/data */
    const char *packed_in;     /* its path */
    void *owned;               /* pixels where they were taken with memory_take */
    void *mapping;             /* where they are mapped */
    size_t mapping_bytes;
};

struct dataset_options {
    int resize;  /* 0: images must all have one size. N: short side to N (PIL's antialiased bilinear), centre crop N x N
                  */
    int threads; /* decoding, 0: all */
    bool train_part; /* IDX, CIFAR: which of the two parts of a folder that holds both */
    bool skip;       /* leave out what cannot be used rather than refuse the data set */
    /* NULL, "off": none. "auto": packed copies beside their sources. Else a folder with train.pack and val.pack */
    const char *cache;
    int64_t memory; /* bytes that pixels may take; images that need more are not held. 0: any number */
};

/* Finds out, from content, what a path names (a class folder in torchvision ImageFolder's order, a list, tar shards, a
 * folder with IDX or CIFAR files, a packed file), and what is in it: classes, labels, number and size of the images.
 * No image is decoded but the first that can be, where nothing else tells the size: image.h is 0 if there is none. */
int dataset_find(struct dataset *dataset, const char *path, const struct dataset_options *options);
/* Whether some of it is known to be of no use before the images are read: how many are left is not known then. */
bool dataset_has_problems(const struct dataset *dataset);
/* Then the images: each is decoded once, so that all that cannot be used is named now, the first few on stderr, the
 * rest counted, or left out of what was found. ERR_CONFIG: data.resize is missing or wrong. */
int dataset_read(struct dataset *dataset, const struct dataset_options *options);
/* Both. dataset_close accepts a zeroed struct, and what a failure of these left. */
int dataset_open(struct dataset *dataset, const char *path, const struct dataset_options *options);
void dataset_close(struct dataset *dataset);
/* The pixels of one sample, [h][w][c], wherever they are; from any thread. The error names the file. */
int dataset_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels);
void image_sums_take(struct image_sums *sums, const uint8_t *pixels, struct shape image);

/* ---- packed data sets: one file, mapped, ready to be used ---- */

/* Where the packed copy of a source lies: beside it as SOURCE.train.pack or .val.pack, but as train.pack or val.pack
 * where it is called train or val, or in the folder options->cache. path: PATH_BYTES. */
int cache_path(char *path, const char *source, const struct dataset_options *options);
/* A number that changes with the names, sizes and times of a source's files and with what else decides the images. */
int source_fingerprint(const char *source, const struct dataset_options *options, uint64_t *fingerprint);
/* Writes a data set as a packed file, which appears complete or not at all. threads: decoding, 0: all. */
int pack_write(const struct dataset *dataset, const char *path, uint64_t fingerprint, int threads);
/* Whether a file calls itself a packed data set, of whatever version or state. */
bool pack_is_one(const char *path);
/* What source_fingerprint said when a packed file was made, and how many files were left out of it. ERR_DATA: it is
 * none, or damaged. */
int pack_fingerprint(const char *path, uint64_t *fingerprint, int64_t *skipped);

/* One image file, as the data set would hold it (predict). pixels: [image.h][image.w][image.c]; given back with
 * memory_give. A picture of another size is resized as for resize = the short side of image, and fitted says so; NULL:
 * of no interest. */
int image_load(const char *path, struct shape image, int resize, uint8_t **pixels, bool *fitted);
/* The image files that lie in a folder itself, by their names, as torchvision's ImageFolder tells them; sorted by byte
 * value. ERR_DATA: there is none. Paths and list lie in the arena. */
int image_files(struct arena *arena, const char *folder, char ***files, int *count);
/* Decodes an image file to RGB as PIL's convert("RGB") does, whatever kind it is by content; given back with
 * memory_give. EXIF orientation is left alone, as torchvision's ImageFolder does. A file of no known kind, truncated or
 * damaged, is ERR_DATA with the decoder's reason. */
int image_read(const char *path, uint8_t **pixels, int *height, int *width);
/* The same from memory; name is for the error. */
int image_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width);
/* Of one kind. jpeg_decode is ERR_UNSUPPORTED where libjpeg was not there when this was built. */
int png_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width);
int jpeg_decode(const char *name, const void *bytes, size_t count, uint8_t **pixels, int *height, int *width);
/* Whether a JPEG file's EXIF data say that the picture is to be turned or mirrored to be seen upright. */
bool jpeg_is_turned(const void *file, size_t count);
/* Writes RGB (channels 3) or grey (1); the file appears only when complete. */
int png_write(const char *path, const uint8_t *pixels, int height, int width, int channels);
/* The same to memory; given back with memory_give. */
int png_encode(const uint8_t *pixels, int height, int width, int channels, uint8_t **bytes, size_t *count);
/* PIL's antialiased bilinear resize, bit-exact; given back with memory_give. */
int image_resize(const uint8_t *pixels, int height, int width, int channels, int new_height, int new_width,
                 uint8_t **resized);

/* A choice of samples of a data set. */
struct subset {
    const struct dataset *data;
    int32_t *samples; /* [count], ascending */
    int64_t count;
};

/* Whole data set. */
int subset_all(struct subset *subset, const struct dataset *data);
/* Splits each class by a draw per sample: round(fraction * class size) of each class, at least 1 where it has 2 or
 * more, go to val. A function of (seed, labels) only. */
int subset_split(struct subset *train, struct subset *val, const struct dataset *data, double fraction, uint64_t seed);
/* Takes out the samples that a CSV file lists in its column 'sample' (suspects.csv, samples.csv and the like). Where it
 * has a column 'label', the labels must be those of the data set. ERR_NO_INPUT, ERR_DATA: no such list; the subset
 * stays as it was. */
int subset_leave_out(struct subset *subset, const char *path);
void subset_free(struct subset *subset);
/* Position -> sample table of one epoch: a permutation that is a function of (seed, epoch), or unshuffled. order:
 * [count]. */
void subset_order(const struct subset *subset, uint64_t seed, uint32_t epoch, bool shuffle, int32_t *order);
/* Channel mean and standard deviation (population) of values in 0..1, in double, order-independent exact integer sums.
 */
void subset_statistics(const struct subset *subset, double mean[static 4], double std[static 4]);

/* Class folders of which some of the training set's are absent are numbered as the training set is, and a warning names
 * one that is absent. A data set with a class of its own is left as it is, for dataset_match to refuse. */
void dataset_adopt_classes(struct dataset *dataset, const struct dataset *train);
/* Class names of two data sets must agree; the error names the first difference. */
int dataset_match(const struct dataset *train, const struct dataset *val);

/* ---- generated images: aerial tiles ---- */
enum { TILES_CLASSES = 10, TILES_SIZE_MIN = 16, TILES_SIZE_MAX = 256 };
extern const char *const tiles_class_names[TILES_CLASSES];
enum tiles_part { TILES_TRAIN, TILES_VAL }; /* keys the draw, so that the parts differ */

/* Draws one unspoiled tile: rgb [size][size][3]. */
void tiles_draw(uint8_t *rgb, int size, int class, enum tiles_part part, uint64_t seed, uint32_t index);

struct tiles_options {
    int per_class, size;
    double illumination; /* strength of uneven lighting, 0 none .. 1; a tile's own is uniform in 0..this */
    double noise;        /* sensor noise, standard deviation in 0..1 */
    double label_noise;  /* chance of a tile to land in a wrong class folder */
    double imbalance;    /* 0 even .. <1: the last class has (1 - imbalance) of the first's tiles, linear between */
    double outliers;     /* chance of a tile to be replaced by something that is no tile */
    uint64_t seed;
    enum tiles_part part;
};
/* Writes folder/<class>/<nnnnn>.png, numbered through all classes, then
 * <folder>.spoiled.csv: one row per tile and fault, columns file (below folder), class (the true one), fault
 * (illumination, noise, label, outlier) and detail (strength of the illumination, deviation of the noise, class filed
 * under, kind of outlier). The folder must be absent, empty, or an earlier result of the same
 * options, which is kept; it appears complete or not at all. */
int tiles_write(const char *folder, const struct tiles_options *options);
/* A PNG of columns tiles of each class, a row per class, spoiled as the options say (labels excepted). */
int tiles_write_sheet(const char *file, int columns, const struct tiles_options *options);
#endif
