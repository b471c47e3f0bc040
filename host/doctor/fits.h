/* fits: which runs a remedy is for. Private to host/doctor; each is true where the remedy can be made of the run's
 * config and changes something. */
#ifndef FITS_H
#define FITS_H
#include "doctor.h"

double fits_highest_rate_in_use(const struct remedy_case *asked);
bool fits_rate_is_out_of_use(const struct remedy_case *asked);
bool fits_rate_can_rise(const struct remedy_case *asked);
bool fits_batch_can_grow_whole(const struct remedy_case *asked);
bool fits_gradients_can_gather(const struct remedy_case *asked);
bool fits_smooths_much(const struct remedy_case *asked);
bool fits_decays(const struct remedy_case *asked);
bool fits_is_small_cnn(const struct remedy_case *asked);
bool fits_is_mlp(const struct remedy_case *asked);
bool fits_lacks_normalisation(const struct remedy_case *asked);
bool fits_could_normalise(const struct remedy_case *asked);
bool fits_could_normalise_with_adam(const struct remedy_case *asked);
bool fits_draws_unusually(const struct remedy_case *asked);
bool fits_normalises_by_hand(const struct remedy_case *asked);
bool fits_shares_normalisation(const struct remedy_case *asked);
bool fits_is_unshuffled(const struct remedy_case *asked);
double fits_span_of_light(const struct remedy_case *asked);
bool fits_is_lit_otherwise_throughout(const struct remedy_case *asked);
bool fits_is_lit_otherwise(const struct remedy_case *asked);
bool fits_sees_no_shapes(const struct remedy_case *asked);
bool fits_lacks_augmentation(const struct remedy_case *asked);
bool fits_gains_by_augmentation(const struct remedy_case *asked);
bool fits_has_not_tried_augmentation(const struct remedy_case *asked);
bool fits_moves_nothing(const struct remedy_case *asked);
bool fits_could_be_augmented(const struct remedy_case *asked);
bool fits_is_augmented(const struct remedy_case *asked);
bool fits_is_augmented_unusually(const struct remedy_case *asked);
bool fits_is_mixed(const struct remedy_case *asked);
bool fits_drops_units(const struct remedy_case *asked);
bool fits_drops_most(const struct remedy_case *asked);
bool fits_has_layers(const struct remedy_case *asked);
bool fits_has_layers_to_widen_twice(const struct remedy_case *asked);
bool fits_layers_drop(const struct remedy_case *asked);
bool fits_layers_drop_most(const struct remedy_case *asked);
bool fits_answers_through_relu(const struct remedy_case *asked);
bool fits_layers_lack_normalisation(const struct remedy_case *asked);
bool fits_has_layers_that_drop(const struct remedy_case *asked);
bool fits_has_levelled(const struct remedy_case *asked);
bool fits_stands_at_its_rate(const struct remedy_case *asked);
bool fits_is_adam_tuned(const struct remedy_case *asked);
bool fits_is_sgd(const struct remedy_case *asked);
bool fits_lacks_momentum(const struct remedy_case *asked);
bool fits_has_much_momentum(const struct remedy_case *asked);
bool fits_swings(const struct remedy_case *asked);
bool fits_clips(const struct remedy_case *asked);
bool fits_steps_down(const struct remedy_case *asked);
bool fits_waits_for_plateau(const struct remedy_case *asked);
bool fits_warms_up(const struct remedy_case *asked);
bool fits_ends_before_it_falls(const struct remedy_case *asked);
bool fits_anneals(const struct remedy_case *asked);
bool fits_wants_more(const struct remedy_case *asked);
bool fits_are_left_out(const struct remedy_case *asked);
/* Whether what "key=value", or a key alone, is of lies outside common use in this config. */
bool setting_is_unusual(const char *setting, const struct config *config);
#endif
