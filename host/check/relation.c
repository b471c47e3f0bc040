/* relation: whether simple figures of the images (colour, contrast, texture, where it is light and dark) go with the
 * labels at all, without training: halves of a part are told by the class means of the other half. Labels that were
 * dealt out blindly are then right by chance, whatever the images are.
 *
 * Judges a part by itself and against the other. Classes that look alike in these figures are at chance with right
 * labels too: that alone is no finding, only a note that explains a loss that stands at guessing. */
#include "facts.h"

#include <math.h>
#include <string.h>

enum { FIGURES_MOST = 2 * 4 + 1 + PATCHES };
/* More images do not make it surer by what matters, and take time. */
enum { LOOK_MOST = 10000 };
/* Of a figure in standard errors: by chance one data set in 4,000. */
#define SURE 3.5
/* Of what there is to tell, less than this is nothing, if it is known so well. */
#define NOTHING 0.1

/* Colour, contrast, texture, brightness from place to place. */
static int figures_of(const struct image_facts *one, struct shape image, double *figure)
{
    const double pixels = (double)image.h * image.w;
    int count = 0;
    for (int c = 0; c < image.c; c++) {
        const double mean = (double)one->sums.sum[c] / pixels;
        figure[count++] = mean;
        figure[count++] = sqrt(fmax(0.0, (double)one->sums.squares[c] / pixels - mean * mean));
    }
    figure[count++] = log(fmax((double)one->roughness, 1e-3));
    for (int i = 0; i < PATCHES; i++)
        figure[count++] = (double)one->patches[i];
    return count;
}

struct set {
    int64_t count;
    int figures, classes;
    double *figure; /* [count][figures], of mean 0 and deviation 1 */
    int32_t *label;
    bool *half;
    double *means;             /* [classes][figures], of one half */
    double *sizes;             /* [classes], images of that half */
    double *spread;            /* [figures][figures], within the classes of that half */
    double *called, *labelled; /* [classes] */
};

static bool is_picture(const struct image_facts *one)
{
    return one->kind != KIND_FLAT && one->kind != KIND_TORN; /* are findings of their own */
}

static void standardise(struct set *set)
{
    for (int k = 0; k < set->figures; k++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t i = 0; i < set->count; i++)
            sum += set->figure[i * set->figures + k];
        const double mean = sum / (double)set->count;
        for (int64_t i = 0; i < set->count; i++) {
            double *value = &set->figure[i * set->figures + k];
            *value -= mean;
            squares += *value * *value;
        }
        const double deviation = sqrt(squares / (double)set->count);
        for (int64_t i = 0; i < set->count && deviation > 0.0; i++)
            set->figure[i * set->figures + k] /= deviation;
    }
}

/* Each class's images in turn to one half and the other, so that both have all classes. */
static void take_images(const struct facts *facts, bool val, struct set *set)
{
    const struct shape image = facts->input->train->data->image;
    const int64_t from = val ? facts->train_count : 0, all = val ? facts->count - from : facts->train_count;
    const int64_t look = all < LOOK_MOST ? all : LOOK_MOST;
    memset(set->sizes, 0, (size_t)set->classes * sizeof *set->sizes);
    for (int64_t n = 0; n < look; n++) {
        const struct image_facts *one = &facts->images[from + n * all / look];
        if (!is_picture(one))
            continue;
        set->figures = figures_of(one, image, set->figure + set->count * set->figures);
        set->label[set->count] = one->label;
        set->half[set->count++] = fmod(set->sizes[one->label]++, 2.0) > 0.0;
    }
    standardise(set);
}

/* Means of the classes of a half and how images differ from them: the lower triangle of a matrix, with so much added to
 * its diagonal as there are figures for an image, so that a few images do not pretend to know it. */
static void learn(struct set *set, bool half)
{
    const int d = set->figures;
    double images = 0.0;
    memset(set->means, 0, (size_t)set->classes * (size_t)d * sizeof *set->means);
    memset(set->sizes, 0, (size_t)set->classes * sizeof *set->sizes);
    memset(set->spread, 0, (size_t)d * (size_t)d * sizeof *set->spread);
    for (int64_t i = 0; i < set->count; i++) {
        if (set->half[i] != half)
            continue;
        images++;
        set->sizes[set->label[i]]++;
        for (int k = 0; k < d; k++)
            set->means[set->label[i] * d + k] += set->figure[i * d + k];
    }
    for (int c = 0; c < set->classes; c++)
        for (int k = 0; k < d && set->sizes[c] > 0.0; k++)
            set->means[c * d + k] /= set->sizes[c];
    for (int64_t i = 0; i < set->count; i++) {
        double apart[FIGURES_MOST];
        if (set->half[i] != half)
            continue;
        for (int k = 0; k < d; k++)
            apart[k] = set->figure[i * d + k] - set->means[set->label[i] * d + k];
        for (int k = 0; k < d; k++)
            for (int j = 0; j <= k; j++)
                set->spread[k * d + j] += apart[k] * apart[j] / images;
    }
    for (int k = 0; k < d; k++)
        set->spread[k * d + k] += (double)d / images + 1e-6;
    /* Cholesky, in place: what is added to the diagonal keeps it positive. */
    for (int k = 0; k < d; k++)
        for (int j = 0; j <= k; j++) {
            double sum = set->spread[k * d + j];
            for (int i = 0; i < j; i++)
                sum -= set->spread[k * d + i] * set->spread[j * d + i];
            set->spread[k * d + j] = k == j ? sqrt(fmax(sum, 1e-9)) : sum / set->spread[j * d + j];
        }
}

/* So that lengths are in deviations within a class, whichever way: solves with the triangle, in place. */
static void whiten(const struct set *set, double *figure)
{
    const int d = set->figures;
    for (int k = 0; k < d; k++) {
        for (int j = 0; j < k; j++)
            figure[k] -= set->spread[k * d + j] * figure[j];
        figure[k] /= set->spread[k * d + k];
    }
}

/* Which class's mean is nearest. */
static int nearest(const struct set *set, const double *figure)
{
    double least = INFINITY;
    int class = 0;
    for (int c = 0; c < set->classes; c++) {
        double apart = 0.0;
        for (int k = 0; k < set->figures; k++) {
            const double off = figure[k] - set->means[c * set->figures + k];
            apart += off * off;
        }
        if (set->sizes[c] > 0.0 && apart < least) {
            least = apart;
            class = c;
        }
    }
    return class;
}

/* Adds what the other half's images are called. */
static void ask(struct set *set, bool half, double *right)
{
    for (int c = 0; c < set->classes; c++)
        whiten(set, set->means + (int64_t)c * set->figures);
    for (int64_t i = 0; i < set->count; i++) {
        double figure[FIGURES_MOST];
        if (set->half[i] == half)
            continue;
        memcpy(figure, set->figure + i * set->figures, (size_t)set->figures * sizeof *figure);
        whiten(set, figure);
        const int class = nearest(set, figure);
        set->called[class]++;
        set->labelled[set->label[i]]++;
        *right += class == set->label[i];
    }
}

/* Of the right answers, how many more than of the same answers dealt out blindly, as a share of what is left for them.
 * Each half is asked of the other, so that both ask as many images about as much: chance is taken as if the second
 * told nothing new. */
static struct relation judge_answers(const struct set *set, double right)
{
    double blind = 0.0, images = 0.0;
    for (int c = 0; c < set->classes; c++)
        images += set->labelled[c];
    for (int c = 0; c < set->classes; c++)
        blind += set->called[c] * set->labelled[c] / images;
    const double share = blind / images;
    return (struct relation){.images = (int64_t)images,
                             .right = right / images,
                             .blind = share,
                             .told = (right - blind) / (images - blind),
                             .error = sqrt(2.0 * images * share * (1.0 - share)) / (images - blind)};
}

static int relate(const struct facts *facts, bool val, struct relation *relation)
{
    const int classes = facts->input->train->data->class_count;
    const int64_t all = val ? facts->count - facts->train_count : facts->train_count;
    const size_t most = (size_t)(all < LOOK_MOST ? all : LOOK_MOST), n = (size_t)classes;
    const char *what = "what is asked of images";
    struct arena arena = {0};
    struct set set = {.classes = classes};
    double right = 0.0;
    *relation = (struct relation){.told = NAN, .error = NAN};
    if (most < 2 || classes < 2)
        return OK;
    TRY(arena_take(&arena, &set.figure, most * FIGURES_MOST * sizeof *set.figure, what));
    set.label = arena_push(&arena, most * sizeof *set.label);
    set.half = arena_push(&arena, most * sizeof *set.half);
    set.means = arena_push(&arena, n * FIGURES_MOST * sizeof *set.means);
    set.spread = arena_push(&arena, sizeof(double[FIGURES_MOST][FIGURES_MOST]));
    set.sizes = arena_push(&arena, 3 * n * sizeof *set.sizes);
    set.called = set.sizes + n;
    set.labelled = set.called + n;
    memset(set.sizes, 0, 3 * n * sizeof *set.sizes);
    take_images(facts, val, &set);
    for (int half = 0; half < 2; half++) {
        learn(&set, half);
        ask(&set, half, &right);
    }
    *relation = judge_answers(&set, right);
    arena_free(&arena);
    return OK;
}

int facts_relate(struct facts *facts)
{
    TRY(relate(facts, false, &facts->relation[0]));
    return relate(facts, true, &facts->relation[1]);
}

static bool at_chance(const struct relation *one)
{
    return one->told < SURE * one->error;
}

/* At chance, and known well enough to say that there is next to nothing. */
static bool says_nothing(const struct relation *one)
{
    return at_chance(one) && SURE * one->error < NOTHING;
}

#define IN_STEP                                                                                                        \
    "check that list and files are in step: a row too many or too few gives every image the label of its neighbour"

static void say(const struct relation *train, const struct relation *val, struct arena *arena, struct finding *finding)
{
    finding->text = arena_format(
        arena,
        "%s: told by colour, contrast, texture and where it is light, %.1f %% of %lld get theirs, blindly %.1f %%",
        finding->text, 100.0 * train->right, (long long)train->images, 100.0 * train->blind);
    if (val->images > 0)
        finding->text = arena_format(arena, "%s; of validation's %.1f %%, blindly %.1f %%", finding->text,
                                     100.0 * val->right, 100.0 * val->blind);
    finding->action = IN_STEP;
    finding_number(finding, "told", train->told);
    finding_number(finding, "error", train->error);
    if (val->images > 0)
        finding_number(finding, "val_told", val->told);
}

/* Where validation's images are told, training's could be as well, and of more of them better: if they are by chance
 * alone, and even what chance may hide is less than half of what validation shows, the labels are wrong and not the
 * figures too simple. */
bool facts_labels_say_nothing(const struct facts *facts)
{
    const struct relation *train = &facts->relation[0], *val = &facts->relation[1];
    return at_chance(train) && 2.0 * (train->told + SURE * train->error) < val->told - SURE * val->error;
}

/* Where neither part is told nobody knows. */
bool facts_labels_may_say_nothing(const struct facts *facts)
{
    const struct relation *train = &facts->relation[0], *val = &facts->relation[1];
    return says_nothing(train) && (val->images == 0 || at_chance(val));
}

bool judge_relation(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    const struct relation *train = &facts->relation[0], *val = &facts->relation[1];
    if (facts_labels_say_nothing(facts)) {
        finding->severity = SEVERITY_FAULT;
        finding->text = "the training labels say nothing about the images";
    } else if (facts_labels_may_say_nothing(facts)) {
        finding->severity = SEVERITY_INFO;
        finding->text = "no simple figure of the images goes with the labels";
    } else {
        return false;
    }
    say(train, val, arena, finding);
    return true;
}
