/* sweep_table: what came of a sweep, a row for each point (runs that differ in their seed only), and what that
 * recommends.
 * Level 9: includes sweep. */
#ifndef SWEEP_TABLE_H
#define SWEEP_TABLE_H
#include "sweep.h"

/* Over the seeds of a point that were trained to the end without diverging, but for the target, which those that
 * diverged never reach; NaN: there are none, or it is not known. */
struct sweep_range {
    double median, low, high;
};
struct sweep_row {
    const struct sweep_run *run;                     /* the point's first: its settings */
    int runs, done, diverged, no_memory, unfinished; /* done: the diverged ones left out; runs is the sum of the rest */
    double images;                                   /* that a step takes */
    struct sweep_range fluctuation;                  /* standard deviation of a step's loss about its trend */
    struct sweep_range sampling;                     /* share of its square, 0..1 */
    double motion;                                   /* the rest of it, median */
    double spikes;                                   /* median */
    struct sweep_range images_per_second;            /* of all runs whose steps do the same work; the middle half */
    struct sweep_range noise_scale; /* of one seed's training, with its 95 % interval: each the median over the seeds */
    int reached;                    /* seeds that came down to the target loss */
    struct sweep_range target_steps, target_seconds; /* infinite for a seed that did not reach it; seconds: these steps
                                                        at images_per_second */
    struct sweep_range val_loss, val_accuracy;
};
struct sweep_table {
    const struct sweep *sweep;
    double target; /* training loss, smoothed; NaN: no run was trained to the end */
    bool target_given;
    struct sweep_row *rows;     /* [sweep->point_count] */
    struct table_damage damage; /* of all runs' records: rows that are left out */
    struct arena arena;
};
/* Reads every run. target: NaN to take the median over the points of where their runs ended. */
int sweep_table_make(struct sweep_table *table, const struct sweep *sweep, double target);
void sweep_table_free(struct sweep_table *table); /* accepts a zeroed struct */

/* The table for people, cell by cell; row -1 is its head. */
enum { SWEEP_CELL = 40, SWEEP_CELLS = 40 };
struct sweep_cells {
    char text[SWEEP_CELLS][SWEEP_CELL];
    int count;
};
void sweep_table_cells(const struct sweep_table *table, int row, struct sweep_cells *cells);
void sweep_table_print(const struct sweep_table *table, FILE *stream);
/* Whether a row has the rule "any": all rules give its batch the same rate. */
bool sweep_has_any_rule(const struct sweep_table *table);
int sweep_table_write_csv(const struct sweep_table *table, const char *path);
/* The same and the recommendation as one JSON object. */
int sweep_table_write_json(const struct sweep_table *table, const char *path);

/* ---- what to take ---- */

enum { SWEEP_ADVICE = 4, SWEEP_SENTENCE = 400 };
/* A row of the table, or -1, and one sentence that says why, or why not. */
struct sweep_choice {
    const char *name; /* "smallest steady" */
    int row;
    char reason[SWEEP_SENTENCE];
};
/* The smallest batch beyond which fluctuation no longer limits progress, the largest before returns diminish, the
 * fastest to the target, the most accurate. Returns how many; the first two only where batch sizes were swept. Says so
 * where the data do not support a choice. */
int sweep_recommend(const struct sweep_table *table, struct sweep_choice choices[SWEEP_ADVICE]);
/* The batch sizes from the smallest steady to the largest paying one, in images a step. Where that is the smallest or
 * the largest that was tried, the region has no end there. */
struct sweep_region {
    double low, high;
    bool below, above; /* whether there is a smaller, a larger one that is not recommended */
    char text[64];     /* "16 to 64", "up to 64", "from 16 on", "any that was tried" */
};
/* false: one of the two choices could not be made, or they leave nothing between them. */
bool sweep_region_of(const struct sweep_table *table, const struct sweep_choice choices[SWEEP_ADVICE],
                     struct sweep_region *region);
/* Whether rows differ in a key. */
bool sweep_is_swept(const struct sweep_table *table, const char *key);
#endif
