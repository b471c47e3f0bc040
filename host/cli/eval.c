/* eval: the command that measures a run's weights on a data set. Knows the command line and the layout of the result.
 */
#include "cli.h"
#include "json.h"
#include "text.h"
#include "trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an evaluation, what is printed of it. */
struct answer {
    const struct session *session;
    const char *checkpoint;
    const struct evaluation *result;
    const struct judgement *judgements;
    const struct class_score *scores;
    bool confusion;
};

/* confusion[label * class_count + prediction]: images; in the arena. */
static const int64_t *confusion_of(const struct answer *answer, struct arena *arena)
{
    const size_t classes = (size_t)answer->session->card.class_count;
    int64_t *confusion = arena_push(arena, classes * classes * sizeof *confusion);
    for (int64_t i = 0; i < answer->result->samples; i++)
        confusion[(size_t)answer->judgements[i].label * classes + (size_t)answer->judgements[i].prediction]++;
    return confusion;
}

static void print_share(double share)
{
    if (isnan(share))
        printf("  %10s", "-");
    else
        printf("  %8.2f %%", 100.0 * share);
}

static void print_name(const char *name, int columns)
{
    printf("%s%*s", name, columns - text_columns(name), "");
}

/* A row for each class, a column for each that its images are called, by its number. */
static void print_confusion(const struct answer *answer, int columns)
{
    struct arena arena = {0};
    const struct model_card *card = &answer->session->card;
    const int64_t *confusion = confusion_of(answer, &arena);
    const int width = snprintf(NULL, 0, "%lld", (long long)answer->result->samples);
    printf("\n%-*s  called\n%*s", columns + 5, "confusion", columns + 5, "");
    for (int i = 0; i < card->class_count; i++)
        printf("  %*d", width, i);
    for (int i = 0; i < card->class_count; i++) {
        printf("\n%4d ", i);
        print_name(card->class_names[i], columns);
        for (int k = 0; k < card->class_count; k++)
            printf("  %*lld", width, (long long)confusion[i * card->class_count + k]);
    }
    printf("\n");
    arena_free(&arena);
}

static struct accuracy_range range_of(const struct evaluation *result)
{
    return accuracy_range((int64_t)llround(result->accuracy * (double)result->samples), result->samples);
}

static void print_table(const struct answer *answer)
{
    const struct model_card *card = &answer->session->card;
    const struct evaluation *result = answer->result;
    const struct dataset *data = answer->session->val.subset.data;
    int columns = 5;
    for (int i = 0; i < card->class_count; i++)
        if (text_columns(card->class_names[i]) > columns)
            columns = text_columns(card->class_names[i]);
    printf("%-*s  %8s  %8s  %10s  %10s  %10s\n", columns, "class", "images", "correct", "accuracy", "precision", "F1");
    for (int i = 0; i < card->class_count; i++) {
        const struct class_score score = answer->scores[i];
        print_name(card->class_names[i], columns);
        printf("  %8lld  %8lld", (long long)score.images, (long long)score.right);
        print_share(class_recall(score));
        print_share(class_precision(score));
        print_share(class_f1(score));
        printf("\n");
    }
    if (answer->confusion)
        print_confusion(answer, columns);
    const struct accuracy_range range = range_of(result);
    printf("\nweights   %s\ndata      %s, %lld images\nloss      %.6f\n"
           "top-1     %.2f %%  (95 %% interval %.1f to %.1f)\ntop-5     %.2f %%\n"
           "balanced  %.2f %%, the mean of the classes' accuracies\nmacro F1  %.2f %%, the mean of the classes' F1\n",
           answer->checkpoint, data->source, (long long)result->samples, result->loss, 100.0 * result->accuracy,
           100.0 * range.low, 100.0 * range.high, 100.0 * result->accuracy5,
           100.0 * balanced_accuracy(answer->scores, card->class_count),
           100.0 * macro_f1(answer->scores, card->class_count));
    if (data->skipped_count)
        printf("left out  %lld images or files that cannot be used\n", (long long)data->skipped_count);
    if (result->nonfinite)
        printf("warning   the loss of %lld images is not finite\n", (long long)result->nonfinite);
}

static json_t *confusion_json(const struct answer *answer)
{
    struct arena arena = {0};
    const int classes = answer->session->card.class_count;
    const int64_t *confusion = confusion_of(answer, &arena);
    json_t *rows = json_array();
    for (int i = 0; i < classes; i++) {
        json_t *row = json_array();
        for (int k = 0; k < classes; k++)
            json_array_append_new(row, json_integer(confusion[i * classes + k]));
        json_array_append_new(rows, row);
    }
    arena_free(&arena);
    return rows;
}

static int print_json(const struct answer *answer)
{
    const struct model_card *card = &answer->session->card;
    const struct evaluation *result = answer->result;
    const struct dataset *data = answer->session->val.subset.data;
    json_t *classes = json_array();
    for (int i = 0; i < card->class_count; i++) {
        const struct class_score score = answer->scores[i];
        json_array_append_new(
            classes, json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "name", json_text(card->class_names[i]), "images",
                               (json_int_t)score.images, "correct", (json_int_t)score.right, "called",
                               (json_int_t)score.called, "accuracy", json_known(class_recall(score)), "precision",
                               json_known(class_precision(score)), "f1", json_known(class_f1(score))));
    }
    const struct accuracy_range range = range_of(result);
    json_t *all = json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:[f, f], s:o, s:o, s:o, s:I, s:o}", "weights",
                            json_text(answer->checkpoint), "data", json_text(data->source), "images",
                            (json_int_t)result->samples, "skipped", (json_int_t)data->skipped_count, "loss",
                            json_known(result->loss), "top1", json_known(result->accuracy), "top1_range", range.low,
                            range.high, "top5", json_known(result->accuracy5), "balanced",
                            json_known(balanced_accuracy(answer->scores, card->class_count)), "macro_f1",
                            json_known(macro_f1(answer->scores, card->class_count)), "nonfinite",
                            (json_int_t)result->nonfinite, "classes", classes);
    if (answer->confusion)
        json_object_set_new(all, "confusion", confusion_json(answer));
    return json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

struct request {
    const char *run, *data, *weights;
    const char *const *overrides;
    int override_count;
    bool json, confusion;
};

static int eval(const struct request *request)
{
    struct config config = {0};
    struct session session = {0};
    struct evaluation result;
    struct arena arena = {0};
    char checkpoint[PATH_BYTES];
    struct judgement *judgements = NULL;
    int status = train_load_config(&config, request->run, request->overrides, request->override_count);
    if (status == OK)
        status = cli_model(&session, &config, request->run, request->weights, checkpoint);
    if (status == OK)
        status = session_open_val(&session, request->data);
    if (status == OK)
        status = memory_take(&judgements, (size_t)session.val.subset.count * sizeof *judgements, "predictions");
    if (status == OK)
        status = evaluate_part(&session, &session.val, judgements, NULL, &result);
    if (status == OK) {
        struct class_score *scores = arena_push(&arena, (size_t)session.card.class_count * sizeof *scores);
        class_scores(scores, session.card.class_count, judgements, result.samples);
        const struct answer answer = {&session, checkpoint, &result, judgements, scores, request->confusion};
        if (request->json)
            status = print_json(&answer);
        else
            print_table(&answer);
    }
    memory_give(judgements);
    arena_free(&arena);
    session_close(&session);
    config_free(&config);
    return status;
}

int command_eval(int argc, char **argv)
{
    struct request request = {0};
    const struct cli_option options[] = {
        {"data", "DIR", NULL, &request.data, "a data set of the same classes; default: the run's validation images"},
        {"weights", "best|last", NULL, &request.weights,
         "which checkpoint; default: best where early_stop.restore_best is on"},
        {"confusion", NULL, &request.confusion, NULL, "also how many images of each class are called each other"},
        {"json", NULL, &request.json, NULL, "print one JSON object"},
    };
    const struct cli_usage usage = {
        .synopsis = "eval RUN [key=value…] [--data DIR] [--weights best|last] [--confusion] [--json]",
        .about = "Measures loss, top-1, top-5, and of each class accuracy (recall), precision and F1, with the\n"
                 "weights of a run; balanced accuracy counts each class alike, however many images it has. Size,\n"
                 "classes and normalisation come from the checkpoint; the training images are not needed unless\n"
                 "the validation images were split from them. Values go before what the run's config says:\n"
                 "  evenkeel eval runs/mine --data photos data.on_error=skip train.device=cpu",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 2)
        return FAIL(ERR_USAGE, "eval needs a run directory; `evenkeel train` prints it");
    request.run = argv[1];
    request.overrides = (const char *const *)argv + 2;
    request.override_count = argc - 2;
    return eval(&request);
}
