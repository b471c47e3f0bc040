/* event_points: TensorBoard's event files read by a reader of the tests' own, which shares nothing with the writer.
 * Every breach of the format fails the running test. */
#ifndef EVENT_POINTS_H
#define EVENT_POINTS_H
#include "file.h"

struct event_point {
    char tag[48];
    int64_t step;
    float value;
    bool described; /* a description came with it */
};
struct event_points {
    struct event_point *points; /* [count], in order; of the steps that a restart takes back, only the later ones */
    int count, files, restarts;
    bool torn; /* the last record of a file is not all there */
    struct arena arena;
};
/* All event files of the folder, by name. */
void event_points_read(struct event_points *read, const char *folder);
void event_points_free(struct event_points *read);
/* The n-th point (from 0) of that tag, or NULL. */
const struct event_point *event_points_find(const struct event_points *read, const char *tag, int n);
#endif
