/* doctor_samples: the part of the doctor's command that is about single images. Private to host/cli. */
#ifndef DOCTOR_SAMPLES_H
#define DOCTOR_SAMPLES_H
#include "base.h"

/* Lists a run's suspicious images, writes suspects.csv and suspects.png to its directory. Returns 1 where there are
 * any, 0 where there are none, or a status. */
int doctor_samples(const char *run, bool json);
#endif
