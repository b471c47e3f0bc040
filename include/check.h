/* check: what can be wrong with labelled images before anything is trained on them, as plain findings for whoever
 * shows them.
 * Level 3: includes data. */
#ifndef CHECK_H
#define CHECK_H
#include "data.h"

/* info: worth knowing; warn: likely to cost accuracy or to mislead; fault: training on it cannot be trusted. */
enum severity { SEVERITY_INFO, SEVERITY_WARN, SEVERITY_FAULT };
extern const char *const severity_names[];

enum { FINDING_FILES = 10, FINDING_NUMBERS = 6 };
struct finding {
    const char *name; /* of the rule: "imbalance" */
    enum severity severity;
    const char *text;   /* one sentence with the numbers */
    const char *action; /* the one thing to do */
    struct {
        const char *name;
        double value;
    } evidence[FINDING_NUMBERS];
    int evidence_count;
    const char *files[FINDING_FILES]; /* below the data set's source, after it where training and validation have one
                                         each; or "sample N"; the first of file_total */
    int file_count;
    int64_t file_total;
    bool pairs;    /* files are two and two */
    bool of_light; /* it says how the images are lit */
    bool of_odd;   /* it says that some are no pictures of their class */
};

/* What makes up for images that are lit unevenly, beside normalising each by its own light: so much of
 * augment.brightness and augment.contrast, as a config says it. */
#define RELIGHT "0.3"
#define RELIGHT_ACTION                                                                                                 \
    "set augment.normalize = image, which evens out each image's light; where that tells classes apart, "              \
    "augment.brightness = " RELIGHT " and augment.contrast = " RELIGHT

struct check_input {
    const struct subset *train, *val; /* val NULL: none */
    double mean[4], std[4];           /* the normalisation that training would use, of values in 0..1 */
    bool shuffle;
    bool balanced; /* training makes up for classes that are rare */
    bool relit;    /* training varies brightness and contrast by RELIGHT or more, or by_image */
    bool by_image; /* each image is normalised by its own mean and deviation */
    bool skip;     /* training goes on without what cannot be used */
    uint64_t seed;
    int batch;
    int64_t limit; /* most images looked at of each part, evenly spread; 0: all */
    int threads;   /* 0: all */
};

/* How one training image is lit, and whether it is odd or torn. NaN: it cannot be told. */
struct image_light {
    int32_t sample;
    float brightness; /* mean, 0..1 */
    float contrast;   /* logarithm of the standard deviation */
    float background; /* its level, 0..1, of an image that has one */
    float slope;      /* standard deviation of the slope from one side to the other, relative to the mean */
    bool odd, torn;   /* ODD_TEXTURE or ODD_ASLANT; ODD_TORN */
};

#define LIGHT_FILE "light.csv"

struct findings {
    struct arena arena; /* texts live here, some file names in the data sets */
    struct finding *list;
    int count;
    const struct image_light *light; /* [train_seen] where a rule of light or of odd images found something; NULL:
                                        none did */
    int64_t train_seen, val_seen;
    int class_count;
    const int64_t *class_counts[2]; /* images of each class in training and validation (NULL: none), looked at or not */
    double mean[4], std[4];         /* of each channel of the training images looked at, of values in 0..1 */
};

/* Looks at every image once and judges. The result is a function of the input alone. findings_free accepts what a
 * failed check left. ERR_DATA, ERR_IO: an image cannot be read any more. */
int check_images(struct findings *findings, const struct check_input *input);
void findings_free(struct findings *findings);
/* The worst severity; -1: no finding. */
int findings_worst(const struct findings *findings);
/* light as a CSV file (in a run's directory LIGHT_FILE), complete or not at all:
 * sample,brightness,contrast,background,slope,odd,torn (0 or 1) */
int findings_write_light(const struct findings *findings, const char *path);

/* ---- single images ---- */

enum oddity {
    ODD_COPY,      /* the same pixels as other */
    ODD_NEAR_COPY, /* nearly so */
    ODD_FLAT,      /* one colour all over */
    ODD_TORN,      /* only its upper part was read: below it is one line over and over; or one half is noise */
    ODD_ASLANT,    /* read with a wrong length of row: each begins some pixels later than the one before */
    ODD_LIGHT,     /* far brighter or darker than its class */
    ODD_CONTRAST,  /* far more or less contrast than its class */
    ODD_TEXTURE,   /* far rougher or smoother than its class: noise, test patterns, no photograph */
};
struct odd_image {
    enum oddity what;
    int32_t sample; /* of the training set */
    int32_t other;  /* copies: of which; -1: none */
    bool other_in_val;
    bool noise; /* texture: neighbouring pixels are as good as uncorrelated, which the class's are not */
    double
        value; /* light: mean 0..1; contrast: standard deviation 0..1; texture: see measure.c; torn: share of lines */
    double usual; /* the class's median of that */
    double
        distance; /* in the class's deviations (1.4826 times the median absolute deviation, of logarithms); copies: 0 */
};
struct odd_images {
    struct arena arena;
    struct odd_image *list;
    int64_t count;
};
/* The training images that stand out from their class, and those that are there more than once: the later one of each
 * pair. odd_images_free accepts a zeroed struct. */
int check_odd_images(struct odd_images *odd, const struct check_input *input);
void odd_images_free(struct odd_images *odd);
#endif
