/* pictures: images of a run's data within the page. Private to host/report. */
#ifndef PICTURES_H
#define PICTURES_H
#include "page.h"

struct pictures {
    const struct run_facts *facts;
    const char *folder; /* that the run was started in, or "" */
    struct arena arena;
    bool tried, opened, usable; /* the data set; only where images are no files */
    struct session session;
};
void pictures_begin(struct pictures *pictures, const struct run_facts *facts);
void pictures_end(struct pictures *pictures);
/* Writes an <img>, or nothing where the image is no longer where it was (false). */
bool pictures_put(struct pictures *pictures, FILE *page, bool train, const struct lost_image *image);
#endif
