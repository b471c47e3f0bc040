/* samples: what a run has seen of each training image, from its checkpoint and as samples.csv, and what it makes of the
 * validation images, as predictions.csv.
 * Level 5: includes data, plan. */
#ifndef SAMPLES_H
#define SAMPLES_H
#include "data.h"
#include "plan.h"

/* What a network made of one image. */
struct judgement {
    int32_t sample, label, prediction; /* its number in the data set; classes */
    float loss;                        /* -log p(label) */
    float confidence;                  /* p(prediction) */
    float margin;                      /* the label's logit less the largest other one */
};

/* What a network made of the images of a class. */
struct class_score {
    int64_t images, called, right; /* of the class; called the class, rightly or not; both */
};
/* scores[class_count], of so many judgements. */
void class_scores(struct class_score *scores, int class_count, const struct judgement *judgements, int64_t count);
/* Right ones among the images of the class, and among those that are called it; NaN: there are none. */
double class_recall(struct class_score score);
double class_precision(struct class_score score);
double class_f1(struct class_score score); /* harmonic mean of the two; NaN: no image is of the class or called it */
/* Mean recall of the classes that there are images of: what is right where each class counts alike. NaN: none. */
double balanced_accuracy(const struct class_score *scores, int class_count);
double macro_f1(const struct class_score *scores, int class_count); /* mean F1 of the classes that have one */

/* Where the accuracy on all images of the kind lies, with 95 %, when so many of these were right: Wilson, Probable
 * inference, the law of succession, and statistical inference, 1927. 0 to 1 for no images. */
struct accuracy_range {
    double low, high;
};
struct accuracy_range accuracy_range(int64_t right, int64_t images);

/* More are not written as text: they are in the checkpoint (stats.safetensors). */
enum { SAMPLES_CSV_MOST = 200000 };

/* The table of a checkpoint folder, by sample number of the training data set; in the arena. ERR_NO_INPUT: there is no
 * such checkpoint, or it has none. ERR_DATA: it is laid out otherwise, or names a class beyond so many. */
int samples_read(const char *checkpoint, int classes, struct arena *arena, const struct sample_stats **table,
                 int64_t *count);
/* The same of validation's images, in their part's order: what evaluation after each epoch saw of them. */
int samples_read_val(const char *checkpoint, int classes, struct arena *arena, const struct sample_stats **table,
                     int64_t *count);

/* Writes the samples that were seen, a line each, complete or not at all:
 * sample,label,class,seen,loss,margin,probability,correct,forgotten,prediction,predicted,majority,votes,file
 * loss, margin and probability are means over the times seen. */
int samples_write(const char *path, const struct dataset *data, const struct sample_stats *table);

/* Adds what evaluation made of the images of a part to what it made of them before. */
void samples_judged(struct sample_stats *table, const struct judgement *judgements, int64_t count);

/* Writes a line for each, complete or not at all: sample,label,class,prediction,predicted,loss,confidence,file */
int judgements_write(const char *path, const struct dataset *data, const struct judgement *judgements, int64_t count);
#endif
