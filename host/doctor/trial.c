/* trial: a short training from a branch with the run's config changed, judged on the probe. Knows neither causes nor
 * verdicts. */
#include "random.h"
#include "trial_parts.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Updates from one reading of the probe to the next. */
enum { READ_EVERY = 2 };
/* Batches that running statistics follow before the first reading and before each further one: at momentum 0.1 they
 * lag by 9 updates' worth, and by one of these after both. */
enum { SETTLE_FIRST = 20, SETTLE_AGAIN = 10 };
_Static_assert(SETTLE_FIRST + (TRIAL_READINGS - 1) * SETTLE_AGAIN == TRIAL_SETTLED, "what the header says");

/* ---- the probe ---- */

int probe_open(struct probe *probe, struct session *session, const struct part *part, int64_t count)
{
    const struct subset *subset = &part->subset;
    const struct backend *backend = session->backend;
    *probe = (struct probe){
        .source = part->source, .labels = subset->data->labels, .count = count < subset->count ? count : subset->count};
    size_t bytes = (size_t)subset->count * sizeof(int32_t);
    TRY(memory_take(&probe->samples, bytes, "the probe's images"));
    /* An epoch of its own: none that training reaches. */
    subset_order(subset, (uint64_t)session->config->train.seed, UINT32_MAX, true, probe->samples);
    TRY(memory_take(&probe->losses, (size_t)probe->count * sizeof *probe->losses, "the probe's losses"));
    TRY(memory_take(&probe->hits, (size_t)probe->count * sizeof *probe->hits, "the probe's hits"));
    bytes = (size_t)probe->count * sizeof(int32_t);
    TRY(backend->alloc(session->device, bytes, (void **)&probe->order));
    return backend->upload(session->device, probe->order, probe->samples, bytes);
}

void probe_close(struct probe *probe, struct session *session)
{
    batches_rest(session);
    if (probe->order)
        session->backend->release(session->device, probe->order);
    memory_give(probe->samples);
    memory_give(probe->losses);
    memory_give(probe->hits);
    *probe = (struct probe){0};
}

/* Losses and hits of the probe's images with the weights as they are. Waits. */
static int probe_read(struct probe *probe, struct session *session)
{
    struct plan *plan = &session->plan;
    int64_t batch = plan->options.batch;
    struct arena arena = {0};
    float *rows = arena_push(&arena, (size_t)batch * sizeof *rows);
    int32_t *answers = arena_push(&arena, (size_t)batch * sizeof *answers);
    int status = batches_begin(session, probe->source, probe->order, probe->samples, 0, probe->count);
    if (status == OK)
        status = plan_clear_sums(plan);
    for (int64_t first = 0; first < probe->count && status == OK; first += batch) {
        int64_t left = probe->count - first, valid = left < batch ? left : batch;
        struct step_control control = {.first = first, .valid = (int32_t)valid};
        status = batch_next(session, &control);
        if (status == OK)
            status = plan_eval_batch(plan, &control);
        if (status == OK)
            status = batch_queued(session, &control);
        if (status == OK)
            status = plan_read_batch(plan, NULL, answers, rows, NULL);
        memcpy(probe->losses + first, rows, (size_t)valid * sizeof *rows);
        for (int64_t i = 0; i < valid; i++)
            probe->hits[first + i] = answers[i] == probe->labels[probe->samples[first + i]] ? 1.0f : 0.0f;
    }
    arena_free(&arena);
    return status;
}

/* ---- what is drawn, and in which order ---- */

/* The stream of training images from the branch on: the run's own, with what is left out taken away. */
struct stream {
    const struct trial *trial;
    struct session *session;
    const struct config *config;
    int32_t *host, *device; /* [subset.count] */
    int64_t count, position;
    uint32_t epoch;
};

static int stream_fill(struct stream *stream)
{
    const struct trial *trial = stream->trial;
    const struct subset *subset = &stream->session->train.subset;
    stream->count = 0;
    if (trial->samples) {
        stream->count = trial->sample_count;
        memcpy(stream->host, trial->samples, (size_t)stream->count * sizeof *stream->host);
    } else {
        subset_order(subset, (uint64_t)stream->config->train.seed, stream->epoch, stream->config->data.shuffle,
                     stream->host);
        for (int64_t i = 0; i < subset->count; i++)
            if (!trial->left_out || !trial->left_out[stream->host[i]])
                stream->host[stream->count++] = stream->host[i];
    }
    return stream->session->backend->upload(stream->session->device, stream->device, stream->host,
                                            (size_t)stream->count * sizeof *stream->host);
}

static int stream_open(struct stream *stream, const struct branch *branch, const struct trial *trial,
                       const struct config *config)
{
    struct session *session = branch->session;
    size_t bytes = (size_t)session->train.subset.count * sizeof *stream->host;
    *stream = (struct stream){.trial = trial, .session = session, .config = config};
    assert(!trial->samples || trial->sample_count <= session->train.subset.count);
    if (!trial->fresh) {
        stream->epoch = (uint32_t)branch->state.epoch;
        stream->position =
            branch->state.step_in_epoch * branch_step_images(branch->config) * branch->state.batch_factor;
    }
    TRY(memory_take(&stream->host, bytes, "the order of a trial"));
    TRY(session->backend->alloc(session->device, bytes, (void **)&stream->device));
    return stream_fill(stream);
}

static void stream_close(struct stream *stream)
{
    if (stream->session)
        batches_rest(stream->session);
    if (stream->device)
        stream->session->backend->release(stream->session->device, stream->device);
    memory_give(stream->host);
}

/* Makes room for images more; an epoch's rest that is too short for them is left, as a run leaves it. */
static int stream_next(struct stream *stream, int64_t images)
{
    if (stream->position + images <= stream->count)
        return OK;
    stream->position = 0;
    stream->epoch++;
    TRY(stream_fill(stream));
    if (images > stream->count)
        return FAIL(ERR_CONFIG, "trial %s: an update takes %lld images, and there are only %lld to draw from",
                    stream->trial->name, (long long)images, (long long)stream->count);
    return OK;
}

/* ---- steps ---- */

struct course {
    const struct branch *branch;
    const struct config *config;
    struct stream stream;
    struct step_record *records; /* one an update */
    int taken;                   /* of them, so far */
    float rate;
};

static int take_update(struct course *course, int update)
{
    struct session *session = course->branch->session;
    const struct config *config = course->config;
    int batches = config->train.accumulate, batch = config->train.batch_size;
    struct stream *stream = &course->stream;
    TRY(stream_next(stream, (int64_t)batches * batch));
    TRY(batches_begin(session, session->train.source, stream->device, stream->host, stream->position,
                      stream->position + (int64_t)batches * batch));
    for (int micro = 0; micro < batches; micro++) {
        struct step_control control = {
            .seed = (uint64_t)config->train.seed,
            .step = course->branch->state.step + update,
            .first = stream->position,
            .epoch = stream->epoch,
            .valid = batch,
            .micro = micro,
            .lr = course->rate,
        };
        TRY(batch_next(session, &control));
        TRY(plan_train_batch(&session->plan, &control, micro == 0, micro == batches - 1));
        TRY(batch_queued(session, &control));
        stream->position += batch;
    }
    return OK;
}

/* The records that are there. */
static void take_records(struct course *course, int updates)
{
    const struct plan *plan = &course->branch->session->plan;
    while (course->taken < updates &&
           plan_record(plan, course->branch->state.step + course->taken, &course->records[course->taken]))
        course->taken++;
}

static double mean_of(const float *values, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)values[i];
    return sum / (double)count;
}

static void forget_readings(const struct probe *probe, struct trial_result *result)
{
    result->reading_count = 0;
    memset(result->losses, 0, (size_t)probe->count * sizeof *result->losses);
    if (result->hits)
        memset(result->hits, 0, (size_t)probe->count * sizeof *result->hits);
}

/* Weights in motion are judged too badly with running statistics that lag behind them, by more than what most trials
 * change: these follow the stream's first images while the weights stand still. */
static int settle(struct course *course, struct trial_result *result)
{
    const int batches = result->settled_images > 0.0 ? SETTLE_AGAIN : SETTLE_FIRST;
    struct session *session = course->branch->session;
    const struct stream *stream = &course->stream;
    const int batch = course->config->train.batch_size;
    const int64_t whole = stream->count / batch, end = (whole < batches ? whole : batches) * batch;
    struct step_control control = {.seed = (uint64_t)course->config->train.seed,
                                   .step = course->branch->state.step,
                                   .epoch = stream->epoch,
                                   .valid = batch};
    for (int i = 0; i < batches; i++, control.step++) {
        control.first = (int64_t)i * batch % end;
        if (control.first == 0)
            TRY(batches_begin(session, session->train.source, stream->device, stream->host, 0, end));
        TRY(batch_next(session, &control));
        TRY(plan_settle_batch(&session->plan, &control));
        TRY(batch_queued(session, &control));
    }
    result->settled_images += (double)batches * batch;
    return OK;
}

/* Adds a reading of the probe to the averages. */
static int read_probe(struct course *course, const struct trial *trial, struct probe *probe, float share,
                      struct trial_result *result)
{
    if (trial->settled && course->branch->session->plan.state_count > 0)
        TRY(settle(course, result));
    TRY(probe_read(probe, course->branch->session));
    result->readings[result->reading_count++] = (float)mean_of(probe->losses, probe->count);
    for (int64_t i = 0; i < probe->count; i++)
        result->losses[i] += share * probe->losses[i];
    for (int64_t i = 0; result->hits && i < probe->count; i++)
        result->hits[i] += share * probe->hits[i];
    return OK;
}

static double accuracy_of(const struct step_record *record)
{
    return record->samples > 0 ? (double)record->correct / (double)record->samples : 0.0;
}

/* Waits, so that all records up to an update are there. */
static int finish_updates(struct course *course, int updates)
{
    TRY(course->branch->session->backend->wait(course->branch->session->device));
    take_records(course, updates);
    assert(course->taken == updates);
    return OK;
}

/* Looked at every few updates, by a count and not by the clock, so that it stops at the same one always. */
static int is_enough(struct course *course, const struct trial *trial, int updates, bool *enough)
{
    enum { LOOK_EVERY = 5 };
    if (trial->good_enough == 0.0 || updates % LOOK_EVERY != 0)
        return OK;
    TRY(finish_updates(course, updates));
    for (int i = updates - LOOK_EVERY; i < updates; i++)
        *enough = *enough || accuracy_of(&course->records[i]) >= trial->good_enough;
    return OK;
}

static int take_updates(struct course *course, const struct trial *trial, struct probe *probe,
                        struct trial_result *result)
{
    int readings = trial->updates < TRIAL_READINGS ? 1 : TRIAL_READINGS;
    bool enough = false;
    for (int update = 0; update < trial->updates; update++) {
        if (signal_caught) {
            result->stopped = true;
            return finish_updates(course, update);
        }
        TRY(take_update(course, update));
        take_records(course, update + 1);
        int left = trial->updates - 1 - update;
        TRY(is_enough(course, trial, update + 1, &enough));
        if (enough) {
            forget_readings(probe, result);
            return read_probe(course, trial, probe, 1.0f, result);
        }
        if (left % READ_EVERY == 0 && left / READ_EVERY < readings)
            TRY(read_probe(course, trial, probe, 1.0f / (float)readings, result));
    }
    return finish_updates(course, trial->updates);
}

static void judge(const struct course *course, int64_t probe_count, struct trial_result *result)
{
    const struct step_record *records = course->records;
    int64_t samples = 0, correct = 0;
    double loss = 0.0;
    for (int i = 0; i < course->taken; i++) {
        result->refused += records[i].bad == REFUSED_NONFINITE;
        result->best_accuracy = fmax(result->best_accuracy, accuracy_of(&records[i]));
        if (i < course->taken - (course->taken + 3) / 4)
            continue;
        samples += records[i].samples;
        correct += records[i].correct;
        loss += (double)records[i].loss * records[i].samples;
    }
    result->train_loss = loss / (double)samples;
    result->train_accuracy = (double)correct / (double)samples;
    result->loss = mean_of(result->losses, probe_count);
    result->right = result->hits ? mean_of(result->hits, probe_count) : 0.0;
}

static int run_course(struct course *course, const struct trial *trial, struct probe *probe,
                      struct trial_result *result)
{
    const struct branch *branch = course->branch;
    struct session *session = branch->session;
    double begun = clock_seconds();
    TRY(session_rebind(session, course->config));
    TRY(trial->fresh ? session_start_weights(session) : branch_put(branch, &session->plan, course->config->optim.name));
    if (trial->still)
        session->plan.options.augment_train = session->plan.options.augment_eval;
    course->rate = (float)((trial->fresh ? 1.0 : fmax(branch->rate / branch->config->optim.lr, trial->least_rate)) *
                           course->config->optim.lr);
    TRY(stream_open(&course->stream, branch, trial, course->config));
    TRY(memory_take(&course->records, (size_t)trial->updates * sizeof *course->records, "the records of a trial"));
    forget_readings(probe, result);
    TRY(take_updates(course, trial, probe, result));
    judge(course, probe->count, result);
    result->updates = course->taken;
    result->images = (double)(course->taken * branch_step_images(course->config));
    result->seconds = clock_seconds() - begun;
    return OK;
}

int trial_run(const struct branch *branch, const char *run, const struct trial *trial, struct probe *probe,
              struct trial_result *result)
{
    *result = (struct trial_result){.losses = result->losses, .hits = result->hits};
    struct config config = {0};
    int status = train_load_config(&config, run, trial->overrides, trial->override_count);
    if (status == OK) {
        layers_change(&config, trial->layers);
        if (trial->still)
            config_drop_nothing(&config);
        if (!trial->fresh) /* what autopilot had made of it by then */
            config.train.accumulate *= branch->state.batch_factor;
        struct course course = {.branch = branch, .config = &config};
        status = run_course(&course, trial, probe, result);
        memory_give(course.records);
        stream_close(&course.stream);
        branch->session->config = branch->config; /* the trial's ends here */
    }
    config_free(&config);
    return status;
}

/* Of a - b: the mean and its standard error. */
static void compare(const float *a, const float *b, int64_t count, double *gain, double *error)
{
    double mean = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double delta = (double)a[i] - (double)b[i], step = delta - mean;
        mean += step / (double)(i + 1);
        squares += step * (delta - mean);
    }
    *gain = mean;
    *error = count > 1 ? sqrt(squares / (double)(count - 1) / (double)count) : NAN;
}

/* Standard deviation of a - b from reading to reading, which no number of images makes less. Not divided by their
 * number: they are of weights too near to each other. */
static double reading_spread(const struct trial_result *a, const struct trial_result *b)
{
    const int count = a->reading_count < b->reading_count ? a->reading_count : b->reading_count;
    double mean, error;
    if (count < 2)
        return 0.0;
    compare(a->readings, b->readings, count, &mean, &error);
    return error * sqrt(count);
}

void trial_gain(const struct trial_result *a, const struct trial_result *b, int64_t count, double *gain, double *error)
{
    compare(a->losses, b->losses, count, gain, error);
    *error = hypot(*error, reading_spread(a, b));
}

void trial_gain_right(const struct trial_result *a, const struct trial_result *b, int64_t count, double *gain,
                      double *error)
{
    compare(b->hits, a->hits, count, gain, error);
}
