/* slipped: a stretch of a list in which each image has the label of one a few lines further on or back, as where a line
 * was lost or came in twice. Of such a stretch a network that has learned from the rest takes the images for what they
 * are, which stands that many lines away.
 * Level 7: includes doctor. */
#ifndef SLIPPED_H
#define SLIPPED_H
#include "doctor.h"

/* By number of the list: labels, and the classes that the images were taken for; -1: not known. The shift, up to
 * SLIPPED_MOST lines either way, and the stretch with the most images that are taken for the label so many lines away,
 * less those taken for their own. images 0: there is none. */
enum { SLIPPED_MOST = 4 };
void slipped_find(struct slipped *found, const int32_t *labels, const int32_t *taken, int64_t count);
/* Whether that is beyond chance: of a network that only guesses the difference is a walk without a drift, and its range
 * is more than six standard deviations in one list of 15 million (eight shifts, 8 (1 - Phi(6)) each; Feller 1951). */
bool slipped_is_sure(const struct slipped *slipped);
/* "images 10 to 90 of the list ...: the figures". */
enum { SLIPPED_TEXT = 320 };
void slipped_say(const struct slipped *slipped, char text[static SLIPPED_TEXT]);
#endif
