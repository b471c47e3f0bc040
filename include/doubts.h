/* doubts: images of which a network, whenever it met them, made another class than their label, and whether they are of
 * two kinds. Such an image is either hard or wrongly labelled. The area under its margin (Pleiss et al. 2020) tells
 * them apart: of a wrong label the network is as far as it is from any other class, of a hard image it is in doubt. So
 * the margins of these images are of two kinds (mixture.h), where the share of the wrong may differ for each pair of
 * label and predicted class, since confusions gather in few pairs.
 * Level 8: includes doctor, mixture, suspects. */
#ifndef DOUBTS_H
#define DOUBTS_H
#include "doctor.h"
#include "mixture.h"
#include "suspects.h"

struct doubts {
    int64_t count;        /* images that contradict their label, of classes that are answered at all */
    int64_t contradicted; /* of all classes, as validation counts */
    int64_t seen;         /* all that were seen */
    int64_t judged;       /* often enough */
    int32_t *samples;     /* [count] */
    int32_t *pairs;       /* [count] label and predicted class, as one number */
    double *distance;     /* [count] how far the label is from what is predicted: minus the mean margin */
    double *wrong;        /* [count] probability that the label is */
    double agrees;        /* share of judged images whose last prediction was the label */
    struct mixture mixture;
    double wrong_share; /* of all judged; 0: too few contradict their label to tell */
    double ahead;   /* by how much more of the labels is contradicted than of validation's, as doubts_judge found it */
    bool witnessed; /* that is beyond chance, and nothing else is known to make it */
};

/* The class that an image was taken for most often, or last. */
int32_t doubts_class_seen(const struct sample_stats *sample);
/* labels and table: [count]. Arrays are in the arena. */
void doubts_gather(struct doubts *doubts, const int32_t *labels, int classes, const struct sample_stats *table,
                   int64_t count, struct arena *arena);
/* What is known of validation from the shares that were right in each epoch. Averaged weights, which validation alone
 * sees, count as asked alike: they are better than those of a single look, but it is most of several looks at images
 * that were taught that they are compared with, and healthy runs stay behind (bench/RESULTS.md). */
struct val_looks doubts_val_looks(const struct config *config, const double *right, int64_t epochs, double images);
/* Two witnesses: margins of two kinds, and validation, whose images were not taught: hard ones it contradicts as often,
 * and more. Validation with right labels tells where margins do not; where it is behind training, as it is of hard
 * images alone, the two kinds must be two beyond doubt. */
enum label_verdict doubts_judge(struct doubts *doubts, const struct val_looks *val);
/* Of images that were not taught, without another part beside them: the two kinds alone, beyond doubt. */
enum label_verdict doubts_judge_untaught(const struct doubts *doubts);

/* What labels are judged by, beside what a run saw of each image. */
struct labelled {
    const struct config *config;
    const struct dataset *data; /* training's; no images are needed */
    int32_t *val_images;        /* [class_count]: validation images of each class */
    int64_t val_count;          /* of all; 0: there is none, or not known */
};
/* The same from the run's own files: samples.csv, predictions.csv, and the checkpoint for the classes; in the arena.
 * ERR_NO_INPUT, ERR_DATA: they do not say all of it, as of a run that is still going on. */
int labelled_read(struct labelled *labelled, const struct config *config, const char *run, struct arena *arena);
#endif
