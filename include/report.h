/* report: what is worth seeing of a run, as charts, and runs and sweeps as one page of HTML.
 * Level 10: includes diagnosis, sweep_table, chart. */
#ifndef REPORT_H
#define REPORT_H
#include "chart.h"
#include "diagnosis.h"
#include "stability.h"
#include "sweep_table.h"

/* ---- a run, read ---- */

/* What the best weights make of the validation images. */
struct confusion {
    int class_count;    /* 0: not known, or more than CONFUSION_CLASSES */
    const char **names; /* [class_count] */
    int64_t *counts;    /* [class_count][class_count]: label, prediction */
    int64_t images;
};
enum { CONFUSION_CLASSES = 2000 };

/* An image that the network gets wrong, or learns last. */
struct lost_image {
    int64_t sample;  /* its number in the data set */
    int label, seen; /* seen, correct: of a training image, how often */
    int correct;
    double loss;                  /* of a training image, the mean over the times seen */
    const char *name, *taken_for; /* of the label's class, and of the class that it is taken for */
    const char *file;             /* below the data set's path, or "" */
};
enum { LOST_IMAGES = 12 };
struct lost_images {
    struct lost_image list[LOST_IMAGES]; /* highest loss first */
    int count;
};

/* Everything a report says of a run. What is missing in the directory (a run that goes on, or failed) is missing here:
 * tables without rows, `problem` with the reason where the doctor cannot judge. */
struct run_facts {
    char path[PATH_BYTES];
    const char *name; /* the directory's own name */
    struct config config;
    struct run_end end;
    struct table steps, results;
    struct stability stability;
    struct diagnosis diagnosis;
    const char *damage[4]; /* of its files, one each: rows that could not be read and are left out */
    int damage_count;
    const char *problem; /* why there is no diagnosis, or NULL */
    struct confusion confusion;
    struct lost_images lost_train, lost_val;
    int class_count;      /* 0: not known */
    double *class_images; /* [class_count] training images of each class */
    struct arena arena;
};
/* ERR_NO_INPUT: not a run. */
int run_facts_read(struct run_facts *facts, const char *run);
/* Warns of the rows that could not be read and are left out, a line for each file; lines. */
int run_facts_say_damage(const struct run_facts *facts, int count);
void run_facts_free(struct run_facts *facts); /* accepts a zeroed struct */
/* Of several; on failure none. Given back together. ERR_USAGE: more than CHART_SERIES. */
int run_facts_read_all(struct run_facts **facts, const char *const *runs, int count);
void run_facts_free_all(struct run_facts *facts, int count);

/* ---- charts of runs ---- */

/* Appends the charts of one run: loss, accuracy, rate, gradient, update, split, speed and so on, those that its records
 * allow. They point into facts, which must outlive them. */
void run_charts(struct charts *charts, const struct run_facts *facts);

/* Of several, one over the other: a line for each, with its name. At most CHART_SERIES. */
void compared_charts(struct charts *charts, const struct run_facts *facts, int count);
/* Of a sweep: what depends on the batch size, or on whatever was swept first, and how. */
void sweep_charts(struct charts *charts, const struct sweep_table *table);

/* ---- pages: HTML files that need nothing else ---- */

int report_write_run(const char *run, const char *path);
int report_write_runs(const char *const *runs, int count, const char *path);
int report_write_sweep(const char *sweep, const char *path);

/* ---- the same charts as a PNG ---- */

/* ERR_NO_INPUT: nothing has been recorded yet. ERR_UNSUPPORTED: built without cairo. */
int report_draw_run(const char *run, const char *path);
int report_draw_runs(const char *const *runs, int count, const char *path);
int report_draw_sweep(const char *sweep, const char *path);
#endif
