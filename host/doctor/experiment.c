/* experiment: see include/experiment.h. Owns the budget, and what a trial's outcome means; which trials there are is in
 * arms.c. */
#include "experiment.h"

#include "arms.h"
#include "log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PROBE_IMAGES = 512 };

/* ---- running ---- */

/* What an experiment runs on. */
struct setting {
    const struct experiment_request *request;
    double flops;  /* of the run's network, of an image */
    double memory; /* updates that learning by heart is to have after the trials; 0: it came first */
    int listed;    /* arms that do not follow from another's outcome */
    struct probe probes[ARM_FAMILIES];
};

/* In updates of the run's size; a larger batch goes forward as often. */
static double settling_of(const struct experiment *experiment, const struct arm *arm)
{
    return arm->pace * experiment->settling;
}

static double price_of(const struct experiment *experiment, const struct arm *arm)
{
    return experiment->updates + settling_of(experiment, arm);
}

/* In every trial, a rate's next ones among them, and one that is made once more. */
static double settling_of_all(const struct experiment *experiment)
{
    double sum = (TRIALS_FURTHER + 1) * experiment->settling;
    for (int i = 0; i < experiment->arm_count; i++)
        sum += settling_of(experiment, &experiment->arms[i]);
    return sum;
}

static double left_of(const struct experiment *experiment)
{
    return experiment->updates_allowed - experiment->updates_spent;
}

/* For learning by heart, that much of it, of the budget: all the time it may take where trials are long enough beside
 * it, its usual time where that is no more than half of what is left, or none. */
static double reserve_memory(const struct experiment *experiment, double memory)
{
    const double left = left_of(experiment) - settling_of_all(experiment), usual = MEMORY_USUAL * memory;
    if (experiment->memory_done)
        return 0.0;
    if (left - memory >= (experiment->arm_count + TRIALS_AHEAD) * TRIAL_UPDATES_ENOUGH)
        return memory;
    return 2.0 * usual > left ? 0.0 : usual;
}

/* As many updates as let every trial, a rate's next ones and a longer one among them, and learning by heart into the
 * budget, within what says something and what is long enough. */
static int choose_updates(const struct experiment *experiment, double memory)
{
    const double left = left_of(experiment) - settling_of_all(experiment) - reserve_memory(experiment, memory);
    return (int)fmin(fmax(left / (experiment->arm_count + TRIALS_AHEAD), TRIAL_UPDATES_LEAST), TRIAL_UPDATES_MOST);
}

/* By the clock, where that is what is given, at the pace so far. */
static bool affords(const struct experiment *experiment, double updates)
{
    const double pace = experiment->updates_spent > 0.0 ? experiment->seconds / experiment->updates_spent : 0.0;
    if (signal_caught)
        return false;
    return experiment->seconds_allowed > 0.0 ? experiment->seconds + pace * updates <= experiment->seconds_allowed
                                             : experiment->updates_spent + updates <= experiment->updates_allowed;
}

/* Trials of nothing: what an update takes, and what a trial takes besides (a plan, new weights, readings of the probe),
 * which counts as updates too. The first warms up. A tenth of the time is left for what turns out to take longer. */
static int measure_pace(struct experiment *experiment, struct setting *setting)
{
    static const int updates[] = {2, 2, 12};
    struct probe *probe = &setting->probes[ARM_ANEW];
    double took[COUNT_OF(updates)];
    struct trial_result result = {.losses =
                                      arena_push(&experiment->arena, (size_t)probe->count * sizeof *result.losses)};
    for (int i = 0; i < COUNT_OF(updates); i++) {
        const struct trial trial = {.name = "pace", .updates = updates[i], .settled = true, .fresh = true};
        TRY(trial_run(setting->request->branch, setting->request->run, &trial, probe, &result));
        experiment->seconds += took[i] = result.seconds;
        if (experiment->seconds > experiment->seconds_allowed) { /* more would not buy a trial either */
            experiment->update_seconds = took[i] / updates[i];
            experiment->updates_spent = experiment->seconds / experiment->update_seconds;
            return OK;
        }
    }
    const double longer = fmax(took[2] - took[1], 0.1 * took[2]);
    experiment->update_seconds = longer / (updates[2] - updates[1]);
    experiment->settling = fmax(took[1] / experiment->update_seconds - updates[1], 0.0);
    experiment->updates_spent = experiment->seconds / experiment->update_seconds;
    experiment->updates_allowed = 0.9 * experiment->seconds_allowed / experiment->update_seconds;
    return OK;
}

static int train_arm(struct experiment *experiment, const struct arm *arm, int updates, struct setting *setting,
                     struct probe *probe, struct trial_result *result)
{
    const char *overrides[ARM_OVERRIDES];
    log_progress("trial %d of %d: %s, %d updates", (int)(arm - experiment->arms) + 1, experiment->arm_count, arm->name,
                 updates / arm->pace);
    for (int i = 0; i < arm->override_count; i++)
        overrides[i] = arm->text[i];
    const struct trial trial = {.name = arm->name,
                                .overrides = overrides,
                                .override_count = arm->override_count,
                                .layers = arm->layers,
                                .updates = updates / arm->pace,
                                .left_out = arm->left_out,
                                .settled = true,
                                .fresh = arm->family == ARM_ANEW || arm->family == ARM_UNSEEN,
                                .least_rate = arm->family == ARM_FREED ? 1.0 : 0.1};
    result->losses = arena_push(&experiment->arena, (size_t)probe->count * sizeof(float));
    result->hits = arena_push(&experiment->arena, (size_t)probe->count * sizeof(float));
    TRY(trial_run(setting->request->branch, setting->request->run, &trial, probe, result));
    experiment->updates_spent += updates + settling_of(experiment, arm);
    experiment->seconds += result->seconds;
    return OK;
}

static int run_arm(struct experiment *experiment, struct arm *arm, struct setting *setting)
{
    TRY(train_arm(experiment, arm, experiment->updates, setting, &setting->probes[arm->family], &arm->result));
    arm->done = !arm->result.stopped;
    return OK;
}

/* Where the budget allows it. An unchanged trial alone says nothing: it is run before the first that is compared with
 * it. */
static int compare_arm(struct experiment *experiment, struct arm *arm, struct setting *setting)
{
    if (arm->refused[0])
        return OK;
    struct arm *unchanged = &experiment->arms[arms_unchanged(experiment, arm->family)];
    const double cost = price_of(experiment, arm) + (unchanged->done ? 0.0 : price_of(experiment, unchanged));
    if (!affords(experiment, cost))
        return OK;
    if (!unchanged->done)
        TRY(run_arm(experiment, unchanged, setting));
    if (unchanged->done)
        TRY(run_arm(experiment, arm, setting));
    if (!arm->done)
        return OK;
    const int64_t count = setting->probes[arm->family].count;
    trial_gain(&unchanged->result, &arm->result, count, &arm->gain, &arm->error);
    trial_gain_right(&unchanged->result, &arm->result, count, &arm->right_gain, &arm->right_error);
    arms_judge(experiment);
    return OK;
}

/* A rate may be wrong by more than a factor of four: further in the same direction, as long as that gets better. Where
 * the rules suspect the rate, some steps further in any case: one may be too short to show. Down from where all lose
 * their way, until one learns, or lower rates lose more: that is for want of steps. */
static int climb(struct experiment *experiment, const struct arm *from, struct setting *setting)
{
    enum { SUSPECTED_RUNGS = 1 + TRIALS_FURTHER, RISES_MOST = 2, RATE_MOST = 1000 }; /* as the config has it */
    const struct config *config = setting->request->branch->config;
    const bool suspected = arms_suspected(setting->request, from->cause);
    bool found = from->helps;
    int rises = 0; /* one after the other, of losses that are numbers */
    for (int rung = 2; experiment->arm_count < ARMS_MAX; rung++) {
        const bool anyway = suspected && rung <= SUSPECTED_RUNGS;
        const bool lost =
            !found && rises < RISES_MOST && from->cause == CAUSE_RATE_HIGH && arms_astray(experiment, from);
        const bool beyond = from->cause == CAUSE_RATE_LOW && config->optim.lr * pow(4.0, rung) > RATE_MOST;
        if ((!anyway && !lost && !from->helps) || beyond)
            return OK;
        const int listed = experiment->arm_count;
        TRY(arms_add_rate(experiment, setting->request, from->cause, rung));
        struct arm *next = &experiment->arms[listed];
        if (next->refused[0])
            return OK;
        TRY(compare_arm(experiment, next, setting));
        if (!next->done) {
            if (suspected && rung < SUSPECTED_RUNGS)
                continue; /* listed, as what the budget left out */
            return OK;
        }
        if (!anyway && !lost && !(next->result.loss < from->result.loss))
            return OK;
        found |= next->helps;
        rises = isfinite(from->result.loss) && next->result.loss > from->result.loss ? rises + 1 : 0;
        from = next;
    }
    return OK;
}

/* Where settings that are taken away together help, that of them which is at fault alone: one by one, until one brings
 * back as much. */
static int narrow(struct experiment *experiment, int whole, struct setting *setting)
{
    int order[ARM_OVERRIDES];
    const int parts = arms_parts(&experiment->arms[whole], setting->request->branch->config, order);
    for (int i = 0; i < parts && experiment->arm_count < ARMS_MAX; i++) {
        const int place = experiment->arm_count;
        TRY(arms_add_part(experiment, setting->request, whole, order[i]));
        TRY(compare_arm(experiment, &experiment->arms[place], setting));
        if (arm_does_as_much(&experiment->arms[place], &experiment->arms[whole]))
            return OK;
    }
    return OK;
}

/* The same trial once more, in so many updates. */
static int repeat(struct experiment *experiment, struct arm *arm, int updates, struct setting *setting,
                  struct probe *probe)
{
    struct trial_result result = {0};
    if (updates < TRIALS_LONGER * experiment->updates || !affords(experiment, updates))
        return OK;
    TRY(train_arm(experiment, arm, updates, setting, probe, &result));
    if (result.stopped)
        return OK;
    arm->longer = updates;
    arm->longer_loss = result.loss;
    return OK;
}

/* In what is left beside so many other updates, in no more than half of the run's. */
static int updates_of(const struct experiment *experiment, const struct arm *arm, const struct setting *setting,
                      double others)
{
    const double left = left_of(experiment) - settling_of(experiment, arm) - others;
    return (int)fmin(fmin(left, (double)(setting->request->steps / 2)), TRIALS_LONGER * TRIAL_UPDATES_MOST);
}

/* Of the budget, by the trials that are listed after one, by a rate's next ones, and by learning by heart. */
static double wanted_after(const struct experiment *experiment, const struct arm *arm, const struct setting *setting)
{
    const int further = TRIALS_FURTHER - (experiment->arm_count - setting->listed);
    double sum = setting->memory + fmax(further, 0.0) * (experiment->updates + experiment->settling);
    for (int i = 0; i < setting->listed; i++) {
        const struct arm *other = &experiment->arms[i];
        if (!other->done && !other->refused[0] && (other > arm || other->cause == CAUSE_HEALTHY))
            sum += price_of(experiment, other);
    }
    return sum;
}

/* A higher rate helps at first nearly always, and only further on shows whether it gets further than the run has. The
 * one that would prove the cause, and has not come so far yet, is made once more with what the budget has left, in no
 * more updates than half of the run's, and judged on validation images, where there are any: what is then ahead of all
 * of the run is more than quick, and more than learned by heart. Another optimizer is not asked: it may well be better,
 * and says nothing of the rate. */
static int prolong(struct experiment *experiment, struct setting *setting)
{
    const struct experiment_request *request = setting->request;
    struct probe *probe = &setting->probes[request->session->val.source ? ARM_UNSEEN : ARM_ANEW];
    const struct arm *proof;
    experiment_verdict(experiment, &proof);
    if (!probe->source || request->fitted || !proof || proof->cause != CAUSE_RATE_LOW ||
        proof->result.loss < request->comes_to)
        return OK;
    struct arm *arm = &experiment->arms[proof - experiment->arms];
    return repeat(experiment, arm, updates_of(experiment, arm, setting, 0.0), setting, probe);
}

/* A lower rate from the run's own state that comes further than the run has, and not yet far enough to say that it was
 * too high, is made once more at once, with what the budget has left beside all other trials. */
static int go_on(struct experiment *experiment, struct arm *arm, struct setting *setting)
{
    if (!arm->done || !from_here_promises(experiment, arm, setting->request->val_least))
        return OK;
    const int updates = updates_of(experiment, arm, setting, wanted_after(experiment, arm, setting));
    return repeat(experiment, arm, updates, setting, &setting->probes[ARM_ONWARD]);
}

/* What the rules suspect is followed up at once; every other trial is made before a rate is followed further. */
static int run_arms(struct experiment *experiment, struct setting *setting)
{
    setting->listed = experiment->arm_count;
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < setting->listed; i++) {
            struct arm *arm = &experiment->arms[i];
            const bool climbs = (arm->cause == CAUSE_RATE_HIGH || arm->cause == CAUSE_RATE_LOW) &&
                                arm->family == ARM_ANEW && strncmp(arm->text[0], "optim.lr=", 9) == 0;
            if (arm->cause == CAUSE_HEALTHY)
                continue;
            if (!again)
                TRY(compare_arm(experiment, arm, setting));
            if (!again)
                TRY(go_on(experiment, arm, setting));
            if (arm->done && climbs && arm->suspected != (bool)again)
                TRY(climb(experiment, arm, setting));
            if (again && arm->helps && arm->cause == CAUSE_REGULARISATION && arm->override_count > 1)
                TRY(narrow(experiment, i, setting));
        }
    return OK;
}

static int memory_images(const struct session *session)
{
    const int64_t available = session->train.subset.count;
    return available < MEMORY_IMAGES ? (int)available : MEMORY_IMAGES;
}

/* Of one update of learning by heart, in updates of the run's size. */
static double memory_price(const struct session *session, const struct config *config)
{
    return (double)memory_images(session) / ((double)config->train.batch_size * config->train.accumulate);
}

/* A network of the run's kind, with everything that could hold it back taken away and so many changes made, shown a few
 * images over and over. */
static int show(struct experiment *experiment, struct setting *setting, const struct remedy *changed, int updates,
                struct trial_result *result)
{
    const int images = memory_images(setting->request->session);
    const struct remedy_case asked = {.config = setting->request->branch->config};
    char batch[48], text[REMEDY_MOST][EDIT_TEXT];
    snprintf(batch, sizeof batch, "train.batch_size=%d", images);
    const char *const given[] = {batch,
                                 "train.accumulate=1",
                                 "optim.name=adam",
                                 "optim.lr=0.003",
                                 "optim.weight_decay=0",
                                 "optim.clip_norm=0",
                                 "optim.eps=1e-8",
                                 "optim.beta1=0.9",
                                 "optim.beta2=0.999",
                                 "optim.nesterov=false",
                                 "model.init_scale=1",
                                 "augment.normalize=auto",
                                 "augment.mean=[]",
                                 "augment.std=[]",
                                 "train.label_smoothing=0"};
    const char *overrides[COUNT_OF(given) + REMEDY_MOST];
    memcpy(overrides, given, sizeof given);
    const int more = changed ? remedy_say(changed, &asked, text) : 0;
    for (int i = 0; i < more; i++)
        overrides[COUNT_OF(given) + i] = text[i];
    const struct trial trial = {.name = "by heart",
                                .overrides = overrides,
                                .override_count = COUNT_OF(given) + more,
                                .layers = changed ? changed->layers : LAYERS_KEPT,
                                .updates = updates,
                                .samples = setting->probes[ARM_ANEW].samples,
                                .sample_count = images,
                                .fresh = true,
                                .still = true,
                                .good_enough = LEARNT_BY_HEART};
    log_progress("%d images by heart%s", images, changed ? ", by a wider network" : "");
    result->losses = arena_push(&experiment->arena, (size_t)setting->probes[ARM_ANEW].count * sizeof(float));
    TRY(trial_run(setting->request->branch, setting->request->run, &trial, &setting->probes[ARM_ANEW], result));
    experiment->seconds += result->seconds;
    return OK;
}

static bool is_shown_out(const struct trial_result *result)
{
    return !result->stopped && (result->best_accuracy >= LEARNT_BY_HEART || result->updates == MEMORY_UPDATES);
}

/* What a network cannot learn by heart it is too small for, or too badly built. Where the budget ends before it has
 * learnt them, and before it has had its time, nothing is known. */
static int memorise(struct experiment *experiment, struct setting *setting)
{
    const double price = memory_price(setting->request->session, setting->request->branch->config);
    const double affordable = floor(left_of(experiment) / price);
    if (affordable < TRIAL_UPDATES_LEAST || !affords(experiment, price * TRIAL_UPDATES_LEAST))
        return OK;
    TRY(show(experiment, setting, NULL, (int)fmin(affordable, MEMORY_UPDATES), &experiment->memory));
    experiment->memory_done = is_shown_out(&experiment->memory);
    experiment->memory_images = memory_images(setting->request->session);
    experiment->updates_spent += price * experiment->memory.updates;
    return OK;
}

/* What is too small is made wider, and whether that is enough is seen in the same way. How much dearer an update of it
 * is tells its first. A width that the config or the memory does not allow is not seen, and costs no trial its answer.
 */
static int memorise_wider(struct experiment *experiment, struct setting *setting)
{
    const struct session *session = setting->request->session;
    const struct remedy_case asked = {.config = setting->request->branch->config};
    const struct remedy *remedy = cause_table[CAUSE_CAPACITY].repairs;
    const double price = memory_price(session, asked.config);
    while (remedy_is_any(remedy) && remedy->fits && !remedy->fits(&asked))
        remedy++;
    if (!experiment->memory_done || experiment_learns_by_heart(experiment) || !remedy_is_any(remedy) ||
        !affords(experiment, price))
        return OK;
    struct trial_result one = {0};
    const double narrow = setting->flops;
    if (show(experiment, setting, remedy, 1, &one) != OK)
        return OK;
    const double dear = price * fmax(graph_flops(&session->graph) / narrow, 1.0);
    experiment->updates_spent += dear;
    if (!affords(experiment, dear * MEMORY_UPDATES))
        return OK;
    if (show(experiment, setting, remedy, MEMORY_UPDATES, &experiment->wider) != OK)
        return OK;
    experiment->wider_done = is_shown_out(&experiment->wider);
    experiment->updates_spent += dear * experiment->wider.updates;
    return OK;
}

static double guess_of(const struct session *session)
{
    const struct subset *subset = &session->train.subset;
    struct arena arena = {0};
    double entropy = 0.0, *counts = arena_push(&arena, (size_t)session->card.class_count * sizeof *counts);
    for (int64_t i = 0; i < subset->count; i++)
        counts[subset->data->labels[subset->samples[i]]] += 1.0 / (double)subset->count;
    for (int c = 0; c < session->card.class_count; c++)
        entropy -= counts[c] > 0.0 ? counts[c] * log(counts[c]) : 0.0;
    arena_free(&arena);
    return entropy;
}

/* On the way rates may be followed further, as far as the budget goes. */
static void say_ahead(const struct experiment *experiment, const struct experiment_request *request, double memory)
{
    const int trials = experiment->arm_count + TRIALS_FURTHER;
    const double all =
        (trials + TRIALS_LONGER) * choose_updates(experiment, memory) + settling_of_all(experiment) + memory;
    char text[AHEAD_TEXT];
    if (request->seconds > 0.0)
        return; /* so long, as was asked for */
    budget_say_ahead(trials, fmin(all, experiment->updates_allowed), request->update_seconds, text);
    log_info("trials     %s; Ctrl-C ends them, and what had ended by then counts", text);
}

/* Learning by heart comes first where it takes no more than half of the budget, whatever the network: what follows has
 * the rest, and spends all of it where a rate is far off. */
static int run_all(struct experiment *experiment, struct setting *setting)
{
    struct session *session = setting->request->session;
    TRY(probe_open(&setting->probes[ARM_ANEW], session, &session->train, PROBE_IMAGES));
    for (int family = ARM_ONWARD; family < ARM_FAMILIES; family++)
        if (session->val.source && setting->request->branch->memory)
            TRY(probe_open(&setting->probes[family], session, &session->val, PROBE_IMAGES));
    if (experiment->seconds_allowed > 0.0)
        TRY(measure_pace(experiment, setting));
    const double memory = MEMORY_UPDATES * memory_price(session, setting->request->branch->config);
    const bool first = 2.0 * memory <= experiment->updates_allowed;
    say_ahead(experiment, setting->request, memory);
    if (first)
        TRY(memorise(experiment, setting));
    experiment->updates = choose_updates(experiment, memory);
    setting->memory = first ? 0.0 : reserve_memory(experiment, memory);
    TRY(run_arms(experiment, setting));
    const double length = fmax(experiment->updates, TRIAL_UPDATES_ENOUGH);
    experiment->updates_wanted =
        (double)(experiment->arm_count + TRIALS_AHEAD) * length + settling_of_all(experiment) + memory;
    if (!first)
        TRY(memorise(experiment, setting));
    TRY(prolong(experiment, setting));
    return memorise_wider(experiment, setting);
}

int experiment_run(struct experiment *experiment, const struct experiment_request *request)
{
    struct session *session = request->session;
    const struct config *config = request->branch->config;
    struct setting setting = {.request = request, .flops = graph_flops(&session->graph)};
    *experiment = (struct experiment){.updates_allowed = request->updates,
                                      .seconds_allowed = request->seconds,
                                      .settling = doctor_settling(config),
                                      .guess = guess_of(session),
                                      .batch = config->train.batch_size * config->train.accumulate};
    TRY(arms_list(experiment, request));
    int status = run_all(experiment, &setting);
    log_progress_end();
    experiment->stopped = signal_caught != 0;
    for (int i = 0; i < ARM_FAMILIES; i++)
        probe_close(&setting.probes[i], session);
    experiment->updates_wanted = fmax(experiment->updates_wanted, experiment->updates_spent);
    return status;
}

int experiment_longer(const struct experiment *experiment, double *budget)
{
    const int longer = (int)fmin(4.0 * experiment->updates, TRIAL_UPDATES_MOST);
    const double paid = fmax(experiment->updates, TRIAL_UPDATES_ENOUGH); /* in updates_wanted */
    *budget = experiment->updates_wanted + (experiment->arm_count + TRIALS_AHEAD) * fmax(longer - paid, 0.0);
    return longer > experiment->updates ? longer : 0;
}

void experiment_free(struct experiment *experiment)
{
    arena_free(&experiment->arena);
}
