/* sections: the parts of a report's page. Private to host/report. Each writes itself, or nothing where the run has
 * nothing for it. */
#ifndef SECTIONS_H
#define SECTIONS_H
#include "page.h"

void page_verdict(FILE *page, const struct run_facts *facts);
/* What of the run's files could not be read. */
void page_damage(FILE *page, const struct run_facts *facts);
void page_trials(FILE *page, const struct run_facts *facts);
void page_tiles(FILE *page, const struct run_facts *facts);
void page_sentences(FILE *page, const struct run_facts *facts);
void page_classes(FILE *page, const struct run_facts *facts);
void page_lost(FILE *page, const struct run_facts *facts);
void page_settings(FILE *page, const struct run_facts *facts);
/* The small plot of one of the doctor's findings. */
void page_finding_figure(FILE *page, const struct run_facts *facts, int finding);
#endif
