/* console: what a person sees of a run, all of it on stderr through log.h.
 * Level 7: includes trainer. */
#ifndef CONSOLE_H
#define CONSOLE_H
#include "stability.h"
#include "state.h"
#include "trainer.h"

/* The moving part: the progress line on a terminal, a plain line every so many seconds elsewhere. */
struct console {
    int64_t epochs, steps_per_epoch, val_images;
    int images_per_step, every_seconds;
    struct loss_view view;  /* of the last step */
    int64_t refused;        /* since the epoch began */
    double began;           /* clock when this epoch, or this process's part of it, began */
    int64_t began_step;     /* step in epoch then */
    double shown;           /* clock when the last plain line was written */
    double evaluation_took; /* seconds of the last evaluation, for the time left */
    double evaluation_began;
    bool table_begun;
    struct epoch_record last; /* that was shown */
};

/* Program, device, data, network, memory, length of the run. */
void console_header(const struct session *session, const char *run, int64_t steps_per_epoch);
void console_begin(struct console *console, const struct config *config, int64_t steps_per_epoch, int64_t val_images);
void console_epoch_begin(struct console *console, int64_t step_in_epoch);
void console_step(struct console *console, const struct step_record *record, const struct loss_view *view);
/* Whether it is time to show something: the caller then reads the records that are there and calls console_show. */
bool console_due(const struct console *console);
/* The progress line, no wider than columns as long as anything in it can be left out: the learning rate first, what
 * tells how sure the loss is next, the time left last. Returns its length. */
struct progress {
    int64_t epoch, step_in_epoch;
    double lr, images_per_second, seconds_left;
};
size_t console_progress(const struct console *console, const struct progress *progress, int columns, char *text,
                        size_t bytes);
void console_show(struct console *console, int64_t epoch, int64_t step_in_epoch, double lr);
void console_evaluation(struct console *console, bool begins, int64_t epoch);
/* Images per second of this process in the epoch under way. */
double console_rate(const struct console *console, int64_t step_in_epoch);
/* A row of the table of epochs, in at most so many columns: cells that tell least are left out. texts: of each cell,
 * [CONSOLE_CELLS]; NULL: their titles. Returns its columns. */
enum { CONSOLE_CELLS = 9 };
int console_row(const char *const *texts, int columns, char *row, size_t bytes);
void console_epoch(struct console *console, const struct epoch_record *record);

enum console_end { END_EPOCHS, END_EARLY, END_MAX_STEPS, END_SIGNAL };
/* The best result, classes that are never answered ("": none), what the loss did, the verdict, why the run ended, where
 * it lies and what to do next. */
void console_result(const struct console *console, const struct config *config, const struct train_state *state,
                    const struct stability *stability, const char *unnamed, const char *verdict, const char *run,
                    enum console_end end);
#endif
