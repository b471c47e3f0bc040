/* predict: the command that names the most likely classes of image files. Knows the command line and the layout of
 * the result. */
#include "cli.h"
#include "json.h"
#include "log.h"
#include "text.h"
#include "trainer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREDICT_BATCH = 32 };

struct prediction {
    struct session session;
    int top;
    bool json;
    uint8_t *pixels;      /* [PREDICT_BATCH][h][w][c] */
    float *probabilities; /* [PREDICT_BATCH][class_count] */
    int *best;            /* [class_count] */
    const char *names[PREDICT_BATCH];
    int filled;        /* of pixels and names */
    int files, fitted; /* read; of these of another size than the training's images were */
    int failed;        /* the first failure of a file; OK: none */
};

/* Class numbers by falling probability; of equal ones the lower number first. */
static void rank(struct prediction *prediction, const float *probabilities)
{
    int *best = prediction->best, classes = prediction->session.card.class_count;
    for (int i = 0; i < classes; i++) {
        int at = i;
        for (; at > 0 && probabilities[best[at - 1]] < probabilities[i]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
}

static void print_row(struct prediction *prediction, const char *file, const float *probabilities)
{
    rank(prediction, probabilities);
    const char **names = prediction->session.card.class_names;
    if (!prediction->json) {
        printf("%s", file);
        for (int i = 0; i < prediction->top; i++)
            printf("\t%s\t%.4f", names[prediction->best[i]], (double)probabilities[prediction->best[i]]);
        printf("\n");
        return;
    }
    json_t *classes = json_array();
    for (int i = 0; i < prediction->top; i++)
        json_array_append_new(classes, json_pack("{s:o, s:f}", "class", json_text(names[prediction->best[i]]),
                                                 "probability", (double)probabilities[prediction->best[i]]));
    if (json_print(json_pack("{s:o, s:o}", "file", json_text(file), "classes", classes), JSON_REAL_PRECISION(6)) < 0)
        log_error("%s: %s", file, fail_text());
}

/* With data.resize the training's images were fitted too: nothing new. Without, those given may be of another scale
 * than any the network has seen. */
static void say_fitted(const struct prediction *prediction)
{
    const struct session *session = &prediction->session;
    if (prediction->fitted && session->config->data.resize == 0)
        log_warn("%d of %d images were resized and cropped to %dx%d pixels (width x height), those of the training: "
                 "what is in them should be about as large as it was there",
                 prediction->fitted, prediction->files, session->card.image.w, session->card.image.h);
}

/* What has been collected. */
static int predict_batch(struct prediction *prediction)
{
    const int count = prediction->filled;
    prediction->filled = 0;
    if (count == 0)
        return OK;
    TRY(evaluate_images(&prediction->session, prediction->pixels, count, prediction->probabilities));
    size_t classes = (size_t)prediction->session.card.class_count;
    for (int i = 0; i < count; i++)
        print_row(prediction, prediction->names[i], prediction->probabilities + (size_t)i * classes);
    return OK;
}

static int pass_over(struct prediction *prediction, int status)
{
    log_error("%s", fail_text());
    if (prediction->failed == OK)
        prediction->failed = status;
    return OK;
}

static int add_file(struct prediction *prediction, const char *file)
{
    const struct session *session = &prediction->session;
    const size_t image_bytes = (size_t)shape_count(session->card.image);
    uint8_t *pixels = NULL;
    bool fitted;
    const int status = image_load(file, session->card.image, session->config->data.resize, &pixels, &fitted);
    if (status < 0)
        return pass_over(prediction, status);
    prediction->files++;
    prediction->fitted += fitted;
    memcpy(prediction->pixels + (size_t)prediction->filled * image_bytes, pixels, image_bytes);
    memory_give(pixels);
    prediction->names[prediction->filled++] = file;
    return prediction->filled == PREDICT_BATCH ? predict_batch(prediction) : OK;
}

static int predict_folder(struct prediction *prediction, const char *folder)
{
    struct arena arena = {0};
    char **files;
    int count;
    int status = image_files(&arena, folder, &files, &count);
    if (status != OK)
        status = pass_over(prediction, status);
    else
        for (int i = 0; i < count && status == OK; i++)
            status = add_file(prediction, files[i]);
    /* Names are the arena's. */
    if (status == OK)
        status = predict_batch(prediction);
    arena_free(&arena);
    return status;
}

static int predict_files(struct prediction *prediction, char **files, int count)
{
    struct session *session = &prediction->session;
    size_t image_bytes = (size_t)shape_count(session->card.image), classes = (size_t)session->card.class_count;
    TRY(memory_take(&prediction->pixels, PREDICT_BATCH * image_bytes, "images"));
    TRY(memory_take(&prediction->probabilities, PREDICT_BATCH * classes * sizeof(float), "probabilities"));
    TRY(memory_take(&prediction->best, classes * sizeof(int), "ranks"));
    if (prediction->top > session->card.class_count)
        prediction->top = session->card.class_count;
    for (int i = 0; i < count; i++)
        TRY(folder_exists(files[i]) ? predict_folder(prediction, files[i]) : add_file(prediction, files[i]));
    TRY(predict_batch(prediction));
    say_fitted(prediction);
    return OK;
}

static int predict(struct prediction *prediction, const char *weights, char **words, int count)
{
    struct config config = {0};
    char checkpoint[PATH_BYTES];
    int status = train_load_config(&config, words[0], NULL, 0);
    config.train.batch_size = PREDICT_BATCH;
    if (status == OK)
        status = cli_model(&prediction->session, &config, words[0], weights, checkpoint);
    if (status == OK)
        status = predict_files(prediction, words + 1, count - 1);
    memory_give(prediction->pixels);
    memory_give(prediction->probabilities);
    memory_give(prediction->best);
    session_close(&prediction->session);
    config_free(&config);
    return status;
}

int command_predict(int argc, char **argv)
{
    const char *top_text = NULL, *weights = NULL;
    struct prediction prediction = {.top = 3};
    const struct cli_option options[] = {
        {"top", "K", NULL, &top_text, "how many classes to name; default 3"},
        {"weights", "best|last", NULL, &weights, "which checkpoint; default: best where early_stop.restore_best is on"},
        {"json", NULL, &prediction.json, NULL, "print one JSON object per file, one per line"},
    };
    const struct cli_usage usage = {
        .synopsis = "predict RUN FILE|FOLDER… [--top K] [--weights best|last] [--json]",
        .about = "Names the most likely classes of image files, of a folder all that lie in it, sorted: file, class,\n"
                 "probability, class, probability …, separated by tabs. A file that is missing or cannot be read is\n"
                 "reported, the others are done, exit status 66 or 65, of the first.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 3)
        return FAIL(ERR_USAGE, "predict needs a run directory and image files or folders of them");
    TRY(cli_count("top", top_text, 1, 1000000, &prediction.top));
    TRY(predict(&prediction, weights, argv + 1, argc - 1));
    return status_exit_code(prediction.failed);
}
