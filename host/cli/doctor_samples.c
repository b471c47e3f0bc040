/* doctor_samples: prints and writes the list of suspicious images. Knows the layout of the answer. */
#include "doctor_samples.h"

#include "file.h"
#include "json.h"
#include "log.h"
#include "suspects.h"

#include <jansson.h>
#include <stdio.h>

enum { SHOWN = 20 };

struct answer {
    const char *run;
    const struct suspects *suspects;
    struct suspect_images images;
    char csv[PATH_BYTES], png[PATH_BYTES], doubted[PATH_BYTES]; /* "": not written */
};

static void print_suspect(const struct answer *answer, const struct suspect *suspect)
{
    const struct dataset *data = suspect_data(suspect, answer->images);
    const char *const *classes = data->class_names;
    printf("%.3f  %-9s  %s", suspect->score, suspect_names[suspect->kind], suspect->in_val ? "validation " : "");
    if (data->files)
        printf("%s", data->files[suspect->sample]);
    else
        printf("sample %d", (int)suspect->sample);
    printf("  %s%s%s: %s\n", classes[data->labels[suspect->sample]], suspect->suggested >= 0 ? " -> " : "",
           suspect->suggested >= 0 ? classes[suspect->suggested] : "", suspect->evidence);
}

static void print_text(const struct answer *answer)
{
    const struct suspects *suspects = answer->suspects;
    printf("run        %s\nlabels     %s\n", answer->run, suspects->labels_text);
    if (suspects->val_text)
        printf("validation %s\n", suspects->val_text);
    printf("listed     ");
    for (int kind = 0; kind < SUSPECT_KINDS; kind++)
        printf("%s%lld %s", kind ? ", " : "", (long long)suspects->kinds[kind], suspect_names[kind]);
    const struct dataset *train = answer->images.train, *val = answer->images.val;
    printf(" of %lld images\n", (long long)(train->count + (val && val != train ? val->count : 0)));
    for (int64_t i = 0; i < suspects->count && i < SHOWN; i++)
        print_suspect(answer, &suspects->list[i]);
    if (suspects->count > SHOWN)
        printf("       … %lld more\n", (long long)(suspects->count - SHOWN));
    if (suspects->doubted_count > 0)
        printf("doubted    %lld labels that the network contradicts; nothing says that they are wrong, but these it "
               "believes least: look here first\n",
               (long long)suspects->doubted_count);
    for (int64_t i = 0; i < suspects->doubted_count && i < SHOWN; i++)
        print_suspect(answer, &suspects->doubted[i]);
    if (answer->csv[0])
        printf("written    %s%s%s%s%s\n", answer->csv, answer->png[0] ? "\n           " : "", answer->png,
               answer->doubted[0] ? "\n           " : "", answer->doubted);
}

static json_t *list_json(const struct answer *answer, const struct suspect *suspects, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++) {
        const struct suspect *suspect = &suspects[i];
        const struct dataset *data = suspect_data(suspect, answer->images);
        json_t *row = json_pack(
            "{s:s, s:i, s:o, s:s, s:f, s:o}", "part", suspect->in_val ? "val" : "train", "sample", (int)suspect->sample,
            "class", json_text(data->class_names[data->labels[suspect->sample]]), "kind", suspect_names[suspect->kind],
            "score", suspect->score, "evidence", json_text(suspect->evidence));
        if (data->files)
            json_object_set_new(row, "file", json_text(data->files[suspect->sample]));
        if (suspect->suggested >= 0)
            json_object_set_new(row, "suggested", json_text(data->class_names[suspect->suggested]));
        json_array_append_new(list, row);
    }
    return list;
}

static int print_json(const struct answer *answer)
{
    static const char *const verdicts[] = {
        [LABELS_JUDGED] = "judged",   [LABELS_ALIKE] = "alike",       [LABELS_TOO_EARLY] = "too_early",
        [LABELS_TOO_FEW] = "too_few", [LABELS_BY_HEART] = "by_heart", [LABELS_TOO_WEAK] = "too_weak"};
    const struct suspects *suspects = answer->suspects;
    json_t *all = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "run", json_text(answer->run), "labels",
                            verdicts[suspects->verdict], "text", json_text(suspects->labels_text), "validation",
                            suspects->val_text ? json_text(suspects->val_text) : json_null(), "wrong_share",
                            json_known(suspects->wrong_share), "wrong_most", json_known(suspects->wrong_most), "csv",
                            answer->csv[0] ? json_text(answer->csv) : json_null(), "suspects",
                            list_json(answer, suspects->list, suspects->count), "doubted",
                            list_json(answer, suspects->doubted, suspects->doubted_count));
    return json_print(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
}

/* A run that may only be read is answered for all the same. */
static int keep(int status, char path[static PATH_BYTES])
{
    if (status != ERR_UNSUPPORTED && status != ERR_CREATE)
        return status;
    log_warn("%s%s", fail_text(), status == ERR_CREATE ? "; what was found is only printed" : "");
    path[0] = 0;
    return OK;
}

static int answer_write(struct answer *answer)
{
    const struct suspects doubted = {.list = answer->suspects->doubted, .count = answer->suspects->doubted_count};
    TRY(path_join(answer->csv, answer->run, "suspects.csv"));
    TRY(keep(suspects_write(answer->suspects, answer->images, answer->csv), answer->csv));
    /* A file of its own: suspects.csv is also a list of what not to train on. */
    if (doubted.count > 0 && answer->csv[0]) {
        TRY(path_join(answer->doubted, answer->run, "doubted.csv"));
        TRY(keep(suspects_write(&doubted, answer->images, answer->doubted), answer->doubted));
    }
    if (answer->suspects->count == 0 || !answer->csv[0])
        return OK;
    TRY(path_join(answer->png, answer->run, "suspects.png"));
    return keep(suspects_sheet(answer->suspects, answer->images, answer->png), answer->png);
}

int doctor_samples(const char *run, bool json)
{
    struct config config = {0};
    struct session session = {0};
    struct suspects suspects = {0};
    struct answer answer = {.run = run, .suspects = &suspects};
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = session_open_data(&session, &config, stderr);
    if (status == OK) {
        answer.images = (struct suspect_images){&session.train_source.data, session.val.subset.data};
        status = suspects_find(&suspects, &session, run);
    }
    if (status == OK)
        status = answer_write(&answer);
    if (status == OK && json)
        status = print_json(&answer);
    else if (status == OK)
        print_text(&answer);
    if (status == OK)
        status = suspects.count > 0;
    suspects_free(&suspects);
    session_close(&session);
    config_free(&config);
    return status;
}
