/* check: looks at the images of a config before anything is trained on them, and prints what it found. Knows no rule.
 */
#include "check.h"
#include "cli.h"
#include "json.h"
#include "log.h"
#include "sheet.h"
#include "text.h"
#include "trainer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void print_finding(const struct finding *finding)
{
    enum { INDENT = 6, ACTION_INDENT = 8 };
    cli_say(stdout, INDENT, severity_names[finding->severity], "%s: %s", finding->name, finding->text);
    const int each = finding->pairs ? 2 : 1;
    for (int i = 0; i < finding->file_count; i += each)
        printf("        %s%s%s\n", finding->files[i], each == 2 ? " and " : "", each == 2 ? finding->files[i + 1] : "");
    if (finding->file_total > finding->file_count)
        printf("        … %lld more%s\n", (long long)(finding->file_total - finding->file_count) / each,
               finding->pairs ? " pairs" : "");
    cli_say(stdout, ACTION_INDENT, "      → ", "%s", finding->action);
}

static void print_values(const char *what, const double *mean, const double *std, int channels)
{
    printf("%s mean", what);
    for (int c = 0; c < channels; c++)
        printf(" %.3f", mean[c]);
    printf(", std");
    for (int c = 0; c < channels; c++)
        printf(" %.3f", std[c]);
    printf("\n");
}

enum { EMPTY_MOST = 3 };

static long long images_of(const struct findings *findings, int part, int class)
{
    return findings->class_counts[part] ? (long long)findings->class_counts[part][class] : 0;
}

static void print_classes(const struct session *session, const struct findings *findings)
{
    const char *const *names = session->card.class_names;
    printf("%10s %10s  class\n", "training", "validation");
    for (int i = 0, end; i < findings->class_count; i = end) {
        const long long train = images_of(findings, 0, i), val = images_of(findings, 1, i);
        /* Many that have none, as of labels up to 255 of which few occur, in one line. */
        for (end = i + 1; train + val == 0 && end < findings->class_count; end++)
            if (images_of(findings, 0, end) + images_of(findings, 1, end) > 0)
                break;
        if (end - i > EMPTY_MOST)
            printf("%10lld %10lld  %s … %s (%d classes)\n", train, val, names[i], names[end - 1], end - i);
        else
            printf("%10lld %10lld  %s\n", train, val, names[i]);
        end = end - i > EMPTY_MOST ? end : i + 1;
    }
}

static void print_text(const struct session *session, const struct check_input *input, const struct findings *findings)
{
    const struct model_card *card = &session->card;
    cli_say(stdout, 0, "", "%lld training and %lld validation images of %d x %d pixels, %d channel%s, %d classes",
            (long long)findings->train_seen, (long long)findings->val_seen, card->image.w, card->image.h, card->image.c,
            card->image.c == 1 ? "" : "s", card->class_count);
    print_values("measured     ", findings->mean, findings->std, card->image.c);
    print_values("normalised by", input->mean, input->std, card->image.c);
    print_classes(session, findings);
    for (int i = 0; i < findings->count; i++)
        print_finding(&findings->list[i]);
    if (findings->count == 0)
        printf("nothing found\n");
}

static json_t *json_of(const struct finding *finding)
{
    json_t *evidence = json_object(), *files = json_array();
    for (int i = 0; i < finding->evidence_count; i++)
        json_object_set_new(evidence, finding->evidence[i].name, json_real(finding->evidence[i].value));
    for (int i = 0; i < finding->file_count; i++)
        json_array_append_new(files, json_text(finding->files[i]));
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:I}", "rule", finding->name, "severity",
                     severity_names[finding->severity], "text", json_text(finding->text), "action", finding->action,
                     "evidence", evidence, "files", files, "files_total", (json_int_t)finding->file_total);
}

static json_t *json_of_values(const double *mean, const double *std, int channels)
{
    json_t *means = json_array(), *stds = json_array();
    for (int c = 0; c < channels; c++) {
        json_array_append_new(means, json_real(mean[c]));
        json_array_append_new(stds, json_real(std[c]));
    }
    return json_pack("{s:o, s:o}", "mean", means, "std", stds);
}

static json_t *json_of_classes(const struct session *session, const struct findings *findings)
{
    const int64_t *const *counts = findings->class_counts;
    json_t *list = json_array();
    for (int i = 0; i < findings->class_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:I, s:I}", "name", json_text(session->card.class_names[i]),
                                              "train_images", (json_int_t)counts[0][i], "val_images",
                                              (json_int_t)(counts[1] ? counts[1][i] : 0)));
    return list;
}

static int print_json(const struct session *session, const struct check_input *input, const struct findings *findings)
{
    const int channels = session->card.image.c;
    json_t *list = json_array();
    for (int i = 0; i < findings->count; i++)
        json_array_append_new(list, json_of(&findings->list[i]));
    json_t *all =
        json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:o}", "schema", 1, "train_images", (json_int_t)findings->train_seen,
                  "val_images", (json_int_t)findings->val_seen, "classes", json_of_classes(session, findings),
                  "measured", json_of_values(findings->mean, findings->std, channels), "normalisation",
                  json_of_values(input->mean, input->std, channels), "findings", list);
    return json_print(all, JSON_INDENT(1));
}

/* What the command line asks for besides the findings. */
struct request {
    bool json;
    int64_t limit;
    const char *sheet; /* NULL: none */
    int64_t sheet_of;  /* -1: a batch */
    bool skip;         /* the config says to train without what cannot be used */
};

static int write_sheet(const struct session *session, const struct request *request)
{
    const struct config *config = session->config;
    struct sheet_options options = {.train = &session->train.subset,
                                    .seed = (uint64_t)config->train.seed,
                                    .shuffle = config->data.shuffle,
                                    .batch = config->train.batch_size,
                                    .image = request->sheet_of};
    augmentation_make(&options.augment, config, &session->card, true);
    TRY(sheet_write(request->sheet, &options));
    log_info("%s: training images as the network is given them", request->sheet);
    return OK;
}

static int check(const struct config *config, const struct request *request)
{
    struct session session = {0};
    struct findings findings = {0};
    int status = session_open_data(&session, config, stderr);
    struct check_input input = {0};
    if (status == OK) {
        session_check_input(&session, &input);
        input.limit = request->limit;
        input.skip = request->skip;
        status = check_images(&findings, &input);
    }
    if (status == OK && request->json)
        status = print_json(&session, &input, &findings);
    else if (status == OK)
        print_text(&session, &input, &findings);
    if (status == OK && request->sheet)
        status = write_sheet(&session, request);
    if (status == OK)
        status = findings_worst(&findings) >= SEVERITY_WARN;
    findings_free(&findings);
    session_close(&session);
    return status;
}

int command_check(int argc, char **argv)
{
    struct request request = {.sheet_of = -1};
    const char *limit_text = NULL, *sheet_of_text = NULL;
    const struct cli_option options[] = {
        {"json", NULL, &request.json, NULL, "print the findings as JSON (docs/check.md)"},
        {"images", "N", NULL, &limit_text, "look at N images of each part at most (all)"},
        {"sheet", "FILE", NULL, &request.sheet, "write a PNG of the first batch: augmented images and their labels"},
        {"sheet-of", "N", NULL, &sheet_of_text, "not of a batch, but of training image N, from 0, in 8 epochs"},
    };
    const struct cli_usage usage = {
        .synopsis = "check CONFIG [key=value…]",
        .about = "Looks at every image a config names and prints what is likely to spoil training: unreadable\n"
                 "files, copies, one image under two labels, images of both parts, uneven classes and lighting,\n"
                 "wrong normalisation. Exit status 0: nothing but notes (info), 1: warnings or faults.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    TRY(cli_integer("images", limit_text, 1, INT32_MAX, &request.limit));
    TRY(cli_integer("sheet-of", sheet_of_text, 0, INT32_MAX, &request.sheet_of));
    const size_t sheet_length = request.sheet ? strlen(request.sheet) : 0;
    if (request.sheet && (sheet_length < 4 || strcasecmp(request.sheet + sheet_length - 4, ".png") != 0))
        return FAIL(ERR_USAGE, "--sheet %s: a sheet is a PNG image; give a file that ends in .png", request.sheet);
    if (sheet_of_text && !request.sheet)
        return FAIL(ERR_USAGE, "--sheet-of needs the file to write to: --sheet FILE.png");
    struct config config = {0};
    int status = cli_config(&config, argc, argv);
    /* What cannot be read is a finding here. */
    request.skip = config.data.on_error == ON_ERROR_SKIP;
    config.data.on_error = ON_ERROR_SKIP;
    if (status == OK)
        status = check(&config, &request);
    config_free(&config);
    return status;
}
