/* rules: what the files of rules share. Private to host/doctor. */
#ifndef RULES_H
#define RULES_H
#include "doctor.h"

/* Of [from, to) of a column, what is not known left out; NaN where nothing is known. A median of MEDIAN_MOST at most.
 */
enum { MEDIAN_MOST = 64 };
double column_mean(const double *column, int64_t from, int64_t to);
double column_median(const double *column, int64_t from, int64_t to);
/* Where count values that are known are over, from a step on; beyond steps where there are fewer. */
int64_t known_after(const double *column, int64_t from, int count, int64_t steps);
/* Standard error of the mean of the known losses of the steps [from, to): sampling noise alone. One batch of a few
 * images does not know its own variance; several do. NaN where one is not known. */
double loss_noise(const struct evidence *evidence, int64_t from, int64_t to);
/* Of the loss of one of these steps, taken as equally noisy: for single losses. */
double batch_noise(const struct evidence *evidence, int64_t from, int64_t to);
/* Length of an update relative to the weights'. */
double step_size(const struct evidence *evidence, int64_t step);

/* Fills a symptom; true, for a rule to return. */
bool show(struct symptom *symptom, int64_t step, double strength, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether training's images are worse than validation's in what was found, beyond chance and by what matters
 * (host/check/compare.c). Nobody wants that, and parts of one set do not differ so. */
bool image_is_trainings_alone(const struct symptom *image);
/* ---- image_words.c ---- */
/* Adds to the evidence how much lower the loss would be without what was found; of what training alone has, by how much
 * validation's is lower: a share and its standard error, NaN where it is not. */
void image_say_cost(struct symptom *image, double share, double error);
/* Adds to a normalisation that is off what the network's own makes of it. */
void image_say_absorbed(struct symptom *image, const struct evidence *evidence);

/* ---- learned.c ---- */
/* Of what there is to learn, less than this is nothing. */
#define NOTHING 0.05
/* So many right leave nothing missing. */
#define ALL_LEARNED 0.95
/* The training loss of one who knows how frequent the classes are, and of one who knows every label: with smoothed or
 * mixed labels the latter is not 0 (of mixed ones it is a bound). */
double loss_of_guessing(const struct evidence *evidence);
double loss_floor(const struct evidence *evidence);
/* The share of right answers that always naming the most frequent class brings: of the training labels, or where they
 * are not known of one of all classes. */
double right_by_chance(const struct evidence *evidence);
/* The validation loss of who knows that much: of train.balance, whose answers are those for classes equally frequent,
 * of one who gives each class the same. */
double val_loss_of_guessing(const struct evidence *evidence);
/* How much of what lies between a training loss shows to have been learned: 0 at guessing, 1 at the floor. */
double learned_of(const struct evidence *evidence, double loss);
/* The same of the steps [from, to). Softened targets make a loss of little that is learned and of much nearly the same,
 * and leave the answers what they are: where labels are smoothed the share of right ones above guessing counts, if that
 * is more. */
double learned_in(const struct evidence *evidence, int64_t from, int64_t to);
/* "loss 1.84, guessing 2.3", and of softened targets the lowest loss there is. */
enum { LEARNED_TEXT = 96 };
void say_learned(const struct evidence *evidence, double loss, char text[static LEARNED_TEXT]);
/* Whether so many right answers are no more than always naming the most frequent class brings, beyond 3.5 standard
 * errors, or worth less than 5 % on guessing. */
bool answers_guess(const struct evidence *evidence, double right, double images);

/* ---- rules_start.c: the first steps ---- */
/* What makes a step too large: the rate, or what turns it into another cause. Of rate and batch only the ratio can be
 * known: a batch of 8 images or fewer is named, and one that is mostly noise. */
enum cause blame_large(const struct evidence *evidence, int64_t step);
bool rule_first_loss(const struct evidence *evidence, struct symptom *symptom);
bool rule_equal_outputs(const struct evidence *evidence, struct symptom *symptom);
bool rule_large_steps(const struct evidence *evidence, struct symptom *symptom);
bool rule_worse_than_guessing(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_course.c: how it goes on ---- */
/* Slope per step of the loss over [from, to), by least squares over the steps whose loss is known; *error its standard
 * error from sampling noise alone. */
double loss_slope(const struct evidence *evidence, int64_t from, int64_t to, double *error);
/* A slope of so many standard errors is one: it is asked for rarely, so that less than 3.5 will do. */
#define FALLING (-2.5)
bool rule_decay(const struct evidence *evidence, struct symptom *symptom);
bool rule_dead_units(const struct evidence *evidence, struct symptom *symptom);
/* A rectifier of which nearly all channels are 0 whatever the image: no gradient comes back through them. */
#define DEAD 0.95
/* Dead before the first update they were drawn so; what was alive then was killed by updates, and by nothing else, but
 * where no gradient came back even then: no rate suits the last layers and the first ones alike. */
enum cause blame_dead(const struct evidence *evidence);
bool rule_still_warming(const struct evidence *evidence, struct symptom *symptom);
bool rule_spent(const struct evidence *evidence, struct symptom *symptom);
bool rule_early_drop(const struct evidence *evidence, struct symptom *symptom);
bool rule_rising_rate(const struct evidence *evidence, struct symptom *symptom);
bool rule_stopped_soon(const struct evidence *evidence, struct symptom *symptom);
bool rule_setback(const struct evidence *evidence, struct symptom *symptom);
/* What may become a setback: the last steps have lost so much; whether they come back is not known yet. */
bool rule_losing_ground(const struct evidence *evidence);

/* ---- rules_stands.c: nothing is learned ---- */
bool rule_stuck(const struct evidence *evidence, struct symptom *symptom);
bool rule_late_start(const struct evidence *evidence, struct symptom *symptom);
/* Whether steps end beyond the lowest point along them, by two standard errors: see rule_short_steps. Sorted batches
 * are not alike, and say nothing. */
bool steps_overshoot(const struct evidence *evidence, int64_t from, int64_t to);
/* Whether the gradient of the first layer is below a thousandth of the last one's; in words, "" where it is not. */
bool gradient_fades(const struct evidence *evidence);
/* The same before the first update. */
bool gradient_faded_as_drawn(const struct evidence *evidence);
void say_faded(const struct evidence *evidence, char text[static EVIDENCE_BYTES]);

/* ---- rules_labels.c ---- */
bool rule_unrelated(const struct evidence *evidence, struct symptom *symptom);
/* A note. */
bool rule_twins(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_steps.c: how far they go ---- */
/* A rate that is a smaller share of optim.lr than this is the schedule's. */
#define SMALL_SHARE 0.3
bool rule_small_steps(const struct evidence *evidence, struct symptom *symptom);
bool rule_short_steps(const struct evidence *evidence, struct symptom *symptom);
/* Whether it is of 16 images at most and below a fifth of the gradient noise scale. */
bool batch_is_noise(const struct evidence *evidence);
/* By how much the noise of batches holds the loss up in these steps, with its standard error; NaN: not known. */
double noise_held_up(const struct evidence *evidence, int64_t from, int64_t to, double *error);
bool rule_noise_scale(const struct evidence *evidence, struct symptom *symptom);
bool rule_unlike_batches(const struct evidence *evidence, struct symptom *symptom);

/* "a batch of 64 is 0.16 of the gradient noise scale (400 images, 380 at least)" */
enum { NOISE_TEXT = 160 };
void say_noise_scale(const struct evidence *evidence, double batch, char text[static NOISE_TEXT]);

/* ---- rules_momentum.c ---- */
bool rule_zigzag(const struct evidence *evidence, struct symptom *symptom);
bool rule_swings(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_settings.c: what is set so that it cannot work ---- */
bool rule_offcentre(const struct evidence *evidence, struct symptom *symptom);
bool rule_off_scale(const struct evidence *evidence, struct symptom *symptom);
bool rule_adam_forgets(const struct evidence *evidence, struct symptom *symptom);
bool rule_adam_epsilon(const struct evidence *evidence, struct symptom *symptom);
/* How many times its updates a run wants that has learned so much: what is left shrinks by the same share with each. */
double updates_wanted(double learned);
bool rule_few_updates(const struct evidence *evidence, struct symptom *symptom);
bool rule_answers_cut(const struct evidence *evidence, struct symptom *symptom);
bool rule_narrow(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_epochs.c: training against validation ---- */
struct moment {   /* the end of an epoch */
    int64_t step; /* its last */
    double train_loss, train_accuracy, val_loss, val_accuracy;
    double images; /* that train_accuracy is of */
};
/* false: the epoch has no steps, or no validation, or validation's weights are not the trained ones (see
 * rules_average.c). */
bool moment_at(const struct evidence *evidence, int64_t epoch, struct moment *moment);
/* Steps before the end of an epoch that speak of its weights. */
int64_t moment_recent(const struct evidence *evidence, int64_t epoch);
/* Share of right answers in the steps [from, to); images: how many they saw. NaN: none. */
double steps_accuracy(const struct evidence *evidence, int64_t from, int64_t to, double *images);
/* Standard error of the difference of the two accuracies. */
double moment_error(const struct evidence *evidence, const struct moment *now);
/* Of an epoch's val_loss. Of older runs it is not known: the loss of a validation image varies about as much as its
 * mean. */
double val_loss_error(const struct evidence *evidence, int64_t epoch);
/* Whether validation is behind training by 10 points and 3.5 standard errors of the difference. */
bool moment_appears_behind(const struct evidence *evidence, const struct moment *now);
/* And training's images are not found to be as far behind when they are asked as validation is. */
bool moment_behind(const struct evidence *evidence, const struct moment *now);
/* Of the last two epochs the one in which validation is less far behind: one alone may be a jump. false: not known. */
bool lesser_gap(const struct evidence *evidence, struct moment *now);
/* Whether training sees harder images or a noisier network than validation does: then its answers are not alike. */
bool answers_worse(const struct config *config);
/* Or other targets: then its figures are not. */
bool handicapped(const struct config *config);
/* Whether training has got anywhere: its loss is 5 % below guessing. */
bool moment_has_learned(const struct evidence *evidence, const struct moment *now);
bool rule_overfitting(const struct evidence *evidence, struct symptom *symptom);
bool rule_long_past(const struct evidence *evidence, struct symptom *symptom);
bool rule_worthless(const struct evidence *evidence, struct symptom *symptom);
/* A note. */
bool rule_gap(const struct evidence *evidence, struct symptom *symptom);
/* The same where overfitting is what shows. */
bool rules_gap(const struct evidence *evidence, struct symptom *symptom);
/* The validation loss of the best weights is above that of guessing, and the run is over or half of it done. */
bool rules_never_of_use(const struct evidence *evidence, struct symptom *symptom);
/* Whether validation is far behind at the end of every epoch, from the first that has learned anything. */
bool rules_behind_at_once(const struct evidence *evidence);

/* The same whatever validation's weights are. */
bool moment_of_any_weights(const struct evidence *evidence, int64_t epoch, struct moment *moment);

/* ---- rules_fit.c: training images asked as validation is ---- */
/* Whether training's lead over validation says nothing of what carries over: at the end it is lost for the greater part
 * on its own images, asked as validation is; or it is of train.balance, and they have not been asked. */
bool fit_falls_short(const struct evidence *evidence);
/* The end of the last epoch, where the fit is of the weights that validation saw there. */
bool fit_asked(const struct evidence *evidence, struct moment *now);
/* A note. */
bool rule_evaluated_otherwise(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_average.c: validation by averaged weights ---- */
/* Whether after so many updates the averaged weights that validation sees are trained ones, but for a twentieth. */
bool average_has_caught_up(const struct evidence *evidence, int64_t updates);
bool rule_not_caught_up(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_jumps.c ---- */
bool rule_never_fell(const struct evidence *evidence, struct symptom *symptom);
/* A note. */
bool rule_jumps(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_ahead.c: validation predicted better than what is trained on ---- */
bool rule_better_on_validation(const struct evidence *evidence, struct symptom *symptom);
bool rule_wrong_when_sure(const struct evidence *evidence, struct symptom *symptom);
bool rule_one_way(const struct evidence *evidence, struct symptom *symptom);
bool rule_slipped(const struct evidence *evidence, struct symptom *symptom);
bool rule_swallowed(const struct evidence *evidence, struct symptom *symptom);
bool rule_filed_under(const struct evidence *evidence, struct symptom *symptom);
bool rule_mixed_up(const struct evidence *evidence, struct symptom *symptom);
/* By how much more of validation is right at best than before the last quarter of the epochs. */
double rules_gained_lately(const struct evidence *evidence);
bool rule_two_kinds(const struct evidence *evidence, struct symptom *symptom);
/* A note. */
bool rule_few_wrong(const struct evidence *evidence, struct symptom *symptom);
/* By how much validation's loss is below training's at the last epoch, as a share of that, and its standard error. */
struct ahead {
    double share, error;
};
/* Whether that is what makes a fault, at the last two epochs, and both are asked the same of the same weights. false
 * where wrong labels are told by their margins, which explain it, and where nothing can be known: then it is NaN. */
bool rules_ahead(const struct evidence *evidence, struct ahead *ahead);

/* ---- rules_withheld.c: what training is not allowed to show ---- */
bool rule_withheld(const struct evidence *evidence, struct symptom *symptom);
bool rule_softened(const struct evidence *evidence, struct symptom *symptom);
bool rule_too_much(const struct evidence *evidence, struct symptom *symptom);

/* ---- rules_mismatch.c: validation that is another kind of images, or has other labels ---- */
bool rule_exchanged(const struct evidence *evidence, struct symptom *symptom);
bool rule_below_chance(const struct evidence *evidence, struct symptom *symptom);
bool rule_called_otherwise(const struct evidence *evidence, struct symptom *symptom);
bool rule_of_training_alone(const struct evidence *evidence, struct symptom *symptom);
bool rule_by_heart_alone(const struct evidence *evidence, struct symptom *symptom);
bool rule_never_reached(const struct evidence *evidence, struct symptom *symptom);
/* Whether validation has not come, at any epoch, to what training got right in the first one, of images that it had
 * not seen: then it is behind for another reason than what is learned by heart. */
bool rules_below_first_epoch(const struct evidence *evidence);
/* Whether one of these shows: then what is seen on validation is no matter of what training has learnt. */
bool rules_mismatch(const struct evidence *evidence);
#endif
