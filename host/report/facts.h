/* facts: the parts of reading a run. Private to host/report. */
#ifndef FACTS_H
#define FACTS_H
#include "report.h"

/* Keeps what a file's damage is, for the page. */
void facts_note_damage(struct run_facts *facts, const struct table_damage *damage);
/* confusion, lost_train and lost_val, from predictions.csv and samples.csv, where they are. */
int facts_read_images(struct run_facts *facts);
/* class_images, from the newest event that tells them. */
void facts_read_classes(struct run_facts *facts);
#endif
