/* trainer: one run from config to verdict: epochs of steps, evaluation, schedule, early stopping. Knows the order of
 * things; how a state is kept, a record taken or a line printed is in the files beside it. */
#include "log.h"
#include "text.h"
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void trainer_account_time(struct trainer *trainer)
{
    double now = clock_seconds();
    trainer->state.seconds += now - trainer->clock;
    trainer->clock = now;
}

/* ---- epochs of steps ---- */

static int begin_epoch(struct trainer *trainer)
{
    const struct config *config = &trainer->config;
    const struct part *part = &trainer->session.train;
    batches_rest(&trainer->session);
    subset_order(&part->subset, (uint64_t)config->train.seed, (uint32_t)trainer->state.epoch, config->data.shuffle,
                 trainer->order);
    TRY(trainer->session.backend->upload(trainer->session.device, part->order, trainer->order,
                                         (size_t)part->subset.count * sizeof *trainer->order));
    int64_t step_images = (int64_t)config->train.batch_size * config->train.accumulate;
    trainer->waited = batches_waited(&trainer->session);
    TRY(batches_begin(&trainer->session, part->source, part->order, trainer->order,
                      trainer->state.step_in_epoch * step_images, trainer->steps_per_epoch * step_images));
    console_epoch_begin(&trainer->console, trainer->state.step_in_epoch);
    return OK;
}

static bool at_max_steps(const struct trainer *trainer)
{
    int64_t limit = trainer->config.train.max_steps;
    return limit > 0 && trainer->state.step >= limit;
}

/* Until the epoch's last step, a signal, max_steps or a failure: all records have been read then. 1: autopilot went
 * back to an earlier state, possibly of another epoch. */
static int train_steps(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    int64_t every = trainer->config.run.checkpoint_steps;
    while (state->step_in_epoch < trainer->steps_per_epoch && !signal_caught && !at_max_steps(trainer)) {
        TRY(step_queue(trainer));
        TRY(records_take(trainer));
        if (trainer->failure[0])
            break;
        int back;
        TRY(back = autopilot_look(trainer));
        if (back || trainer->failure[0])
            return back;
        if (console_due(&trainer->console))
            console_show(&trainer->console, state->epoch, state->step_in_epoch,
                         step_rate(trainer, state->step_in_epoch));
        if (every > 0 && state->step % every == 0 && state->step_in_epoch < trainer->steps_per_epoch) {
            TRY(records_read(trainer));
            if (trainer->failure[0])
                break;
            TRY(keep_save(trainer, "last"));
        }
    }
    return records_read(trainer);
}

/* ---- the end of an epoch ---- */

int trainer_evaluate(struct trainer *trainer, const struct part *part, struct judgement *judgements,
                     struct evaluation *evaluation)
{
    struct plan *plan = &trainer->session.plan;
    if (plan->options.ema)
        TRY(plan_swap_ema(plan));
    int status = evaluate_part(&trainer->session, part, judgements, &signal_caught, evaluation);
    if (plan->options.ema && status >= 0)
        TRY(plan_swap_ema(plan));
    return status;
}

static int evaluate(struct trainer *trainer, struct evaluation *evaluation)
{
    struct session *session = &trainer->session;
    *evaluation = (struct evaluation){.loss = NAN, .loss_error = NAN, .accuracy = NAN, .accuracy5 = NAN};
    if (!session->val.source)
        return EVALUATE_DONE;
    console_evaluation(&trainer->console, true, trainer->state.epoch);
    int status = trainer_evaluate(trainer, &session->val, trainer->judgements, evaluation);
    trainer->judged = status == EVALUATE_DONE && trainer->judgements;
    console_evaluation(&trainer->console, false, trainer->state.epoch);
    return status;
}

static double train_loss(const struct train_state *state)
{
    return state->sums.samples > 0 ? state->sums.loss / (double)state->sums.samples : NAN;
}

static double train_accuracy(const struct train_state *state)
{
    return state->sums.samples > 0 ? (double)state->sums.correct / (double)state->sums.samples : NAN;
}

/* A run without validation images is judged by its training images. */
static double monitored(const struct trainer *trainer, enum monitor_kind kind, const struct evaluation *evaluation)
{
    bool validated = trainer->session.val.source != NULL;
    if (kind == MONITOR_VAL_ACCURACY)
        return validated ? evaluation->accuracy : train_accuracy(&trainer->state);
    return validated && kind == MONITOR_VAL_LOSS ? evaluation->loss : train_loss(&trainer->state);
}

/* What is said about the epoch, before it is judged. */
static struct epoch_record describe(const struct trainer *trainer, const struct evaluation *evaluation)
{
    const struct train_state *state = &trainer->state;
    return (struct epoch_record){
        .epoch = state->epoch,
        .step = state->step - 1,
        .seconds = state->seconds,
        .train_loss = train_loss(state),
        .train_accuracy = train_accuracy(state),
        .val_loss = evaluation->loss,
        .val_loss_error = evaluation->loss_error,
        .val_accuracy = evaluation->accuracy,
        .val_accuracy5 = evaluation->accuracy5,
        .lr = step_rate(trainer, state->step_in_epoch > 0 ? state->step_in_epoch - 1 : 0),
        .images_per_second = console_rate(&trainer->console, state->step_in_epoch),
        .bad_steps = state->sums.bad_steps,
        .data_wait = batches_waited(&trainer->session) - trainer->waited,
        .skipped = trainer->session.train_source.data.skipped_count + trainer->session.val_source.data.skipped_count,
    };
}

/* Schedule and early stopping hear of the epoch. */
static void judge(struct trainer *trainer, const struct evaluation *evaluation, struct epoch_record *record)
{
    const struct config *config = &trainer->config;
    struct train_state *state = &trainer->state;
    if (config->schedule.name == SCHEDULE_PLATEAU)
        record->plateau_cut = plateau_step(&state->plateau, &trainer->plateau_rule,
                                           monitored(trainer, config->schedule.monitor, evaluation));
    double metric = monitored(trainer, config->early_stop.monitor, evaluation);
    record->best = early_stop_step(&state->early_stop, &trainer->early_stop_rule, state->epoch, metric);
    if (record->best) {
        state->best_epoch = state->epoch;
        state->best_loss = evaluation->loss;
        state->best_accuracy = evaluation->accuracy;
    }
    state->stopped_early = early_stop_due(&state->early_stop, &trainer->early_stop_rule);
}

static int log_epoch(struct trainer *trainer, const struct evaluation *evaluation, const struct epoch_record *record)
{
    TRY(run_log_epoch(&trainer->run, record));
    TRY(tensorboard_epoch(&trainer->tensorboard, record));
    console_epoch(&trainer->console, record);
    if (evaluation->nonfinite > 0)
        log_warn("the network's loss is not finite for %lld of %lld validation images",
                 (long long)evaluation->nonfinite, (long long)evaluation->samples);
    if (record->plateau_cut)
        TRY(run_log_event(&trainer->run, "plateau", "\"epoch\":%lld,\"lr\":%.17g", (long long)record->epoch + 1,
                          trainer->state.plateau.lr));
    return OK;
}

/* EVALUATE_STOPPED: a signal came first; a resumed run evaluates then. */
static int end_epoch(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    const struct config *config = &trainer->config;
    struct evaluation evaluation;
    int status = evaluate(trainer, &evaluation);
    if (status != EVALUATE_DONE)
        return status;
    trainer_account_time(trainer);
    struct epoch_record record = describe(trainer, &evaluation);
    judge(trainer, &evaluation, &record);
    TRY(log_epoch(trainer, &evaluation, &record));
    state->epoch++;
    state->step_in_epoch = 0;
    state->sums = (struct epoch_sums){0};
    if (trainer->judged)
        samples_judged(trainer->val_seen, trainer->judgements, trainer->session.val.subset.count);
    TRY(images_write_judgements(trainer, record.best));
    if (record.best)
        TRY(keep_save(trainer, "best"));
    bool last = state->epoch >= config->train.epochs || state->stopped_early;
    int every = config->run.checkpoint_epochs;
    TRY(autopilot_keep(trainer));
    if (last || every <= 1 || state->epoch % every == 0)
        TRY(keep_save(trainer, "last"));
    if (!last)
        TRY(autopilot_enlarge(trainer));
    return EVALUATE_DONE;
}

/* ---- the run ---- */

static bool is_over(const struct trainer *trainer)
{
    const struct train_state *state = &trainer->state;
    return state->epoch >= trainer->config.train.epochs || state->stopped_early || at_max_steps(trainer);
}

static int save_if_new(struct trainer *trainer)
{
    bool saved = trainer->saved_step == trainer->state.step && trainer->saved_epoch == trainer->state.epoch;
    return saved ? OK : keep_save(trainer, "last");
}

/* max_steps ends a run inside an epoch: the state is kept as it is there, so that a larger max_steps goes on as if
 * nothing had been. The evaluation that follows is for the person only: neither the schedule nor `best` hears of it. */
static int end_at_max_steps(struct trainer *trainer)
{
    struct evaluation evaluation;
    TRY(save_if_new(trainer));
    if (trainer->state.step_in_epoch == 0)
        return OK;
    int status = evaluate(trainer, &evaluation);
    if (status != EVALUATE_DONE)
        return status;
    trainer_account_time(trainer);
    const struct epoch_record record = describe(trainer, &evaluation);
    TRY(log_epoch(trainer, &evaluation, &record));
    return images_write_judgements(trainer, false);
}

/* EVALUATE_STOPPED: a signal came before the evaluation at max_steps was over. */
static int train_epochs(struct trainer *trainer)
{
    struct train_state *state = &trainer->state;
    while (!is_over(trainer) && !signal_caught) {
        TRY(begin_epoch(trainer));
        int back;
        TRY(back = train_steps(trainer));
        if (!back && trainer->failure[0]) {
            TRY(findings_look(trainer));
            TRY(back = autopilot_recover(trainer));
        }
        if (back)
            continue;
        if (trainer->failure[0])
            return FAIL(ERR_TRAINING, "%s", trainer->failure);
        if (state->step_in_epoch == trainer->steps_per_epoch && !signal_caught)
            TRY(end_epoch(trainer));
    }
    if (signal_caught && !is_over(trainer))
        return save_if_new(trainer);
    return at_max_steps(trainer) && state->epoch < trainer->config.train.epochs ? end_at_max_steps(trainer) : OK;
}

/* What the loss did, from what stands in steps.csv, so that the parts before an interruption count. */
static int sum_up(struct trainer *trainer, struct stability *stability)
{
    char path[PATH_BYTES];
    struct table steps = {0};
    struct arena arena = {0};
    TRY(path_join(path, trainer->run.path, "steps.csv"));
    if (table_read(&steps, path) < 0) /* begun by another version, or edited: no reason to fail at the end */
        log_warn("%s; what the loss did is not summed up", fail_text());
    stability_of(&steps, (double)trainer->session.train.subset.count, stability);
    stability->in_order = !trainer->config.data.shuffle;
    int status = run_write_stability(&trainer->run, stability_json(stability, &arena));
    table_free(&steps);
    arena_free(&arena);
    return status;
}

static int finish(struct trainer *trainer, bool stopped, struct train_result *result)
{
    const struct train_state *state = &trainer->state;
    enum console_end end = END_EPOCHS;
    if (stopped)
        end = END_SIGNAL;
    else if (state->epoch < trainer->config.train.epochs)
        end = state->stopped_early ? END_EARLY : END_MAX_STEPS;
    *result = (struct train_result){
        .stopped_by = end == END_SIGNAL ? signal_caught : 0,
        .epoch = state->epoch,
        .best_epoch = state->best_epoch + 1,
        .best = {.loss = state->best_loss, .accuracy = state->best_accuracy},
    };
    text_copy(result->path, sizeof result->path, trainer->run.path);
    struct stability stability;
    TRY(sum_up(trainer, &stability));
    TRY(images_write_samples(trainer));
    if (end == END_SIGNAL)
        TRY(run_log_event(&trainer->run, "stopped", "\"signal\":%d,\"step\":%lld", (int)signal_caught,
                          (long long)state->step));
    else {
        char text[256];
        TRY(fit_log(trainer));
        snprintf(text, sizeof text, "epochs %lld, steps %lld, best epoch %lld, val_loss %.6g, val_accuracy %.6g\n",
                 (long long)state->epoch, (long long)state->step, (long long)result->best_epoch, state->best_loss,
                 state->best_accuracy);
        TRY(run_log_event(&trainer->run, "done", "\"epochs\":%lld,\"steps\":%lld,\"best_epoch\":%lld,\"early\":%s",
                          (long long)state->epoch, (long long)state->step, (long long)result->best_epoch,
                          state->stopped_early ? "true" : "false"));
        TRY(run_mark(&trainer->run, "DONE", text));
    }
    char verdict[FINDINGS_TEXT], unnamed[UNNAMED_TEXT];
    images_say_unnamed(trainer, unnamed);
    TRY(findings_end(trainer, verdict));
    console_result(&trainer->console, &trainer->config, state, &stability, unnamed, verdict, trainer->run.path, end);
    return OK;
}

/* train.min_steps as epochs, so that schedule, display and resolved copy know of them. */
static void stretch_epochs(struct trainer *trainer)
{
    struct config *config = &trainer->config;
    const int64_t steps = trainer->steps_per_epoch;
    const int64_t epochs = (config->train.min_steps + steps - 1) / steps;
    config->train.epochs = epochs > config->train.epochs ? (int)epochs : config->train.epochs;
}

static void begin_state(struct trainer *trainer)
{
    const struct config *config = &trainer->config;
    struct train_state *state = &trainer->state;
    plateau_rule_from(&trainer->plateau_rule, config);
    early_stop_rule_from(&trainer->early_stop_rule, config);
    state_begin(state);
    state->config_hash = keep_hash(&trainer->session);
    plateau_begin(&state->plateau, &trainer->plateau_rule, config->optim.lr);
    early_stop_begin(&state->early_stop, &trainer->early_stop_rule);
    trainer->saved_step = -1;
    trainer->steps_per_epoch = keep_steps_per_epoch(trainer);
    stretch_epochs(trainer);
}

static int take_memory(struct trainer *trainer)
{
    const int64_t val_count = trainer->session.val.subset.count;
    TRY(memory_take(&trainer->order, (size_t)trainer->session.train.subset.count * sizeof *trainer->order,
                    "the order of an epoch"));
    if (val_count == 0 || val_count > SAMPLES_CSV_MOST)
        return OK;
    TRY(memory_take(&trainer->judgements, (size_t)val_count * sizeof *trainer->judgements,
                    "predictions of the validation images"));
    TRY(memory_take(&trainer->val_seen, (size_t)val_count * sizeof *trainer->val_seen,
                    "what was seen of the validation images"));
    memset(trainer->val_seen, 0, (size_t)val_count * sizeof *trainer->val_seen);
    trainer->session.plan.val_seen = trainer->val_seen;
    trainer->session.plan.val_images = val_count;
    return OK;
}

static int load_config(struct trainer *trainer, const struct train_request *request)
{
    if (!request->resume)
        return config_load(&trainer->config, request->file, request->overrides, request->override_count, stderr);
    struct config old = {0};
    int status = train_load_config(&old, request->resume, NULL, 0);
    if (status == OK)
        status = train_load_config(&trainer->config, request->resume, request->overrides, request->override_count);
    if (status == OK)
        status = keep_compare(&old, &trainer->config);
    trainer->asked_for_more = status == OK && keep_asks_for_more(&old, &trainer->config);
    config_free(&old);
    return status;
}

static int open_run(struct trainer *trainer, const struct train_request *request)
{
    char device[256];
    if (request->resume)
        TRY(keep_resume(trainer, request->resume));
    else
        TRY(run_create(&trainer->run, &trainer->config));
    trainer->session.backend->describe(trainer->session.device, device, sizeof device);
    if (!is_over(trainer))
        TRY(run_write_env(&trainer->run, device, request->argc, request->argv));
    const struct dataset *train = &trainer->session.train_source.data, *val = &trainer->session.val_source.data;
    TRY(run_write_skipped(&trainer->run, train->skipped, train->skipped_count, val->skipped, val->skipped_count));
    if (trainer->config.stats.tensorboard)
        TRY(tensorboard_open(&trainer->tensorboard, &trainer->run, trainer->state.step, trainer->steps_per_epoch,
                             trainer->session.train.subset.count));
    TRY(facts_log(trainer));
    TRY(findings_images(trainer));
    TRY(findings_begin(trainer));
    records_begin(trainer);
    console_header(&trainer->session, trainer->run.path, trainer->steps_per_epoch);
    console_begin(&trainer->console, &trainer->config, trainer->steps_per_epoch, trainer->session.val.subset.count);
    if (is_over(trainer))
        log_info("resumed    after its end: there is nothing left to do%s",
                 trainer->state.stopped_early ? "; a larger early_stop.patience or train.epochs lets it go on" : "");
    else if (trainer->state.step > 0)
        log_info("resumed    at epoch %lld, step %lld of %lld", (long long)trainer->state.epoch + 1,
                 (long long)trainer->state.step_in_epoch, (long long)trainer->steps_per_epoch);
    return OK;
}

static int run(struct trainer *trainer, const struct train_request *request, struct train_result *result)
{
    TRY(load_config(trainer, request));
    if (!request->resume)
        TRY(run_check_dir(&trainer->config));
    if (!request->resume)
        TRY(start_check(&trainer->config));
    signals_begin(false);
    TRY(session_open(&trainer->session, &trainer->config));
    if (!request->resume)
        TRY(session_start_weights(&trainer->session));
    trainer->accumulate = trainer->config.train.accumulate;
    begin_state(trainer);
    TRY(take_memory(trainer));
    signals_begin(true);
    TRY(open_run(trainer, request));
    trainer->clock = clock_seconds();
    TRY(autopilot_begin(trainer));
    int status;
    TRY(status = train_epochs(trainer));
    trainer_account_time(trainer);
    return finish(trainer, status == EVALUATE_STOPPED || (signal_caught && !is_over(trainer)), result);
}

/* Says FAILED and why in the run directory, as far as that can still be written. */
static void mark_failed(struct trainer *trainer, int status)
{
    struct arena arena = {0};
    const char *text = arena_text(&arena, fail_text());
    if (run_log_event(&trainer->run, "failed", "\"reason\":%s,\"exit_status\":%d", text_quote(&arena, text),
                      status_exit_code(status)) < 0 ||
        run_mark(&trainer->run, "FAILED", text) < 0)
        log_warn("%s", fail_text());
    log_info("run        %s", trainer->run.path);
    FAIL(ERR_TRAINING, "%s", text);
    arena_free(&arena);
}

static void close_trainer(struct trainer *trainer)
{
    layers_close(trainer);
    watch_end(&trainer->watch);
    tensorboard_close(&trainer->tensorboard);
    run_close(&trainer->run);
    session_close(&trainer->session);
    memory_give(trainer->order);
    memory_give(trainer->judgements);
    memory_give(trainer->val_seen);
    config_free(&trainer->config);
}

int train_run(const struct train_request *request, struct train_result *result)
{
    struct trainer trainer = {0};
    *result = (struct train_result){0};
    int status = run(&trainer, request, result);
    log_progress_end();
    if (status < 0 && trainer.run.path[0])
        mark_failed(&trainer, status);
    close_trainer(&trainer);
    signals_end();
    return status;
}
