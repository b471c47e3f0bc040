/* facts: what is measured of the images, once, for the rules to judge. Private to host/check. */
#ifndef FACTS_H
#define FACTS_H
#include "check.h"

/* The grid that images are looked at by: brightness of patches. */
enum { PATCH_COLUMNS = 9, PATCH_ROWS = 8, PATCHES = PATCH_COLUMNS * PATCH_ROWS, PATCH_UNIT = 64 };

/* What an image is, where it is no picture of its class. What most images of a class are is usual there, and sound. */
enum image_kind { KIND_SOUND, KIND_FLAT, KIND_TORN, KIND_ODD, KINDS };

/* Upper and lower, left and right. */
enum half { HALF_NONE, HALF_UPPER, HALF_LOWER, HALF_LEFT, HALF_RIGHT, HALVES };

struct image_facts {
    uint64_t content;   /* hash of the pixels */
    uint64_t look;      /* difference hash: which of neighbouring patches is brighter */
    float mean, spread; /* of all channels' values, 0..1; spread: standard deviation */
    float roughness;    /* mean difference of neighbours in a row over the spread; 0: flat */
    float ground_share; /* of the pixels that have the most common luminance */
    uint8_t ground;     /* which that is, 0..255 */
    float figure;       /* mean luminance of what stands out from that, 0..255; NaN: nothing does */
    struct image_sums sums;
    int32_t sample, label;
    float repeated;  /* share of the lines that are the last one over again, of a torn image; else 0 */
    uint8_t half;    /* enum half: which is noise, of an image whose other half is a picture */
    bool half_rough; /* a half is, whatever the other is but noise */
    int16_t aslant;  /* pixels to the right of the one before that each row is, round the edge; 0: as it should be */
    uint8_t kind;    /* enum image_kind; odd ones are told by facts_mark_odd */
    uint8_t
        patches[PATCHES]; /* mean of each, row by row, relative to all: PATCH_UNIT is the mean of the image; 0: black */
};

/* Two images, by place in facts.images. */
struct pair {
    int32_t a, b;
};
struct pairs {
    struct pair *list;
    int64_t count, room;
};

/* What is compared between training and validation, see compare.c. */
enum figure { FIGURE_FLAT, FIGURE_TORN, FIGURE_ODD, FIGURE_CONTRAST, FIGURE_BRIGHTNESS, FIGURE_SLOPE, FIGURES };
/* How a figure is in either part, class by class; strength: above 1 it is worse in training beyond chance and by what
 * matters, below -1 in validation; 0: alike, or nobody can tell. */
struct apart {
    double train, val, strength;
};

/* How well simple figures of a part's images go with its labels: halves told by the other's class means. */
struct relation {
    int64_t images;
    double right, blind; /* share of right answers, and of the same answers dealt out blindly */
    double told, error;  /* 0: as blindly, 1: all right; standard error of labels that say nothing. NaN: no images */
};

struct facts {
    const struct check_input *input;
    struct image_facts *images; /* the training set's, then validation's */
    int64_t train_count, count;
    int64_t *class_counts[2]; /* of training and validation (NULL: none): all images of each class, not only those in
                                 images */
    struct pairs same, near;  /* a < b; same: equal pixels, b with the first of its kind. near: alike, not equal */
    struct apart apart[FIGURES];
    struct relation relation[2]; /* of training and validation */
};

/* Whether one half of the image is noise and the other a picture, and which. rough: whether one half, and not the
 * other, is as rough as noise; false where it is not, and unless true before. */
enum half half_of_noise(const uint8_t *pixels, struct shape image, bool *rough);
/* Every channel has one value all over. */
bool image_is_flat(const struct facts *facts, int64_t image);
/* Fills images and class_counts. */
int facts_measure(struct facts *facts);
/* Of the images that are whole, tells those whose texture is far from their class's in training; in both parts. */
void facts_mark_odd(struct facts *facts);
/* Fills apart, after facts_mark_odd. ERR_MEMORY. */
int facts_compare(struct facts *facts);
/* What is said of a figure that is worse in validation than in training, and what to do; NULL: none is. */
const char *facts_val_worse(const struct facts *facts, struct arena *arena, struct finding *finding);
/* Each channel's mean and standard deviation over the images of a part that were looked at, of values in 0..1. */
void facts_statistics(const struct facts *facts, bool val, double mean[static 4], double std[static 4]);
/* Fills same and near. */
int facts_pair(struct facts *facts);
void facts_free(struct facts *facts);
/* Deviation within classes of the logarithm of an image's standard deviation: 1.4826 times the median absolute
 * deviation, so that a minority (noise images, wrong labels) does not count; root mean square over the classes of at
 * least 20 images. Of training, or of validation. NaN: there are none. */
double facts_contrast_spread(const struct facts *facts, bool val);
/* Deviation within classes, as above, of an image's mean brightness, 0..1; within: the median deviation within an
 * image.
 */
double facts_brightness_spread(const struct facts *facts, bool val, double *within);
const struct dataset *facts_data(const struct facts *facts, int64_t image);
/* The pixels of an image: in place, or read into buffer. */
int facts_pixels(const struct facts *facts, int64_t image, uint8_t *buffer, const uint8_t **pixels);

/* Shading: how much of what differs in brightness from place to place, between images of a class, is a slope from one
 * side of the image to the other. Medians of a class, and of these the classes' median, so that a class that is most of
 * the set does not speak for all. */
struct shading {
    int64_t images; /* that it was taken of */
    double share;   /* of the variance of the patches, 0..1 */
    double depth;   /* standard deviation of the slope's values, relative to the image's mean */
};
/* ERR_MEMORY. */
int facts_shading(const struct facts *facts, struct shading *shading);

/* Backgrounds of one level, as drawings, scans and cut-out pictures have them: of the training images. Medians of the
 * classes that have at least 20; NaN: there are none. */
enum { FAR_OFF = 16 }; /* levels */
struct ground {
    double share; /* of the images that have one */
    double away;  /* share of these that are more than FAR_OFF from the median of their class */
    double carry; /* by how much what is before it is brighter where it is brighter by 1, by least squares */
};
/* ERR_MEMORY. */
int facts_ground(const struct facts *facts, struct ground *ground);
bool image_has_ground(const struct image_facts *one);
/* The slope of each image of a part, as depth; NaN: of one that is black or not sound. by_class: about what the images
 * of its class have in common, else about what all have. slopes: [facts->count]. ERR_MEMORY. */
int facts_slopes(const struct facts *facts, bool val, bool by_class, double *slopes);
/* How each training image is lit, in the arena. ERR_MEMORY. */
int facts_light(const struct facts *facts, struct arena *arena, const struct image_light **light);
/* Median, of an even number the upper of the two in the middle, as the limits of rules expect; sorts the values. */
double facts_median(double *values, int64_t count);

/* How the parts' brightness and colour compare: of the classes that both have, training's weighted as validation has
 * them, so that rare classes do not count as another preparation. Values in 0..1. */
struct parts {
    double mean[2][4]; /* of each channel, in training and validation */
    double error;      /* standard error of the difference, from how images of a class differ; infinite: not known */
    double grey[2];    /* share of the images whose three channels are equal, in training and validation; of images of
                          one channel 0 */
    double grey_error; /* standard error of the difference */
    double rough[2];   /* mean logarithm of the images' roughness; NaN: no class has two images in both that tell */
    double rough_deviation, rough_error; /* within a class; standard error of the difference */
};
/* ERR_MEMORY. */
int facts_parts(const struct facts *facts, struct parts *parts);

/* Fills relation. ERR_MEMORY. */
int facts_relate(struct facts *facts);
/* Whether the training labels say nothing about the images, by relation: then there are no classes to measure within;
 * or may do so, as nothing is known of them. */
bool facts_labels_say_nothing(const struct facts *facts);
bool facts_labels_may_say_nothing(const struct facts *facts);

/* Adds an image to the files of a finding. */
void finding_file(const struct facts *facts, struct arena *arena, struct finding *finding, int64_t image);
/* Adds a figure to a finding. */
void finding_number(struct finding *finding, const char *name, double value);
/* So many of the images looked at, of training and of validation, as a share of their part and in words: "12 of 100
 * training images (12 %) and 3 of 50 validation images (6 %)". */
double part_share(const struct facts *facts, const int64_t count[static 2], bool val);
const char *part_counts(const struct facts *facts, struct arena *arena, const int64_t count[static 2]);
/* Adds how far a figure is apart, as "apart": above 1 training's images are worse. */
void finding_apart(const struct facts *facts, enum figure figure, struct finding *finding);
/* rules_kind.c */
bool judge_outliers(const struct facts *facts, struct arena *arena, struct finding *finding);
bool judge_constant(const struct facts *facts, struct arena *arena, struct finding *finding);
bool judge_torn(const struct facts *facts, struct arena *arena, struct finding *finding);
/* rules_light.c */
bool judge_illumination(const struct facts *facts, struct arena *arena, struct finding *finding);
bool judge_brightness(const struct facts *facts, struct arena *arena, struct finding *finding);
bool judge_background(const struct facts *facts, struct arena *arena, struct finding *finding);
bool judge_shading(const struct facts *facts, struct arena *arena, struct finding *finding);

/* turned.c */
bool judge_turned(const struct facts *facts, struct arena *arena, struct finding *finding);
/* names.c */
bool judge_class_names(const struct facts *facts, struct arena *arena, struct finding *finding);
/* along.c */
bool judge_along(const struct facts *facts, struct arena *arena, struct finding *finding);
/* near.c */
bool judge_near_leak(const struct facts *facts, struct arena *arena, struct finding *finding);
/* relation.c */
bool judge_relation(const struct facts *facts, struct arena *arena, struct finding *finding);

struct rule {
    const char *name;
    /* Whether there is something to say; fills everything but the name. A pure function of the facts. */
    bool (*judge)(const struct facts *facts, struct arena *arena, struct finding *finding);
};
extern const struct rule check_rules[];
extern const int check_rule_count;
#endif
