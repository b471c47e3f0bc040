/* train: what the parts of the trainer share. Private to host/train. */
#ifndef TRAIN_H
#define TRAIN_H
#include "console.h"
#include "state.h"
#include "tensorboard.h"
#include "trainer.h"
#include "watch.h"

struct trainer {
    struct config config; /* train.accumulate as it is now: what autopilot makes of it is in it */
    int accumulate;       /* as it was asked for */
    bool asked_for_more;  /* the run was resumed to be trained for longer */
    struct session session;
    struct run run;
    struct train_state state;
    struct plateau_rule plateau_rule;
    struct early_stop_rule early_stop_rule;
    struct console console;
    int64_t steps_per_epoch;
    int64_t saved_step; /* state.step of the newest `last`; -1: none by this process */
    int64_t saved_epoch;
    struct append_file layers; /* path "": not open yet */
    struct tensorboard tensorboard;
    double clock; /* up to here time is in state.seconds */
    int32_t *order;
    struct judgement *judgements;  /* of the last evaluation; NULL: no validation images, or too many to be written */
    bool judged;                   /* they are there */
    struct sample_stats *val_seen; /* what the evaluations after epochs saw of the same images */
    double waited;                 /* for images, before this epoch */
    int64_t records_read;          /* steps before this have been taken into the state */
    struct design_track design;    /* of the rows of steps.csv */
    struct watch watch;
    char failure[1024]; /* why training failed; "": it goes on */
};

/* ---- records.c: from the plan's ring into state, logs and console. trainer->failure is set when too many steps in a
 * row were refused ---- */
/* Takes up what steps.csv has of a run that goes on; a table that cannot be read is no reason not to train. */
void records_begin(struct trainer *trainer);
/* Takes the records that are there; the device goes on meanwhile. */
int records_take(struct trainer *trainer);
/* Waits for the queued steps and takes all. */
int records_read(struct trainer *trainer);

/* ---- facts.c ---- */
/* Event "data": numbers of training and validation images, training images of each class. */
int facts_log(struct trainer *trainer);

/* ---- fit.c ---- */
/* Event "fit": what of the training images is right in evaluation, with the weights that validation saw last. Not where
 * there is no validation, or a signal comes first. The order of the epoch is spoiled. */
int fit_log(struct trainer *trainer);

/* ---- findings.c: what the doctor's rules say while the run goes on ---- */
int findings_images(struct trainer *trainer); /* looks at the images before training */
int findings_begin(struct trainer *trainer);
int findings_look(struct trainer *trainer);
/* Looks a last time; the verdict in a few words, as the doctor has it, or what to do for one. */
enum { FINDINGS_TEXT = 512 };
int findings_end(struct trainer *trainer, char text[static FINDINGS_TEXT]);

/* ---- layers.c: layers.csv ---- */
bool layers_due(const struct trainer *trainer, int64_t step);
/* After a surveyed step: reads its record and writes a row for each layer. Waits. */
int layers_write(struct trainer *trainer);
/* Of a run that goes on: what was written after its state is cut off, whether or not there will be more. */
int layers_reopen(struct trainer *trainer);
/* These also where it was never opened. */
int layers_sync(struct trainer *trainer);
void layers_close(struct trainer *trainer);

/* ---- images.c: samples.csv, predictions.csv and predictions-last.csv ---- */
int images_write_samples(struct trainer *trainer); /* at the end */
/* Which classes the last evaluation never answered, and what that makes of the accuracy; "": each has been, or there
 * are too few images of it. */
enum { UNNAMED_TEXT = 256 };
void images_say_unnamed(const struct trainer *trainer, char text[static UNNAMED_TEXT]);
/* What the last evaluation made of the validation images: as the best weights, or as the last ones. */
int images_write_judgements(struct trainer *trainer, bool best);

/* ---- refused.c ---- */
/* Names the tensor and the samples at fault of a refused step, in log.jsonl and on the console. */
int refused_report(struct trainer *trainer, const struct step_record *record);

/* ---- step.c ---- */
double step_rate(const struct trainer *trainer, int64_t step_in_epoch); /* of the epoch under way */
bool step_tied(const struct trainer *trainer); /* whether batch norm ties images that are drawn at random */
int step_queue(struct trainer *trainer);       /* the next step, with what is measured of it */
struct step_control step_control_at(const struct trainer *trainer, int64_t step_in_epoch, int micro);

/* ---- autopilot.c: train.autopilot. The first two return 1 where the run went back to an earlier state, 0 where it did
 * not ---- */
int autopilot_look(struct trainer *trainer);    /* after every step */
int autopilot_recover(struct trainer *trainer); /* trainer->failure is set */
int autopilot_begin(struct trainer *trainer);   /* before the first step */
int autopilot_keep(struct trainer *trainer);    /* after an epoch: the state to go back to */
int autopilot_enlarge(struct trainer *trainer); /* after an epoch that is not the last: the batch, where that is due */

/* ---- keep.c: the state on disk ---- */
int keep_save(struct trainer *trainer, const char *which);
/* Takes up that earlier state in the middle of a run; steps.csv and results.csv are cut to it, log.jsonl is not. */
int keep_go_back(struct trainer *trainer, const char *which);
/* Takes up the run directory's newest state, or starts from the beginning where there is none yet. */
int keep_resume(struct trainer *trainer, const char *run);
/* Of an epoch, at the batch of now. */
int64_t keep_steps_per_epoch(const struct trainer *trainer);
/* Of all that a resumed run must find as it was: fixed settings, numbers and shape of the images. */
uint64_t keep_hash(const struct session *session);
/* What of the new settings may not change in a run under way: ERR_CONFIG names the keys. */
int keep_compare(const struct config *old, const struct config *new);
/* Whether a run that early stopping ended is to wait anew: for more patience alone it waits on from where it was. */
bool keep_asks_for_more(const struct config *old, const struct config *new);

/* ---- judge.c: what of the config cannot be had ---- */
void judge_config(const struct session *session, struct mistakes *mistakes); /* with the images found */
/* With images and classes like these. */
void judge_network(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes);

/* ---- start.c: model.weights ---- */
/* The file is there. OK where none is named. */
int start_check(const struct config *config);
/* With images and classes like these its weights are not the network's. A file that is not there is no mistake here. */
void start_judge(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes);

/* ---- parts.c: the images of a session ---- */
/* Which images there are, and which are for what. What cannot be found is a mistake of the key that names it. */
int parts_find(struct session *session, struct mistakes *mistakes);
/* Then the images; what cannot be used may be left out. What cannot be used of both parts is named in one go. */
int parts_read(struct session *session, struct mistakes *mistakes);
int parts_draw(struct session *session, int64_t count); /* training images of noise, of the card's shape and classes */
int parts_place(struct session *session);               /* needs the plan */
void parts_close(struct session *session);

void trainer_account_time(struct trainer *trainer);
/* evaluate_part with the averaged weights, where there are any, until a signal comes. */
int trainer_evaluate(struct trainer *trainer, const struct part *part, struct judgement *judgements,
                     struct evaluation *evaluation);
#endif
