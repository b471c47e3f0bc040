/* mixed: two classes whose labels are mixed up in training alone: what was taught them tells them from all others, and
 * each other no better than by chance, while validation's images of the two are told apart. Private to host/doctor. */
#ifndef MIXED_H
#define MIXED_H
#include "doctor.h"

/* taken[classes][classes], val[classes][classes]: images with this label that were taken for a class in the end. The
 * pair that is taken for one another the most in training; without names. */
void mixed_find(struct mixed *found, const int32_t *taken, const int32_t *val, int classes);
#endif
