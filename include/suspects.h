/* suspects: single training images that are likely to be wrong: their label, the image itself, a second copy, their
 * lighting; from what a run saw of them and from their pixels.
 * Level 7: includes samples, trainer. */
#ifndef SUSPECTS_H
#define SUSPECTS_H
#include "samples.h"
#include "trainer.h"

enum suspect_kind { SUSPECT_LABEL, SUSPECT_DUPLICATE, SUSPECT_OUTLIER, SUSPECT_LIGHT, SUSPECT_KINDS };
/* For machines: "label", "duplicate", "outlier", "light". */
extern const char *const suspect_names[SUSPECT_KINDS];

struct suspect {
    enum suspect_kind kind;
    bool in_val; /* of validation's images, not training's: of its data set */
    bool of_val; /* a training image that is a copy of a validation image */
    int32_t sample;
    int32_t suggested;    /* label; -1: none */
    double score;         /* 0..1, how sure it is */
    const char *evidence; /* the figures, as a sentence */
};

/* What can be said of the labels at all. */
enum label_verdict {
    LABELS_JUDGED,
    LABELS_ALIKE,     /* what the network gets wrong is of one kind: no label errors stand out */
    LABELS_TOO_EARLY, /* most images were seen fewer than SUSPECT_LOOKS times */
    LABELS_TOO_FEW,   /* hardly any image is predicted as another class than its label */
    LABELS_BY_HEART,  /* the network has learnt the labels themselves, wrong ones included */
    LABELS_TOO_WEAK,  /* the network is wrong too often for its word to count against a label's */
};
enum { SUSPECT_LOOKS = 4 };

struct suspects {
    struct arena arena;
    enum label_verdict verdict;
    const char *labels_text; /* the verdict with its figures, as a sentence */
    const char *val_text;    /* the same of validation's labels; NULL: not known what the run made of them */
    double wrong_share;      /* of labels, estimated: those that the network contradicts for sure, so that
                                more may be wrong; NaN: not judged */
    double wrong_most;       /* with those that it contradicts in doubt; NaN: not judged */
    struct suspect *list;    /* by falling score; an image may be there for several reasons */
    int64_t count, kinds[SUSPECT_KINDS];
    struct suspect *doubted; /* where no label is listed: all that the network contradicts, those it gives the lowest */
    int64_t doubted_count;   /* probability first, which is the score's complement; nothing says that they are wrong */
};

/* Shares of the validation images that were right. */
struct val_looks {
    double last;   /* at the run's end; NaN: not known */
    double mean;   /* over its epochs; NaN: not known */
    double images; /* 0: not known */
    bool unlike;   /* training was asked worse than they were, or not of the same images */
};
/* Judges the labels alone; adds to suspects. table and data by sample number. A pure function. */
void suspects_labels(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                     const struct val_looks *val);
/* Where that listed none, images of one class that lie in another's folder in training alone, which make a rule to the
 * network and no kind of their own: as many as mistakes go the one way more often than back, those that it gives their
 * label least. val: [data->class_count], validation images of each class. A pure function. */
void suspects_filed(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                    const int32_t *val);
/* Whether a class was filed under another in training alone by more images than were left: then it says so, and lists
 * none, as the network was taught to take them for it. A pure function. */
bool suspects_swallowed(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table,
                        const int32_t *val);
/* Lists a stretch of the list whose labels slipped by some lines, all of it, where there surely is one (slipped.h), and
 * returns whether. suggested: -1 where the image of that line was not seen. A pure function. */
bool suspects_slipped(struct suspects *suspects, const struct dataset *data, const struct sample_stats *table);
/* Of validation's images, after the training's: adds those whose label is likely wrong. samples: [count], their numbers
 * in data, in the order of table. No image was taught, so that no other part tells how many are hard: the network's
 * word has to be of two kinds beyond doubt. A pure function. */
void suspects_val_labels(struct suspects *suspects, const struct dataset *data, const int32_t *samples,
                         const struct sample_stats *table, int64_t count);
/* Of the training images of a run, one part of suspects_find each: what it saw of them speaks of their labels, pixels
 * of the rest. */
int suspects_find_labels(struct suspects *suspects, const struct session *session, const char *run);
int suspects_find_images(struct suspects *suspects, const struct session *session);
/* suspects_find_labels of a run that has ended, without its images: from its own files. ERR_NO_INPUT, ERR_DATA: these
 * do not say enough. */
int suspects_find_recorded(struct suspects *suspects, const struct config *config, const char *run);
/* Those of wanted kinds: labels, outliers, and of copies those of validation images; each that cannot be looked for is
 * warned of, and the other is all the same. Returns how many kinds were looked for. */
int suspects_find_wanted(struct suspects *suspects, const struct session *session, const char *run,
                         const bool kinds[static SUSPECT_KINDS]);
/* Of the images of a run: labels of both parts from its last checkpoint, the rest from pixels of training's. session:
 * the run's data (session_open_data). ERR_NO_INPUT, ERR_DATA: the run has no statistics of samples, or other images.
 * suspects_free accepts a zeroed struct. */
int suspects_find(struct suspects *suspects, const struct session *session, const char *run);
/* Takes what is not of these kinds from the list. */
void suspects_keep(struct suspects *suspects, const bool kinds[static SUSPECT_KINDS]);
void suspects_free(struct suspects *suspects);

/* The data sets that suspects are of; val NULL: none of them is of validation. */
struct suspect_images {
    const struct dataset *train, *val;
};
const struct dataset *suspect_data(const struct suspect *suspect, struct suspect_images images);
/* CSV, complete or not at all: file, sample, label, class, suggested, suggested_class, kind, score, evidence, part. */
int suspects_write(const struct suspects *suspects, struct suspect_images images, const char *path);
/* Sample and kind of each row of such a file. ERR_NO_INPUT, ERR_DATA: it is none. */
int suspects_read(struct suspects *suspects, const char *path);
/* PNG of the first SUSPECTS_ON_SHEET, of which there is at least one. ERR_UNSUPPORTED: built without cairo. */
enum { SUSPECTS_ON_SHEET = 60 };
int suspects_sheet(const struct suspects *suspects, struct suspect_images images, const char *path);
#endif
