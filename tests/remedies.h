/* remedies: what a remedy says of a config, and where it is found. */
#ifndef REMEDIES_H
#define REMEDIES_H
#include "doctor.h"

extern struct config config; /* that tests load, and their group's teardown gives back */
/* Defaults with overrides; NULL: none. */
void load(const char *overrides);
/* A remedy's settings, separated by '|'. */
const char *words_of(const struct remedy *remedy, const struct remedy_case *asked);
/* The first trial of that name, of *cause or one after it. */
const struct cause_trial *trial_named(const char *name, enum cause *cause);
/* For cmocka's group teardown, after config_folder_make. */
int remove_all(void **state);
#endif
