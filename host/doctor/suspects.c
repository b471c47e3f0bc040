/* suspects: see include/suspects.h. Owns the list and where the figures of a run are. */
#include "doubts.h"
#include "suspects_parts.h"

#include "file.h"
#include "log.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const suspect_names[SUSPECT_KINDS] = {"label", "duplicate", "outlier", "light"};

void suspects_add(struct suspects *suspects, const struct suspect *suspect)
{
    const int64_t count = suspects->count;
    /* Doubles whenever the count is a power of two. */
    if ((count & (count - 1)) == 0) {
        struct suspect *larger = arena_push(&suspects->arena, (size_t)(count ? 2 * count : 1) * sizeof *larger);
        if (count)
            memcpy(larger, suspects->list, (size_t)count * sizeof *larger);
        suspects->list = larger;
    }
    suspects->list[suspects->count++] = *suspect;
    suspects->kinds[suspect->kind]++;
}

/* By falling score; of equal ones training's first, in the order of kinds, then samples. */
static int compare(const void *left, const void *right)
{
    const struct suspect *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    if (a->in_val != b->in_val)
        return a->in_val ? 1 : -1;
    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : (a->sample > b->sample) - (a->sample < b->sample);
}

/* ---- from pixels ---- */

static const char *name_of(struct suspects *suspects, const struct dataset *data, int32_t sample)
{
    return data->files ? data->files[sample] : arena_format(&suspects->arena, "sample %d", (int)sample);
}

static void add_copy(struct suspects *suspects, const struct session *session, const struct odd_image *image)
{
    const struct dataset *data = &session->train_source.data;
    const struct dataset *from = image->other_in_val && session->val.source ? session->val.subset.data : data;
    const int32_t label = data->labels[image->sample], other = from->labels[image->other];
    const char *evidence = arena_format(
        &suspects->arena, "%s %s%s%s%s", image->what == ODD_COPY ? "the same pixels as" : "nearly the same as",
        image->other_in_val ? "the validation image " : "", name_of(suspects, from, image->other),
        label == other ? "" : ", which is labelled ", label == other ? "" : from->class_names[other]);
    suspects_add(suspects, &(struct suspect){.kind = SUSPECT_DUPLICATE,
                                             .of_val = image->other_in_val,
                                             .sample = image->sample,
                                             .suggested = label == other ? -1 : other,
                                             .score = image->what == ODD_COPY ? 1.0 : 0.99,
                                             .evidence = evidence});
}

/* Chebyshev: at most 1 / distance² of any distribution lies so far out. */
static double score_of(const struct odd_image *image)
{
    const bool sure = image->what == ODD_FLAT || image->what == ODD_TORN || image->what == ODD_ASLANT;
    return sure ? 1.0 : 1.0 - 1.0 / (image->distance * image->distance);
}

static const char *evidence_of(struct suspects *suspects, const struct odd_image *image)
{
    static const char *const measures[] = {
        [ODD_LIGHT] = "mean brightness", [ODD_CONTRAST] = "contrast (standard deviation)", [ODD_TEXTURE] = "roughness"};
    if (image->what == ODD_FLAT)
        return "one colour all over";
    if (image->what == ODD_ASLANT)
        return arena_format(&suspects->arena,
                            "each row begins %.0f pixels %s than the one before: read with a wrong length of row",
                            fabs(image->value), image->value < 0.0 ? "later" : "earlier");
    if (image->what == ODD_TORN && image->noise)
        return "one half of it is noise, neighbouring pixels do not go together";
    if (image->what == ODD_TORN)
        return arena_format(&suspects->arena, "%.0f %% of it, from below, are one line over and over: read in part",
                            100.0 * image->value);
    return arena_format(&suspects->arena, "%s %.3g, the class's median is %.3g (%.1f deviations away)",
                        image->noise ? "noise, neighbouring pixels do not go together: roughness"
                                     : measures[image->what],
                        image->value, image->usual, image->distance);
}

static int add_images(struct suspects *suspects, const struct session *session)
{
    struct check_input input;
    struct odd_images odd;
    session_check_input(session, &input);
    int status = check_odd_images(&odd, &input);
    for (int64_t i = 0; i < odd.count && status == OK; i++) {
        const struct odd_image *image = &odd.list[i];
        if (image->what == ODD_COPY || image->what == ODD_NEAR_COPY) {
            add_copy(suspects, session, image);
            continue;
        }
        const bool light = image->what == ODD_LIGHT || image->what == ODD_CONTRAST;
        suspects_add(suspects, &(struct suspect){.kind = light ? SUSPECT_LIGHT : SUSPECT_OUTLIER,
                                                 .sample = image->sample,
                                                 .suggested = -1,
                                                 .score = score_of(image),
                                                 .evidence = evidence_of(suspects, image)});
    }
    odd_images_free(&odd);
    return status;
}

/* ---- a run ---- */

static struct val_looks val_looks(const struct labelled *labelled, const char *run, bool to_its_end)
{
    char path[PATH_BYTES];
    struct table table = {0};
    struct val_looks val = {.last = NAN, .mean = NAN};
    if (path_join(path, run, "results.csv") == OK && table_read(&table, path) == OK && table.row_count > 0) {
        val = doubts_val_looks(labelled->config, table_column_or_nan(&table, "metrics/accuracy_top1"), table.row_count,
                               (double)labelled->val_count);
        val.unlike |= !to_its_end;
    }
    table_free(&table);
    return val;
}

/* As a session that is open has them. */
static struct labelled labelled_of(const struct session *session, struct arena *arena)
{
    const struct subset *val = &session->val.subset;
    const struct dataset *data = &session->train_source.data;
    struct labelled labelled = {.config = session->config, .data = data};
    labelled.val_images = arena_push(arena, (size_t)data->class_count * sizeof *labelled.val_images);
    labelled.val_count = session->val.source ? val->count : 0;
    for (int64_t i = 0; i < labelled.val_count; i++)
        labelled.val_images[val->data->labels[val->samples[i]]]++;
    return labelled;
}

static int labels_of(struct suspects *suspects, const struct labelled *labelled, const char *run, const char *which)
{
    const struct dataset *data = labelled->data;
    const struct sample_stats *table;
    struct arena arena = {0};
    char folder[PATH_BYTES];
    int64_t count;
    TRY(train_find_checkpoint(labelled->config, run, which, folder));
    int status = samples_read(folder, data->class_count, &arena, &table, &count);
    if (status == OK && count != data->count)
        status = FAIL(ERR_DATA, "%s: has statistics of %lld images, but %s has %lld now; train anew", folder,
                      (long long)count, data->source, (long long)data->count);
    const bool witnessed =
        labelled->val_count > 0 && labelled->config->data.shuffle && !labelled->config->train.balance;
    if (status == OK && !suspects_slipped(suspects, data, table) &&
        !(witnessed && suspects_swallowed(suspects, data, table, labelled->val_images))) {
        const struct val_looks val = val_looks(labelled, run, strcmp(which, "last") == 0);
        suspects_labels(suspects, data, table, &val);
        if (suspects->kinds[SUSPECT_LABEL] == 0 && witnessed)
            suspects_filed(suspects, data, table, labelled->val_images);
    }
    arena_free(&arena);
    return status;
}

/* The best checkpoint remembers less, but nothing of the epochs in which the labels were learnt by heart. */
static int labels_of_run(struct suspects *suspects, const struct labelled *labelled, const char *run)
{
    struct suspects earlier = {.wrong_share = NAN, .wrong_most = NAN};
    TRY(labels_of(suspects, labelled, run, "last"));
    if (suspects->verdict != LABELS_BY_HEART)
        return OK;
    if (labels_of(&earlier, labelled, run, "best") == OK &&
        (earlier.verdict == LABELS_JUDGED || earlier.verdict == LABELS_ALIKE)) {
        suspects_free(suspects);
        *suspects = earlier;
        return OK;
    }
    suspects_free(&earlier);
    return OK;
}

int suspects_find_labels(struct suspects *suspects, const struct session *session, const char *run)
{
    struct arena arena = {0};
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    const struct labelled labelled = labelled_of(session, &arena);
    const int status = labels_of_run(suspects, &labelled, run);
    arena_free(&arena);
    return status;
}

int suspects_find_recorded(struct suspects *suspects, const struct config *config, const char *run)
{
    struct arena arena = {0};
    struct labelled labelled;
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    int status = labelled_read(&labelled, config, run, &arena);
    if (status == OK)
        status = labels_of_run(suspects, &labelled, run);
    arena_free(&arena);
    return status;
}

int suspects_find_images(struct suspects *suspects, const struct session *session)
{
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    return add_images(suspects, session);
}

/* Of two copies in training one is as good as the other. */
static void keep_copies_of_val(struct suspects *suspects)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < suspects->count; i++)
        if (suspects->list[i].kind == SUSPECT_DUPLICATE && !suspects->list[i].of_val)
            suspects->kinds[SUSPECT_DUPLICATE]--;
        else
            suspects->list[kept++] = suspects->list[i];
    suspects->count = kept;
}

int suspects_find_wanted(struct suspects *suspects, const struct session *session, const char *run,
                         const bool kinds[static SUSPECT_KINDS])
{
    int found = 0;
    struct arena arena = {0};
    *suspects = (struct suspects){.wrong_share = NAN, .wrong_most = NAN};
    if (kinds[SUSPECT_LABEL]) {
        const struct labelled labelled = labelled_of(session, &arena);
        if (labels_of_run(suspects, &labelled, run) == OK)
            found++;
        else
            log_warn("no wrong labels are listed: %s", fail_text());
        arena_free(&arena);
    }
    if (kinds[SUSPECT_OUTLIER] || kinds[SUSPECT_DUPLICATE]) {
        if (add_images(suspects, session) == OK)
            found += kinds[SUSPECT_OUTLIER] + kinds[SUSPECT_DUPLICATE];
        else
            log_warn("no odd images or copies are listed: %s", fail_text());
    }
    suspects_keep(suspects, kinds);
    keep_copies_of_val(suspects);
    return found;
}

/* Runs of before keep nothing of validation's images; nor do those that hold too many. */
static int val_labels_of(struct suspects *suspects, const struct session *session, const char *run)
{
    const struct sample_stats *table;
    const struct subset *val = &session->val.subset;
    struct arena arena = {0};
    char folder[PATH_BYTES];
    int64_t count;
    if (!session->val.source)
        return OK;
    TRY(train_find_checkpoint(session->config, run, "last", folder));
    if (samples_read_val(folder, val->data->class_count, &arena, &table, &count) == OK && count == val->count)
        suspects_val_labels(suspects, val->data, val->samples, table, count);
    arena_free(&arena);
    return OK;
}

int suspects_find(struct suspects *suspects, const struct session *session, const char *run)
{
    TRY(suspects_find_labels(suspects, session, run));
    TRY(val_labels_of(suspects, session, run));
    TRY(add_images(suspects, session));
    if (suspects->count > 0)
        qsort(suspects->list, (size_t)suspects->count, sizeof *suspects->list, compare);
    return OK;
}

void suspects_keep(struct suspects *suspects, const bool kinds[static SUSPECT_KINDS])
{
    int64_t kept = 0;
    memset(suspects->kinds, 0, sizeof suspects->kinds);
    for (int64_t i = 0; i < suspects->count; i++)
        if (kinds[suspects->list[i].kind]) {
            suspects->kinds[suspects->list[i].kind]++;
            suspects->list[kept++] = suspects->list[i];
        }
    suspects->count = kept;
}

void suspects_free(struct suspects *suspects)
{
    arena_free(&suspects->arena);
    *suspects = (struct suspects){0};
}
