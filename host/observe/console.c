/* console: a run as a person sees it: what it is made of, how it goes, how it ended. Knows numbers and their layout,
 * nothing of how they come about. */
#include "console.h"
#include "doctor.h"
#include "log.h"
#include "samples.h"
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef EVENKEEL_VERSION
#define EVENKEEL_VERSION "unknown"
#endif

enum { LABEL_COLUMNS = 10 };
#define WAIT_SHOWN 0.1 /* seconds of an epoch */

/* "data       …" */
#define line(label, ...) log_labelled(label, LABEL_COLUMNS, __VA_ARGS__)

/* ---- header ---- */

static void class_line(const struct model_card *card)
{
    char text[512] = "";
    int room = (log_is_terminal() ? log_width() : 110) - LABEL_COLUMNS - (int)strlen(" 1000: , …"), i = 0;
    for (size_t used = 0; i < card->class_count; i++) {
        const char *name = card->class_names[i];
        room -= text_columns(name) + 2;
        if (room < 0 || used + strlen(name) + 3 > sizeof text)
            break;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : ": ", name);
    }
    line("classes", "%d%s%s", card->class_count, text, i == 0 ? "" : i < card->class_count ? ", …" : "");
}

static void data_lines(const struct session *session, int64_t steps_per_epoch)
{
    const struct config *config = session->config;
    const struct dataset *train = session->train.subset.data;
    line("data", "%lld training images of %d x %d pixels, %s: %s", (long long)session->train.subset.count,
         train->image.w, train->image.h, train->image.c == 1 ? "grey" : "colour", train->source);
    if (!session->val.source)
        line("", "no validation images: the run is judged by its training loss");
    else if (session->val.source == session->train.source)
        line("", "%lld validation images: %.2g %% of the same folder, from every class",
             (long long)session->val.subset.count, 100.0 * (double)session->val.subset.count / (double)train->count);
    else
        line("", "%lld validation images: %s", (long long)session->val.subset.count, session->val.subset.data->source);
    /* A folder of IDX or CIFAR files holds both parts under one name; a class folder is the same images twice. */
    if (session->val.source == &session->val_source && train->encoded.root &&
        strcmp(train->source, session->val.subset.data->source) == 0)
        log_warn("data.val is data.train: the validation figures will not show overfitting; leave data.val out to have "
                 "images set aside");
    if (session->loader) {
        char ring[24];
        text_bytes(ring, (double)loader_bytes(session->loader));
        line("", "%s images are read while training, through %s of memory",
             session->train.source->streamed && session->val.source && session->val.source->streamed ? "the"
             : session->train.source->streamed                                                       ? "training"
                                                                                                     : "validation",
             ring);
    }
    class_line(&session->card);
    int64_t step_images = (int64_t)config->train.batch_size * config->train.accumulate;
    int64_t waiting = session->train.subset.count - steps_per_epoch * step_images;
    if (waiting > 0)
        line("", "%lld training images of each epoch are left out, as they fill no batch", (long long)waiting);
}

static void normalize_line(const struct session *session)
{
    static const char *const how[] = {
        [NORMALIZE_AUTO] = "measured", [NORMALIZE_GIVEN] = "given", [NORMALIZE_NONE] = "none"};
    char text[200];
    size_t used = 0;
    if (session->card.by_image) {
        line("normalize", "each image by its own mean and deviation");
        return;
    }
    for (int part = 0; part < 2; part++) {
        const double *numbers = part ? session->card.std : session->card.mean;
        used += (size_t)snprintf(text + used, sizeof text - used, part ? ", std" : "mean");
        for (int c = 0; c < session->card.image.c; c++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %.3f", numbers[c]);
    }
    line("normalize", "%s (%s)", text, how[session->config->augment.normalize]);
}

static void model_line(const struct session *session)
{
    char parameters[24], operations[24];
    text_count(parameters, (double)graph_param_count(&session->graph));
    text_count(operations, graph_flops(&session->graph));
    line("model", "%s, %s parameters, %s operations per image", session->graph.model, parameters, operations);
    if (session->started_from)
        line("", "first weights: %s", session->started_from);
    if (session->graph.first_trained > 0) {
        text_count(parameters, (double)graph_trained_count(&session->graph));
        line("", "trained: %s parameters from %s on; the layers before it are held still", parameters,
             session->graph.nodes[session->graph.first_trained].name);
    }
}

/* What the network takes: the largest purposes by name, the rest in the sum. */
static void memory_line(const struct plan *plan)
{
    char all[24], text[256] = "";
    size_t used = 0;
    static const struct {
        const char *name;
        int first, last; /* of enum slab_kind */
    } parts[] = {
        {"activations", SLAB_ACTIVATION, SLAB_ACTIVATION},
        {"weights and optimizer", SLAB_PARAM, SLAB_STATE_EMA},
        {"scratch", SLAB_SCRATCH, SLAB_SKETCH},
    };
    text_bytes(all, (double)plan_bytes(plan));
    for (int i = 0; i < COUNT_OF(parts); i++) {
        size_t sum = 0;
        for (int slab = parts[i].first; slab <= parts[i].last; slab++)
            sum += plan->slabs[slab].bytes;
        if (sum * 20 < plan_bytes(plan))
            continue;
        char bytes[24];
        text_bytes(bytes, (double)sum);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s", used ? ", " : "", parts[i].name, bytes);
    }
    line("memory", "%s for the network: %s", all, text);
}

void console_header(const struct session *session, const char *run, int64_t steps_per_epoch)
{
    const struct config *config = session->config;
    char device[256], optimizer[32] = "", schedule[32] = "";
    session->backend->describe(session->device, device, sizeof device);
    config_word(config, "optim.name", optimizer, sizeof optimizer);
    config_word(config, "schedule.name", schedule, sizeof schedule);
    log_info("%sevenkeel %s%s", log_style(LOG_BOLD), EVENKEEL_VERSION, log_style(LOG_PLAIN));
    line("run", "%s", run);
    line("device", "%s, training in %s", device, dtype_name(session->dtype));
    data_lines(session, steps_per_epoch);
    normalize_line(session);
    model_line(session);
    memory_line(&session->plan);
    char accumulate[48] = "";
    if (config->train.accumulate > 1)
        snprintf(accumulate, sizeof accumulate, " x %d accumulated", config->train.accumulate);
    line("training", "%d epoch%s of %lld step%s, batch %d%s, %s, lr %g, schedule %s", config->train.epochs,
         config->train.epochs == 1 ? "" : "s", (long long)steps_per_epoch, steps_per_epoch == 1 ? "" : "s",
         config->train.batch_size, accumulate, optimizer, config->optim.lr, schedule);
    config_advise(config, log_warn);
    config_advise_steps(config, steps_per_epoch, log_warn);
}

/* ---- progress ---- */

void console_begin(struct console *console, const struct config *config, int64_t steps_per_epoch, int64_t val_images)
{
    *console = (struct console){
        .epochs = config->train.epochs,
        .steps_per_epoch = steps_per_epoch,
        .val_images = val_images,
        .images_per_step = config->train.batch_size * config->train.accumulate,
        .every_seconds = config->stats.console_seconds,
        .shown = clock_seconds(),
        .view = {.smooth = NAN, .smooth_error = NAN, .spike_z = NAN},
    };
}

void console_epoch_begin(struct console *console, int64_t step_in_epoch)
{
    console->began = clock_seconds();
    console->began_step = step_in_epoch;
    console->refused = 0;
}

void console_step(struct console *console, const struct step_record *record, const struct loss_view *view)
{
    console->refused += record->bad == REFUSED_NONFINITE;
    console->view = *view;
}

bool console_due(const struct console *console)
{
    double wait = log_is_terminal() ? 0.1 : (double)console->every_seconds;
    return clock_seconds() - console->shown >= wait;
}

double console_rate(const struct console *console, int64_t step_in_epoch)
{
    double seconds = clock_seconds() - console->began - console->evaluation_took;
    if (console->evaluation_began < console->began)
        seconds = clock_seconds() - console->began;
    int64_t steps = step_in_epoch - console->began_step;
    return steps > 0 && seconds > 0.0 ? (double)(steps * console->images_per_step) / seconds : NAN;
}

static double seconds_left(const struct console *console, int64_t epoch, int64_t step_in_epoch, double rate)
{
    double steps = (double)((console->epochs - epoch) * console->steps_per_epoch - step_in_epoch);
    return steps * console->images_per_step / rate + (double)(console->epochs - epoch) * console->evaluation_took;
}

/* What tells least goes first where there is no room. */
enum { PART_RATE, PART_ERROR, PART_SPEED, PART_REFUSED, PART_LEFT, PART_ALWAYS };

size_t console_progress(const struct console *console, const struct progress *progress, int columns, char *text,
                        size_t bytes)
{
    const struct loss_view *view = &console->view;
    const int digits = snprintf(NULL, 0, "%lld", (long long)console->steps_per_epoch);
    struct {
        int rank;
        char text[64];
    } parts[] = {{PART_ALWAYS, ""}, {PART_ALWAYS, ""}, {PART_ALWAYS, ""}, {PART_ERROR, ""},
                 {PART_LEFT, ""},   {PART_SPEED, ""},  {PART_RATE, ""},   {PART_REFUSED, ""}};
    char left[24], images[24];
    text_duration(left, progress->seconds_left);
    text_count(images, progress->images_per_second);
    snprintf(parts[0].text, sizeof parts->text, "epoch %lld/%lld", (long long)progress->epoch + 1,
             (long long)console->epochs);
    snprintf(parts[1].text, sizeof parts->text, "  step %*lld/%lld", digits, (long long)progress->step_in_epoch,
             (long long)console->steps_per_epoch);
    snprintf(parts[2].text, sizeof parts->text, "  loss %.4f", view->smooth);
    /* Chance in drawing images says little of a mean that is on its way. */
    if (view->direction)
        snprintf(parts[3].text, sizeof parts->text, " %s", view->direction < 0 ? "falling" : "rising");
    else
        snprintf(parts[3].text, sizeof parts->text, " ± %.4f", view->smooth_error);
    snprintf(parts[4].text, sizeof parts->text, "  %s left", left);
    snprintf(parts[5].text, sizeof parts->text, "  %s images/s", images);
    snprintf(parts[6].text, sizeof parts->text, "  lr %.3g", progress->lr);
    if (console->refused)
        snprintf(parts[7].text, sizeof parts->text, "  %lld refused", (long long)console->refused);
    int width = 0;
    for (int i = 0; i < COUNT_OF(parts); i++)
        width += text_columns(parts[i].text);
    for (int rank = 0; rank < PART_ALWAYS && width > columns; rank++)
        for (int i = 0; i < COUNT_OF(parts); i++)
            if (parts[i].rank == rank) {
                width -= text_columns(parts[i].text);
                parts[i].text[0] = 0;
            }
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < COUNT_OF(parts) && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s", parts[i].text);
    return used;
}

void console_show(struct console *console, int64_t epoch, int64_t step_in_epoch, double lr)
{
    char text[512];
    const double rate = console_rate(console, step_in_epoch);
    const struct progress progress = {.epoch = epoch,
                                      .step_in_epoch = step_in_epoch,
                                      .lr = lr,
                                      .images_per_second = rate,
                                      .seconds_left = seconds_left(console, epoch, step_in_epoch, rate)};
    console_progress(console, &progress, log_is_terminal() ? log_width() - 1 : INT_MAX, text, sizeof text);
    if (log_is_terminal())
        log_progress("%s", text);
    else
        log_info("%s", text);
    console->shown = clock_seconds();
}

void console_evaluation(struct console *console, bool begins, int64_t epoch)
{
    if (begins) {
        console->evaluation_began = clock_seconds();
        log_progress("epoch %lld/%lld  evaluating", (long long)epoch + 1, (long long)console->epochs);
    } else {
        console->evaluation_took = clock_seconds() - console->evaluation_began;
    }
}

/* Four decimals while they say something; "-" where nothing was measured, then there is no accuracy either. */
static void print_loss(char text[static 24], double loss, double accuracy)
{
    if (isnan(loss)) /* printf's may have a sign */
        text_copy(text, 24, isnan(accuracy) ? "-" : "nan");
    else
        snprintf(text, 24, fabs(loss) < 999.5 ? "%.4f" : "%.2e", loss);
}

static void print_percent(char text[static 24], double share)
{
    if (isfinite(share))
        snprintf(text, 24, "%.2f", 100.0 * share);
    else
        text_copy(text, 24, "-");
}

/* Of a row of the table. What tells least goes first where there is no room. */
enum { CELL_ERROR, CELL_RATE, CELL_SPEED, CELL_TRAINED, CELL_ALWAYS };
static const struct {
    const char *title;
    int width, rank;
} cells[] = {
    {"epoch", 7, CELL_ALWAYS},    {"train loss", 10, CELL_ALWAYS}, {"acc %", 6, CELL_TRAINED},
    {"val loss", 8, CELL_ALWAYS}, {"s.e.", 6, CELL_ERROR},         {"acc %", 6, CELL_ALWAYS},
    {"lr", 8, CELL_RATE},         {"images/s", 8, CELL_SPEED},     {"time", 7, CELL_ALWAYS},
};

int console_row(const char *const *texts, int columns, char *row, size_t bytes)
{
    static_assert(COUNT_OF(cells) == CONSOLE_CELLS, "the table");
    int width = -2, rank = -1;
    for (int i = 0; i < CONSOLE_CELLS; i++)
        width += cells[i].width + 2;
    for (; width > columns && rank + 1 < CELL_ALWAYS; rank++)
        for (int i = 0; i < CONSOLE_CELLS; i++)
            width -= cells[i].rank == rank + 1 ? cells[i].width + 2 : 0;
    size_t used = 0;
    row[0] = 0;
    for (int i = 0; i < CONSOLE_CELLS && used < bytes; i++)
        if (cells[i].rank > rank)
            used += (size_t)snprintf(row + used, bytes - used, "%s%*s", used ? "  " : "", cells[i].width,
                                     texts ? texts[i] : cells[i].title);
    return width;
}

/* A row, what is to be said of its epoch behind it, or below where that has no room. */
static void print_row(const char *const *texts, const char *const *notes, int count)
{
    const int columns = log_is_terminal() ? log_width() : INT_MAX;
    char row[256], text[256];
    int width = console_row(texts, columns, row, sizeof row);
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < count; i++) {
        const bool best = strcmp(notes[i], "best") == 0;
        width += 2 + text_columns(notes[i]);
        if (width > columns) {
            log_info("%s%s", row, text);
            snprintf(row, sizeof row, "%*s", cells[0].width, "");
            used = 0;
            text[0] = 0;
            width = cells[0].width + 2 + text_columns(notes[i]);
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s  %s%s", best ? log_style(LOG_GREEN) : "",
                                 notes[i], best ? log_style(LOG_PLAIN) : "");
    }
    log_info("%s%s", row, text);
}

void console_epoch(struct console *console, const struct epoch_record *record)
{
    char epoch[48], rate[24], speed[24], seconds[24], refused[48], waited[48], loss[2][24], percent[2][24],
        error[24] = "-";
    snprintf(epoch, sizeof epoch, "%lld/%lld", (long long)record->epoch + 1, (long long)console->epochs);
    snprintf(rate, sizeof rate, "%.3g", record->lr);
    print_loss(loss[0], record->train_loss, record->train_accuracy);
    print_loss(loss[1], record->val_loss, record->val_accuracy);
    if (isfinite(record->val_loss_error))
        print_loss(error, record->val_loss_error, record->val_accuracy);
    print_percent(percent[0], record->train_accuracy);
    print_percent(percent[1], record->val_accuracy);
    text_count(speed, record->images_per_second);
    text_duration(seconds, record->seconds);
    snprintf(refused, sizeof refused, "%lld step%s refused", (long long)record->bad_steps,
             record->bad_steps == 1 ? "" : "s");
    snprintf(waited, sizeof waited, "%.1f s spent waiting for images", record->data_wait);
    const char *const texts[CONSOLE_CELLS] = {epoch,      loss[0], percent[0], loss[1], error,
                                              percent[1], rate,    speed,      seconds};
    const char *notes[4];
    int count = 0;
    if (record->best)
        notes[count++] = "best";
    if (record->plateau_cut)
        notes[count++] = "lr lowered";
    if (record->bad_steps)
        notes[count++] = refused;
    if (record->data_wait >= WAIT_SHOWN)
        notes[count++] = waited;
    if (!console->table_begun) {
        char titles[256];
        console_row(NULL, log_is_terminal() ? log_width() : INT_MAX, titles, sizeof titles);
        log_info("\n%s%s%s", log_style(LOG_DIM), titles, log_style(LOG_PLAIN));
    }
    console->table_begun = true;
    console->last = *record;
    print_row(texts, notes, count);
    console->shown = clock_seconds();
}

/* ---- the end ---- */

static void stability_lines(const struct stability *stability)
{
    char texts[STABILITY_TEXTS][STABILITY_TEXT];
    const int count = stability_say(stability, texts);
    for (int i = 0; i < count; i++)
        line(i == 0 ? "loss" : "", "%s", texts[i]);
}

/* One that can be copied: never wrapped into lines of its own. */
__attribute__((format(printf, 2, 3))) static void command(const char *label, const char *format, ...)
{
    char text[3 * PATH_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_info("%s%-*s%s %s", log_style(LOG_DIM), LABEL_COLUMNS, label, log_style(LOG_PLAIN), text);
}

static void next_lines(const struct config *config, const struct train_state *state, const char *run,
                       enum console_end end)
{
    /* As it can be typed again: the program by the name it was called by, the folder as one word. */
    char program[PATH_BYTES], folder[PATH_BYTES];
    text_shell(program, sizeof program, program_invocation_name);
    text_shell(folder, sizeof folder, run);
    if (end == END_SIGNAL) {
        command("next", "%s train --resume %s", program, folder);
        return;
    }
    bool validated = !isnan(state->best_accuracy) || state->best_epoch < 0;
    command("next", "%s doctor %s --probe", program, folder);
    command("", "%s report %s", program, folder);
    command("", "%s eval %s%s", program, folder, validated ? "" : " --data FOLDER");
    command("", "%s predict %s IMAGE.png", program, folder);
    if (end == END_EPOCHS)
        command("", "%s train --resume %s train.epochs=%d", program, folder, 2 * config->train.epochs);
    else if (end == END_EARLY)
        command("", "%s train --resume %s early_stop.patience=%d", program, folder, 2 * config->early_stop.patience);
    else if (end == END_MAX_STEPS)
        command("", "%s train --resume %s train.max_steps=0", program, folder);
}

static void line_of_result(const struct console *console, const char *name, const char *when, double val_loss,
                           double accuracy)
{
    char loss[24], percent[24];
    print_loss(loss, val_loss, accuracy);
    print_percent(percent, accuracy);
    const int64_t images = console->val_images;
    const struct accuracy_range range = accuracy_range((int64_t)llround(accuracy * (double)images), images);
    line(name, "%s%s: validation loss %s, accuracy %s %%%s (95 %% interval %.1f to %.1f for %lld images)",
         log_style(LOG_BOLD), when, loss, percent, log_style(LOG_PLAIN), 100.0 * range.low, 100.0 * range.high,
         (long long)images);
}

void console_result(const struct console *console, const struct config *config, const struct train_state *state,
                    const struct stability *stability, const char *unnamed, const char *verdict, const char *run,
                    enum console_end end)
{
    static const char *const why[] = {
        [END_EPOCHS] = "all epochs done",
        [END_EARLY] = "stopped early, early_stop.patience epochs without improvement",
        [END_MAX_STEPS] = "stopped at train.max_steps",
        [END_SIGNAL] = "stopped by a signal; everything is saved",
    };
    char seconds[24], when[40];
    text_duration(seconds, state->seconds);
    log_info("%s", "");
    line("ended", "after %lld step%s, %s: %s", (long long)state->step, state->step == 1 ? "" : "s", seconds, why[end]);
    if (state->bad_steps)
        line("refused", "%lld of %lld steps, see log.jsonl", (long long)state->bad_steps, (long long)state->step);
    if (state->best_epoch >= 0 && isnan(state->best_accuracy))
        line("best", "%sepoch %lld, by its training loss%s", log_style(LOG_BOLD), (long long)state->best_epoch + 1,
             log_style(LOG_PLAIN));
    else if (state->best_epoch >= 0) {
        snprintf(when, sizeof when, "epoch %lld", (long long)state->best_epoch + 1);
        line_of_result(console, "best", when, state->best_loss, state->best_accuracy);
    }
    /* Measured inside an epoch: no epoch's result, and no checkpoint's. */
    if (end == END_MAX_STEPS && state->step_in_epoch > 0 && !isnan(console->last.val_accuracy)) {
        snprintf(when, sizeof when, "step %lld", (long long)state->step);
        line_of_result(console, "result", when, console->last.val_loss, console->last.val_accuracy);
    }
    if (*unnamed)
        line("answers", "%s", unnamed);
    stability_lines(stability);
    line("verdict", "%s", verdict);
    line("run", "%s", run);
    next_lines(config, state, run, end);
}
