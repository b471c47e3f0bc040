/* evidence: see evidence.h. Owns which column is what; must not judge. */
#include "evidence.h"

#include "file.h"
#include "json.h"
#include "run.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the newest data event: numbers of images, entropy of the labels. */
static void take_data(const json_t *event, struct evidence *evidence)
{
    const json_t *classes = json_object_get(event, "class_images");
    double images = 0.0, entropy = 0.0, square = 0.0, rarest = INFINITY, largest = 0.0;
    for (size_t i = 0; i < json_array_size(classes); i++)
        images += json_number_value(json_array_get(classes, i));
    for (size_t i = 0; i < json_array_size(classes); i++) {
        double share = json_number_value(json_array_get(classes, i)) / images;
        entropy -= share > 0.0 ? share * log(share) : 0.0;
        square += share > 0.0 ? share * log(share) * log(share) : 0.0;
        rarest = fmin(rarest, share * (double)json_array_size(classes));
        largest = fmax(largest, share);
    }
    evidence->rarest = rarest;
    evidence->classes = (int)json_array_size(classes);
    evidence->prior_entropy = entropy;
    evidence->prior_variance = fmax(square - entropy * entropy, 0.0);
    evidence->largest_share = largest;
    evidence->train_images = json_integer_value(json_object_get(event, "train"));
    evidence->val_images = json_integer_value(json_object_get(event, "val"));
    evidence->parameters = json_integer_value(json_object_get(event, "parameters"));
    const char *narrowest = json_string_value(json_object_get(event, "narrowest"));
    evidence->bottleneck = json_integer_value(json_object_get(event, "bottleneck"));
    text_copy(evidence->bottleneck_at, sizeof evidence->bottleneck_at, narrowest ? narrowest : "");
}

static void take_numbers(const json_t *numbers, struct symptom *symptom)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)numbers, name, value)
    {
        if (symptom->number_count == SYMPTOM_NUMBERS || !json_is_number(value))
            continue;
        text_copy(symptom->numbers[symptom->number_count].name, sizeof symptom->numbers->name, name);
        symptom->numbers[symptom->number_count++].value = json_number_value(value);
    }
}

static void take_image_finding(const json_t *event, struct evidence *evidence)
{
    const char *name = json_string_value(json_object_get(event, "rule"));
    const char *text = json_string_value(json_object_get(event, "text"));
    const char *severity = json_string_value(json_object_get(event, "severity"));
    const bool note = severity && strcmp(severity, "info") == 0;
    if (note && name && text && strcmp(name, "unrelated") == 0) {
        text_copy(evidence->unrelated, sizeof evidence->unrelated, text);
        return;
    }
    if (note) { /* else only what is said of the input's scale is logged */
        const json_t *numbers = json_object_get(event, "numbers");
        evidence->input_unusual = true;
        evidence->input_mean = json_number_value(json_object_get(numbers, "mean"));
        evidence->input_deviation = json_number_value(json_object_get(numbers, "std"));
        return;
    }
    if (name && strcmp(name, "duplicates") == 0) { /* no cause, but what is seen twice in an epoch is known */
        evidence->copies = json_number_value(json_object_get(json_object_get(event, "numbers"), "share"));
        return;
    }
    struct symptom *symptom = &evidence->images[evidence->image_count];
    if (!name || !text || evidence->image_count == DATA_FINDINGS || !doctor_image(symptom, name))
        return;
    evidence->image_count++;
    text_copy(symptom->evidence, sizeof symptom->evidence, text);
    take_numbers(json_object_get(event, "numbers"), symptom);
}

/* A process that goes on with a run looks at the images again: the newest word counts. */
static void take_event(const json_t *event, void *context)
{
    struct evidence *evidence = context;
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name && strcmp(name, "data") == 0 && json_is_array(json_object_get(event, "class_images"))) {
        take_data(event, evidence);
        evidence->image_count = 0;
        evidence->unrelated[0] = 0;
        evidence->input_unusual = false;
        evidence->input_mean = evidence->input_deviation = evidence->copies = 0.0;
    } else if (name && strcmp(name, "images") == 0) {
        take_image_finding(event, evidence);
    } else if (name && json_is_number(json_object_get(event, "rate_scale"))) {
        evidence->rate_scale = json_number_value(json_object_get(event, "rate_scale"));
    }
}

static int read_log(const char *run, struct evidence *evidence)
{
    TRY(run_read_events(run, (const char *const[]){"data", "images", "autopilot", NULL}, take_event, evidence));
    if (evidence->classes < 2 || !(evidence->prior_entropy > 0.0))
        return FAIL(ERR_DATA,
                    "%s: does not say what data the run has; it was made by an older version: resume it, or train anew",
                    run);
    return OK;
}

/* Rules cannot do without these. */
static int need(const struct table *table, const char *name)
{
    return table_column(table, name)
               ? OK
               : FAIL(ERR_DATA, "steps.csv: has no column '%s', so that nothing can be said of the run", name);
}

static int take_steps(struct table *table, struct evidence *evidence, struct arena *arena)
{
    const struct {
        const char *name;
        const double **column;
        bool lasts; /* it is the same for the steps before that have no row */
    } columns[] = {
        {"epoch", &evidence->epoch, true},
        {"loss", &evidence->loss, false},
        {"loss_variance", &evidence->variance, false},
        {"samples", &evidence->samples, true},
        {"correct", &evidence->correct, false},
        {"grad_norm", &evidence->grad_norm, false},
        {"update_norm", &evidence->update_norm, false},
        {"bad", &evidence->bad, false},
        {"weight_norm", &evidence->weight_norm, false},
        {"lr", &evidence->rate, false},
        {"grad_dot_update", &evidence->slope, false},
        {"grad_dot_last", &evidence->end_slope, false},
        {"grad_cosine", &evidence->grad_cosine, false},
    };
    TRY(need(table, "loss"));
    TRY(need(table, "samples"));
    TRY(need(table, "epoch"));
    TRY(by_step_count(table, &evidence->steps));
    for (int i = 0; i < COUNT_OF(columns); i++)
        *columns[i].column = by_step_column(table, columns[i].name, evidence->steps, columns[i].lasts, arena);
    return OK;
}

/* Of the last steps that measured it. */
static struct estimate noise_scale(struct table *table)
{
    enum { WINDOW = 300 };
    const double *grad = table_column_or_nan(table, "noise_grad"), *trace = table_column_or_nan(table, "noise_trace");
    int64_t first = table->row_count;
    for (int known = 0; first > 0 && known < WINDOW;)
        known += isfinite(grad[--first]);
    return noise_scale_of(grad + first, trace + first, table->row_count - first);
}

static void take_results(struct table *table, struct evidence *evidence)
{
    evidence->train_loss = table_column_or_nan(table, "train/loss");
    evidence->train_accuracy = table_column_or_nan(table, "train/accuracy");
    evidence->val_loss = table_column_or_nan(table, "val/loss");
    evidence->best = table_column_or_nan(table, "best");
    evidence->val_loss_error = table_column_or_nan(table, "val/loss_error");
    evidence->val_accuracy = table_column_or_nan(table, "metrics/accuracy_top1");
    evidence->epochs = table->row_count;
}

static void take_plan(const struct config *config, struct evidence *evidence)
{
    int64_t step_images = (int64_t)config->train.batch_size * config->train.accumulate;
    evidence->planned_steps = evidence->train_images / step_images * config->train.epochs;
    if (config->train.max_steps > 0 && config->train.max_steps < evidence->planned_steps)
        evidence->planned_steps = config->train.max_steps;
}

static int follow(struct table *table, const char *run, const char *name)
{
    char path[PATH_BYTES];
    TRY(path_join(path, run, name));
    return table_follow(table, path);
}

/* arena: for what is not as the tables have it, as long as the evidence. */
static int take_tables(struct evidence *evidence, struct table *steps, struct table *results, struct arena *arena)
{
    TRY(take_steps(steps, evidence, arena));
    evidence->noise_scale = noise_scale(steps);
    take_results(results, evidence);
    take_plan(evidence->config, evidence);
    return OK;
}

static void take_fit(const json_t *event, void *context)
{
    struct fit_evidence *fit = context;
    *fit = (struct fit_evidence){.step = json_integer_value(json_object_get(event, "step")),
                                 .images = json_integer_value(json_object_get(event, "images")),
                                 .accuracy = json_number_value(json_object_get(event, "accuracy")),
                                 .loss = json_known_value(event, "loss")};
}

/* A run that goes on after its end is asked again: the newest word. */
void doctor_fit(struct evidence *evidence, const char *run)
{
    evidence->fit = (struct fit_evidence){0};
    if (evidence->over && run_read_events(run, (const char *const[]){"fit", NULL}, take_fit, &evidence->fit) < 0)
        evidence->fit.images = 0;
}

static void take_end(struct evidence *evidence, const char *run)
{
    char path[PATH_BYTES];
    evidence->over = path_join(path, run, "DONE") == OK && file_exists(path);
}

int evidence_follow(struct evidence_files *files, const char *run)
{
    TRY(follow(&files->steps, run, "steps.csv"));
    TRY(follow(&files->results, run, "results.csv"));
    if (!files->facts_read)
        TRY(read_log(run, &files->evidence));
    files->facts_read = true;
    TRY(evidence_layers(&files->evidence.layers, run));
    take_end(&files->evidence, run);
    arena_free(&files->arena);
    TRY(take_tables(&files->evidence, &files->steps, &files->results, &files->arena));
    doctor_cost(&files->evidence, run);
    doctor_called(&files->evidence, run);
    doctor_labels(&files->evidence, run);
    doctor_fit(&files->evidence, run);
    return OK;
}

int evidence_of(struct evidence *evidence, const char *run, const struct config *config, struct table *steps,
                struct table *results)
{
    *evidence = (struct evidence){.config = config};
    TRY(read_log(run, evidence));
    TRY(evidence_layers(&evidence->layers, run));
    take_end(evidence, run);
    TRY(take_tables(evidence, steps, results, &steps->arena));
    doctor_cost(evidence, run);
    doctor_called(evidence, run);
    doctor_labels(evidence, run);
    doctor_fit(evidence, run);
    return OK;
}

int evidence_open(struct evidence_files *files, const char *run, const struct config *config)
{
    *files = (struct evidence_files){.evidence = {.config = config}};
    return evidence_follow(files, run);
}

void evidence_close(struct evidence_files *files)
{
    table_free(&files->steps);
    table_free(&files->results);
    arena_free(&files->arena);
}
