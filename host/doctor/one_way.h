/* one_way: whether classes are taken for each other in one direction. A network takes A for B as it takes B for A, but
 * for classes that it answers too often as a whole: its table of answers is quasi-symmetric (Caussinus, Contribution à
 * l'analyse statistique des tableaux de corrélation, 1965). Where images of one class were filed under another it is
 * not. The test is Bowker's of symmetry (1948) less Stuart's and Maxwell's of equal margins (1955, 1970), which has as
 * many degrees of freedom fewer as margins are free. Private to host/doctor. */
#ifndef ONE_WAY_H
#define ONE_WAY_H
#include "base.h"

enum { ONE_WAY_CLASSES = 256 };
struct one_way {
    double z;   /* standard errors beyond a quasi-symmetric table; 0: too few pairs of classes, or classes too many */
    int of, as; /* the pair that departs most: of the one, called the other */
    int64_t there, back; /* images of `of` called `as`, and of `as` called `of` */
};
/* counts[classes][classes]: images of the one called the other. */
int one_way_find(struct one_way *found, const int32_t *counts, int classes);
#endif
