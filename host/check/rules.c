/* rules: what is a finding, one function a rule, with the origin of each threshold. Pure functions of the facts.
 *
 * Thresholds marked "pilot" were measured on clean sets (MNIST, Fashion-MNIST, CIFAR-10, EuroSAT and others) and with
 * planted faults: clean sets stay below, planted faults above. Shares of equal and conflicting images: public sets have
 * some hundredths of a per cent of either, so that less is said as info. */
#include "facts.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WARN_SHARE 0.001 /* of conflicting labels, and of validation images also in training */
#define SAME_SHARE 0.01  /* of duplicates */

/* As a person would look for it; of two sets with which of them it is in, since their files are often called alike. */
static const char *file_name(const struct facts *facts, struct arena *arena, const struct dataset *data, int32_t sample)
{
    const struct subset *val = facts->input->val;
    const char *file = data->files[sample], *folder = data->encoded.root ? data->encoded.root : data->source;
    if (!val || val->data == facts->input->train->data || !folder || !*folder || *file == '/')
        return file;
    return arena_format(arena, "%s/%s", folder, file);
}

void finding_file(const struct facts *facts, struct arena *arena, struct finding *finding, int64_t image)
{
    const struct dataset *data = facts_data(facts, image);
    const int32_t sample = facts->images[image].sample;
    finding->file_total++;
    if (finding->file_count < FINDING_FILES)
        finding->files[finding->file_count++] =
            data->files ? file_name(facts, arena, data, sample)
                        : arena_format(arena, "%s sample %d", image < facts->train_count ? "training" : "validation",
                                       (int)sample);
}

static int class_count(const struct facts *facts)
{
    return facts->input->train->data->class_count;
}

/* ---- files ---- */

/* The files of a part that were left out: listed; their share of all of it. */
static double list_skipped(const struct dataset *data, struct finding *finding)
{
    finding->file_total += data->skipped_count;
    for (int64_t i = 0; i < data->skipped_count && finding->file_count < FINDING_FILES; i++)
        finding->files[finding->file_count++] = data->skipped[i];
    return data->skipped_count > 0 ? (double)data->skipped_count / (double)(data->skipped_count + data->count) : 0.0;
}

static bool unreadable(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const struct dataset *train = facts->input->train->data, *val = facts->input->val ? facts->input->val->data : train;
    const double train_share = list_skipped(train, finding),
                 val_share = val != train ? list_skipped(val, finding) : 0.0;
    const double worst = train_share > val_share ? train_share : val_share;
    if (finding->file_total == 0)
        return false;
    const int64_t of_val = finding->file_total - train->skipped_count;
    finding->severity = worst > 0.01 ? SEVERITY_FAULT : SEVERITY_WARN;
    finding->text =
        val == train
            ? arena_format(arena, "%lld of the files cannot be used (%.3g %%)", (long long)finding->file_total,
                           100.0 * train_share)
            : arena_format(arena,
                           "%lld of the training files and %lld of the validation files cannot be used "
                           "(%.3g %%, %.3g %%)",
                           (long long)train->skipped_count, (long long)of_val, 100.0 * train_share, 100.0 * val_share);
    finding->action = facts->input->skip ? "mend or remove them; training goes on without them (data.on_error = skip)"
                                         : "mend or remove them; data.on_error = skip trains without them";
    finding_number(finding, "files", (double)finding->file_total);
    finding_number(finding, "share", worst);
    finding_number(finding, "val_files", (double)of_val);
    return true;
}

/* ---- classes ---- */

/* Classes that are called by their numbers, and none of the images of either part is of the first. */
static bool counts_from_one(const struct facts *facts)
{
    const char *const *names = facts->input->train->data->class_names;
    const int last = class_count(facts) - 1;
    int64_t number;
    return last > 0 && strcmp(names[0], "0") == 0 && text_to_int64(names[last], &number) && number == last &&
           facts->class_counts[0][0] == 0 && (!facts->class_counts[1] || facts->class_counts[1][0] == 0);
}

static bool absent(const struct facts *facts, struct arena *arena, struct finding *finding, bool val)
{
    const struct subset *subset = val ? facts->input->val : facts->input->train;
    const int64_t *counts = facts->class_counts[val];
    const bool from_one = counts_from_one(facts);
    const char *first = NULL;
    int without = 0;
    for (int i = val && from_one; i < class_count(facts); i++)
        if (counts[i] == 0 && ++without == 1)
            first = subset->data->class_names[i];
    if (without == 0)
        return false;
    finding->severity = val ? SEVERITY_WARN : SEVERITY_FAULT;
    finding->text = arena_format(arena, "%d of %d classes have no %s image, the first: %s%s", without,
                                 class_count(facts), val ? "validation" : "training", first,
                                 from_one && !val ? "; the labels seem to count from 1" : "");
    finding->action = val        ? "add images of these classes to data.val; nothing measures them now"
                      : from_one ? "take 1 from every label of both parts, so that they count from 0"
                                 : "add images of these classes, or remove the classes";
    finding_number(finding, "classes", without);
    return true;
}

static bool absent_train(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    return absent(facts, arena, finding, false);
}

static bool absent_val(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    return facts->input->val && absent(facts, arena, finding, true);
}

/* So few that the standard error of an accuracy is more than 5 points where half of them are right: then runs that
 * differ by 10 are not told apart. */
static bool few_validation(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const double half = 0.5, most = 0.05, usual = 0.8;
    const double images = facts->input->val ? (double)facts->input->val->count : 0.0, error = half / sqrt(images);
    if (images == 0.0 || !(error > most))
        return false;
    finding->severity = SEVERITY_INFO;
    finding->text = arena_format(arena,
                                 "validation has %.0f image%s: an accuracy of 80 %% is known to +- %.1f points (one "
                                 "standard error), of one class to about +- %.0f",
                                 images, images == 1.0 ? "" : "s", 100.0 * sqrt(usual * (1.0 - usual) / images),
                                 100.0 * sqrt(usual * (1.0 - usual) / fmax(1.0, images / class_count(facts))));
    finding->action =
        "hold out more (data.val_fraction), or compare settings over several seeds by the validation loss";
    finding_number(finding, "images", images);
    finding_number(finding, "error", error);
    return true;
}

/* 10: as SageMaker Debugger's ClassImbalance. */
static bool imbalance(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int64_t *counts = facts->class_counts[0];
    int least = -1, most = -1;
    for (int i = 0; i < class_count(facts); i++) {
        if (counts[i] > 0 && (least < 0 || counts[i] < counts[least]))
            least = i;
        if (most < 0 || counts[i] > counts[most])
            most = i;
    }
    const bool fires = least >= 0 && counts[most] >= 10 * counts[least];
    if (fires) {
        const char **names = facts->input->train->data->class_names;
        const double ratio = (double)counts[most] / (double)counts[least];
        const bool balanced = facts->input->balanced;
        finding->severity = balanced ? SEVERITY_INFO : SEVERITY_WARN;
        finding->text = arena_format(arena, "class %s has %lld training image%s, class %s %lld: %.3g times as many%s",
                                     names[least], (long long)counts[least], counts[least] == 1 ? "" : "s", names[most],
                                     (long long)counts[most], ratio, balanced ? "; train.balance makes up for it" : "");
        finding->action = balanced ? "add images of the rare classes"
                                   : "set train.balance = true, add images of the rare classes, and judge by the "
                                     "accuracy of each class, not of all";
        finding_number(finding, "ratio", ratio);
        finding_number(finding, "least", (double)counts[least]);
        finding_number(finding, "most", (double)counts[most]);
    }
    return fires;
}

/* ---- values ---- */

/* Standard deviation above 4 or below 0.05, or a mean more than 8 of them away from 0: pilot; unnormalised natural
 * images in 0..1 have 0.4 to 4. Of what is unusual, how far beyond: in doublings of the deviation from 1, in deviations
 * of the mean from 0. */
static double off_usual(double m, double s)
{
    const bool usual = s <= 2.0 && s >= 0.5 && fabs(m) <= 1.0;
    return usual ? 0.0 : fmax(fabs(log2(s)) / log2(4.0), fabs(m) / s / 8.0);
}

static bool normalisation(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    double mean[4], std[4], worst = 0.0, m = 0.0, s = 1.0;
    int channel = 0;
    facts_statistics(facts, false, mean, std);
    for (int c = 0; c < facts->input->train->data->image.c; c++) {
        const double of_mean = (mean[c] - facts->input->mean[c]) / facts->input->std[c];
        const double of_deviation = std[c] / facts->input->std[c], off = off_usual(of_mean, of_deviation);
        if (!(off > worst))
            continue;
        worst = off, channel = c, m = of_mean, s = of_deviation;
    }
    if (worst == 0.0 || facts->input->by_image) /* of its own light each image has mean 0 and deviation 1 */
        return false;
    finding->severity = s <= 4.0 && s >= 0.05 && fabs(m) <= 8.0 * s ? SEVERITY_INFO : SEVERITY_FAULT;
    finding->text = arena_format(
        arena, "after normalisation channel %d has mean %.3g and standard deviation %.3g; about 0 and 1 are wanted",
        channel, m, s);
    finding->action = "remove augment.mean and augment.std, so that they are measured (augment.normalize = auto)";
    finding_number(finding, "mean", m);
    finding_number(finding, "std", s);
    return true;
}

/* A part that is grey where the other is in colour: by a tenth of the images, and 4 standard errors. */
static bool lacks_colour(const struct parts *parts, struct arena *arena, struct finding *finding)
{
    const double apart = fabs(parts->grey[0] - parts->grey[1]);
    if (apart <= 0.1 || apart <= 4.0 * parts->grey_error)
        return false;
    finding->severity = SEVERITY_WARN;
    finding->text = arena_format(arena,
                                 "%.3g %% of the training images are grey (three equal channels), and %.3g %% of "
                                 "validation's",
                                 100.0 * parts->grey[0], 100.0 * parts->grey[1]);
    finding->action = "prepare both parts alike: both in colour, or both in grey";
    finding_number(finding, "train_grey", parts->grey[0]);
    finding_number(finding, "val_grey", parts->grey[1]);
    return true;
}

/* One part rougher than the other, as noise, blur, another compression or resizing make it: by half of what images of a
 * class differ by, which of parts drawn from one set happens to none (their means differ by a root of n-th of that),
 * and 4 standard errors. */
static bool differs_in_texture(const struct parts *parts, struct arena *arena, struct finding *finding)
{
    const double apart = fabs(parts->rough[0] - parts->rough[1]);
    if (!(apart > 0.5 * parts->rough_deviation) || !(apart > 4.0 * parts->rough_error))
        return false;
    finding->severity = SEVERITY_WARN;
    finding->text = arena_format(arena,
                                 "%s images are rougher: neighbouring pixels differ by %.2f of an image's deviation in "
                                 "training and by %.2f in validation, %.2g times what images of a class differ by, as "
                                 "where one part has grain or the other is blurred",
                                 parts->rough[0] > parts->rough[1] ? "training's" : "validation's",
                                 exp(parts->rough[0]), exp(parts->rough[1]), apart / parts->rough_deviation);
    finding->action = "prepare both parts alike: same source, same size, same processing";
    finding_number(finding, "train_rough", exp(parts->rough[0]));
    finding_number(finding, "val_rough", exp(parts->rough[1]));
    finding_number(finding, "rough_apart", apart / parts->rough_deviation);
    return true;
}

/* Validation's images worse than training's in what is compared of both. */
static bool worse_in_validation(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    finding->severity = SEVERITY_WARN;
    finding->text = facts_val_worse(facts, arena, finding);
    return finding->text != NULL;
}

/* Means of the parts more than a tenth of the standard deviation apart, and more than chance does: 4 standard errors
 * of the images' means. Where each is normalised by its own they all have one. */
static bool mismatch(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    struct parts parts;
    double mean[4], std[4];
    if (facts->count == facts->train_count || facts_parts(facts, &parts) != OK)
        return false;
    if (lacks_colour(&parts, arena, finding))
        return true;
    facts_statistics(facts, false, mean, std);
    for (int c = 0; c < facts->input->train->data->image.c; c++) {
        const double apart = fabs(parts.mean[0][c] - parts.mean[1][c]);
        if (apart <= 0.1 * std[c] || apart <= 4.0 * parts.error || facts->input->by_image)
            continue;
        finding->severity = SEVERITY_WARN;
        finding->text = arena_format(
            arena, "channel %d has mean %.3f in training and %.3f in validation, %.2g standard deviations apart", c,
            parts.mean[0][c], parts.mean[1][c], apart / std[c]);
        finding->action = "prepare both parts alike: same source, same processing";
        finding_number(finding, "train_mean", parts.mean[0][c]);
        finding_number(finding, "val_mean", parts.mean[1][c]);
        finding_number(finding, "train_std", std[c]);
        return true;
    }
    return differs_in_texture(&parts, arena, finding) || worse_in_validation(facts, arena, finding);
}

/* ---- equal and alike ---- */

enum { SAME_LABEL = 1, OTHER_LABEL = 2, ACROSS = 4 };

static int kind_of(const struct facts *facts, struct pair pair)
{
    const bool same = facts->images[pair.a].label == facts->images[pair.b].label;
    const bool across = pair.a < facts->train_count && pair.b >= facts->train_count;
    return (same ? SAME_LABEL : OTHER_LABEL) | (across ? ACROSS : 0);
}

/* Pairs with all of the kinds in wanted and none of those in barred, both images of each listed. */
static int64_t list_pairs(const struct facts *facts, const struct pairs *pairs, int wanted, int barred,
                          struct arena *arena, struct finding *finding)
{
    int64_t count = 0;
    for (int64_t i = 0; i < pairs->count; i++) {
        const int kind = kind_of(facts, pairs->list[i]);
        if ((kind & wanted) != wanted || (kind & barred))
            continue;
        count++;
        finding_file(facts, arena, finding, pairs->list[i].a);
        finding_file(facts, arena, finding, pairs->list[i].b);
    }
    finding_number(finding, "pairs", (double)count);
    finding->pairs = true;
    return count;
}

/* Of the equal pairs of that kind, the later images: how many each part has, the shares, and the larger of these. */
static double share_of_same(const struct facts *facts, int wanted, int barred, int64_t count[static 2],
                            struct finding *finding)
{
    count[0] = count[1] = 0;
    for (int64_t i = 0; i < facts->same.count; i++) {
        const int kind = kind_of(facts, facts->same.list[i]);
        if ((kind & wanted) == wanted && !(kind & barred))
            count[facts->same.list[i].b >= facts->train_count]++;
    }
    const double train = part_share(facts, count, false), val = part_share(facts, count, true);
    finding_number(finding, "share", train);
    finding_number(finding, "val", val);
    return fmax(train, val);
}

static bool duplicates(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int64_t count = list_pairs(facts, &facts->same, SAME_LABEL, ACROSS, arena, finding);
    if (count == 0)
        return false;
    int64_t of_part[2];
    const double share = share_of_same(facts, SAME_LABEL, ACROSS, of_part, finding);
    finding->severity = share >= SAME_SHARE ? SEVERITY_WARN : SEVERITY_INFO;
    finding->text = arena_format(arena, "%s %s a copy of another of the same class", part_counts(facts, arena, of_part),
                                 count == 1 ? "is" : "are");
    finding->action = "remove the copies, unless they are there on purpose";
    return true;
}

static bool conflicts(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int64_t count = list_pairs(facts, &facts->same, OTHER_LABEL, 0, arena, finding);
    if (count == 0)
        return false;
    int64_t of_part[2];
    const double share = share_of_same(facts, OTHER_LABEL, 0, of_part, finding);
    finding->severity = share >= SAME_SHARE ? SEVERITY_FAULT : share >= WARN_SHARE ? SEVERITY_WARN : SEVERITY_INFO;
    finding->text =
        arena_format(arena, "%s %s under two labels", part_counts(facts, arena, of_part), count == 1 ? "is" : "are");
    finding->action = "decide on one label for each and remove the other copy";
    return true;
}

/* Where only a part of the training images was looked at, an image that is in both is found if its copy is in that
 * part: share has all that are expected. */
static bool leak(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int64_t count = list_pairs(facts, &facts->same, ACROSS, 0, arena, finding);
    if (count == 0)
        return false;
    const double found = (double)count / (double)(facts->count - facts->train_count);
    const double part = (double)facts->train_count / (double)facts->input->train->count;
    const double share = fmin(found / part, 1.0), error = found / part / sqrt((double)count);
    finding->severity = share >= SAME_SHARE ? SEVERITY_FAULT : share >= WARN_SHARE ? SEVERITY_WARN : SEVERITY_INFO;
    finding->text =
        part < 1.0
            ? arena_format(arena,
                           "%lld of %lld validation images are among the %lld training images looked at (%.3g %%); "
                           "among all %lld there would be about %.0f %% +- %.0f",
                           (long long)count, (long long)(facts->count - facts->train_count),
                           (long long)facts->train_count, 100.0 * found, (long long)facts->input->train->count,
                           100.0 * share, 100.0 * error)
            : arena_format(arena, "%lld validation image%s also in the training set (%.3g %%)", (long long)count,
                           count == 1 ? " is" : "s are", 100.0 * found);
    finding->action = "remove them from one of the two; the validation accuracy is too good as it is";
    finding_number(finding, "share", share);
    return true;
}

static bool near_duplicates(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const int barred = judge_near_leak(facts, arena, &(struct finding){0}) ? ACROSS : 0;
    const int64_t count = list_pairs(facts, &facts->near, 0, barred, arena, finding);
    const double share = (double)count / (double)facts->count;
    if (count == 0)
        return false;
    int64_t across = 0;
    for (int64_t i = 0; i < facts->near.count && !barred; i++)
        across += (kind_of(facts, facts->near.list[i]) & ACROSS) != 0;
    finding->severity = share >= SAME_SHARE ? SEVERITY_WARN : SEVERITY_INFO;
    finding->text =
        barred ? arena_format(arena, "%lld pairs of images of one part are nearly equal (correlation above 0.99)",
                              (long long)count)
               : arena_format(arena,
                              "%lld pairs of images are nearly equal (correlation above 0.99), %lld of them in "
                              "training and validation",
                              (long long)count, (long long)across);
    finding->action = "look at the files named; frames of one scene belong in one part";
    finding_number(finding, "across", (double)across);
    finding_number(finding, "share", share);
    return true;
}

/* ---- order ---- */

enum { ORDER_PLACES = 20, ORDER_LEAST_PLACES = 5, ORDER_LEAST_IMAGES = 16 };

/* Whether so many images of a class are enough to say something: five are expected in all places (Cochran 1954). */
static bool order_counts(double share, double images)
{
    return share * images >= 5.0;
}

/* Six standard deviations above 1, of the mean over places of chi-square by its degrees of freedom, of n images that
 * are drawn at random (variance: Haldane 1937). Rare classes widen it, and make its upper tail long. */
static double order_by_chance(double classes, double inverse_shares, double n, double places)
{
    const double variance = 2.0 * (classes - 1.0) + (inverse_shares - classes * classes - 2.0 * classes + 2.0) / n;
    return 1.0 + 6.0 * sqrt(fmax(0.0, variance) / places) / (classes - 1.0);
}

/* Chi-square of the labels of a batch against those of the set, by its degrees of freedom, mean over 20 places spread
 * over an epoch, above 2: pilot; random order 0.9 to 1.0, a shuffle buffer of 500 images 40, sorted 63. Of n images of
 * one class it is n, whatever the classes' shares, on average over a sorted list: so a place is as many batches as have
 * 16 images. What is drawn at random is in no order. */
static bool order(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const struct subset *train = facts->input->train;
    const int batch = facts->input->batch > 0 ? facts->input->batch : 1;
    const int64_t n = (int64_t)batch * ((ORDER_LEAST_IMAGES + batch - 1) / batch), most = train->count / n,
                  places = most < ORDER_PLACES ? most : ORDER_PLACES;
    double sum = 0.0, classes = 0.0, inverse_shares = 0.0;
    const bool asked = !facts->input->shuffle && places >= ORDER_LEAST_PLACES;
    for (int k = 0; asked && k < class_count(facts); k++) {
        const double share = (double)facts->class_counts[0][k] / (double)train->count, expected = share * (double)n;
        if (!order_counts(share, (double)(n * places)))
            continue;
        classes += 1.0;
        inverse_shares += 1.0 / share;
        for (int64_t place = 0; place < places; place++) {
            const int32_t *here = train->samples + (train->count - n) * place / (places - 1);
            double seen = 0.0;
            for (int64_t i = 0; i < n; i++)
                seen += train->data->labels[here[i]] == k;
            sum += (seen - expected) * (seen - expected) / expected;
        }
    }
    const double ratio = classes > 1.0 ? sum / (double)places / (classes - 1.0) : 0.0;
    const double least =
        classes > 1.0 ? fmax(2.0, order_by_chance(classes, inverse_shares, (double)n, (double)places)) : 2.0;
    if (!(ratio > least))
        return judge_along(facts, arena, finding);
    finding->severity = SEVERITY_FAULT;
    finding->text = arena_format(arena,
                                 "batches are not drawn from all classes alike: chi-square per degree of freedom %.3g "
                                 "(random order: about 1)",
                                 ratio);
    finding->action = "set data.shuffle = true";
    finding_number(finding, "ratio", ratio);
    finding_number(finding, "threshold", least);
    return true;
}

const struct rule check_rules[] = {
    {"unreadable", unreadable},
    {"class-absent", absent_train},
    {"class-unmeasured", absent_val},
    {"class-names", judge_class_names},
    {"few-validation", few_validation},
    {"imbalance", imbalance},
    {"orientation", judge_turned},
    {"normalisation", normalisation},
    {"illumination", judge_illumination},
    {"brightness", judge_brightness},
    {"background", judge_background},
    {"shading", judge_shading},
    {"constant", judge_constant},
    {"torn", judge_torn},
    {"outliers", judge_outliers},
    {"duplicates", duplicates},
    {"conflicting-labels", conflicts},
    {"leak", leak},
    {"near-leak", judge_near_leak},
    {"near-duplicates", near_duplicates},
    {"mismatch", mismatch},
    {"order", order},
    {"unrelated", judge_relation},
};
const int check_rule_count = COUNT_OF(check_rules);
