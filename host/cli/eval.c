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

struct class_score {
    int64_t samples, correct;
};

/* By true class, in the arena. */
static struct class_score *count_classes(struct arena *arena, int class_count, const struct judgement *judgements,
                                         int64_t count)
{
    struct class_score *scores = arena_push(arena, (size_t)class_count * sizeof *scores);
    for (int64_t i = 0; i < count; i++) {
        scores[judgements[i].label].samples++;
        scores[judgements[i].label].correct += judgements[i].prediction == judgements[i].label;
    }
    return scores;
}

static double share(struct class_score score)
{
    return score.samples > 0 ? (double)score.correct / (double)score.samples : NAN;
}

static void print_table(const struct session *session, const char *checkpoint, const struct evaluation *result,
                        const struct class_score *scores)
{
    const struct model_card *card = &session->card;
    int columns = 5;
    for (int i = 0; i < card->class_count; i++)
        if (text_columns(card->class_names[i]) > columns)
            columns = text_columns(card->class_names[i]);
    printf("%-*s  %8s  %8s  %10s\n", columns, "class", "images", "correct", "accuracy");
    for (int i = 0; i < card->class_count; i++) {
        const char *name = card->class_names[i];
        printf("%s%*s  %8lld  %8lld  ", name, columns - text_columns(name), "", (long long)scores[i].samples,
               (long long)scores[i].correct);
        if (scores[i].samples)
            printf("%8.2f %%\n", 100.0 * share(scores[i]));
        else
            printf("%10s\n", "-");
    }
    printf("\nweights   %s\ndata      %s, %lld images\nloss      %.6f\ntop-1     %.2f %%\ntop-5     %.2f %%\n",
           checkpoint, session->val.subset.data->source, (long long)result->samples, result->loss,
           100.0 * result->accuracy, 100.0 * result->accuracy5);
    if (session->val.subset.data->skipped_count)
        printf("left out  %lld images or files that cannot be used\n",
               (long long)session->val.subset.data->skipped_count);
    if (result->nonfinite)
        printf("warning   the loss of %lld images is not finite\n", (long long)result->nonfinite);
}

static int print_json(const struct session *session, const char *checkpoint, const struct evaluation *result,
                      const struct class_score *scores)
{
    json_t *classes = json_array();
    for (int i = 0; i < session->card.class_count; i++)
        json_array_append_new(classes,
                              json_pack("{s:o, s:I, s:I, s:o}", "name", json_text(session->card.class_names[i]),
                                        "images", (json_int_t)scores[i].samples, "correct",
                                        (json_int_t)scores[i].correct, "accuracy", json_known(share(scores[i]))));
    json_t *all =
        json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:I, s:o}", "weights", json_text(checkpoint), "data",
                  json_text(session->val.subset.data->source), "images", (json_int_t)result->samples, "skipped",
                  (json_int_t)session->val.subset.data->skipped_count, "loss", json_known(result->loss), "top1",
                  json_known(result->accuracy), "top5", json_known(result->accuracy5), "nonfinite",
                  (json_int_t)result->nonfinite, "classes", classes);
    return json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

struct request {
    const char *run, *data, *weights;
    const char *const *overrides;
    int override_count;
    bool json;
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
    const struct class_score *scores =
        status == OK ? count_classes(&arena, session.card.class_count, judgements, result.samples) : NULL;
    if (status == OK && request->json)
        status = print_json(&session, checkpoint, &result, scores);
    else if (status == OK)
        print_table(&session, checkpoint, &result, scores);
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
        {"json", NULL, &request.json, NULL, "print one JSON object"},
    };
    const struct cli_usage usage = {
        .synopsis = "eval RUN [key=value…] [--data DIR] [--weights best|last] [--json]",
        .about = "Measures loss, top-1, top-5 and the accuracy of each class with the weights of a run. Size,\n"
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
