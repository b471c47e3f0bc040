/* test_suspects: label errors planted into what a network would have seen of its images are found, and nothing is said
 * where nothing can be known; images that do not belong are listed from their pixels. */
#include "check.h"
#include "doubts.h"
#include "random.h"
#include "suspects.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { IMAGES = 6000, CLASSES = 10, LOOKS = 8 };

static const char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

/* A standard normal number, by twelve uniform ones. */
static double normal(int image, int draw)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++)
        sum += random_words(5, RANDOM_TILE, (uint32_t)draw, (uint64_t)image, (uint32_t)i).word[0] / 4294967296.0;
    return sum;
}

static double unit(int image, int draw)
{
    return random_words(6, RANDOM_TILE, (uint32_t)draw, (uint64_t)image, 0).word[0] / 4294967296.0;
}

static struct world {
    int32_t labels[IMAGES];
    bool wrong[IMAGES];
    struct sample_stats table[IMAGES];
    struct dataset data;
    struct suspects suspects;
} world;

/* What a network of this skill would have seen. It is in doubt about hard images, between their class and the next,
 * and sure of the others; a wrong label is any other class to it. */
static void world_make(double noise, double hard)
{
    memset(&world, 0, sizeof world);
    world.data =
        (struct dataset){.count = IMAGES, .class_count = CLASSES, .class_names = names, .labels = world.labels};
    for (int i = 0; i < IMAGES; i++) {
        const int truth = i % CLASSES, next = (truth + 1) % CLASSES;
        const bool doubtful = unit(i, 0) < hard;
        const double lead = doubtful ? 0.8 * normal(i, 1) : 4.0 + normal(i, 1); /* of the true class over the next */
        const int seen = lead > 0.0 ? truth : next;
        world.wrong[i] = unit(i, 2) < noise;
        world.labels[i] = world.wrong[i] ? (truth + 1 + (int)(9 * unit(i, 3))) % CLASSES : truth;
        const double margin = world.labels[i] == truth  ? lead
                              : world.labels[i] == next ? -lead
                                                        : -fabs(lead) - (doubtful ? 3.0 : 0.0);
        const bool right = world.labels[i] == seen;
        world.table[i] = (struct sample_stats){.margin = (float)(LOOKS * margin),
                                               .loss = (float)(LOOKS * log1p(exp(-margin))),
                                               .probability = (float)(LOOKS / (1.0 + exp(-margin))),
                                               .seen = LOOKS,
                                               .correct = right ? LOOKS : 0,
                                               .prediction = (uint16_t)seen,
                                               .majority = (uint16_t)seen,
                                               .votes = LOOKS};
    }
}

static void judge(double val_accuracy)
{
    suspects_labels(&world.suspects, &world.data, world.table, &(struct val_looks){val_accuracy, NAN, IMAGES, false});
}

/* Shares of those listed that are wrong, and of the wrong that are listed. */
static void measure(double *precision, double *recall)
{
    int hits = 0, wrong = 0;
    for (int i = 0; i < IMAGES; i++)
        wrong += world.wrong[i];
    for (int64_t i = 0; i < world.suspects.count; i++) {
        const struct suspect *suspect = &world.suspects.list[i];
        assert_int_equal(suspect->kind, SUSPECT_LABEL);
        assert_int_not_equal(suspect->suggested, world.labels[suspect->sample]);
        assert_true(suspect->score > 0.0 && suspect->score <= 1.0);
        hits += world.wrong[suspect->sample];
    }
    *precision = hits / fmax(1.0, (double)world.suspects.count);
    *recall = hits / fmax(1.0, wrong);
}

static void test_label_errors(void **state)
{
    (void)state;
    static const double shares[] = {0.03, 0.1, 0.2, 0.4};
    for (int i = 0; i < COUNT_OF(shares); i++) {
        double precision, recall;
        world_make(shares[i], 0.15);
        judge(0.8);
        if (world.suspects.verdict != LABELS_JUDGED)
            fail_msg("%g: %s", shares[i], world.suspects.labels_text);
        measure(&precision, &recall);
        if (precision < 0.9 || recall < 0.85)
            fail_msg("%g: precision %g, recall %g", shares[i], precision, recall);
        if (!(fabs(world.suspects.wrong_share - shares[i]) < 0.15 * shares[i] + 0.01))
            fail_msg("%g: estimated as %g", shares[i], world.suspects.wrong_share);
        /* 0.15 of the images are hard: a wrong one among them may be contradicted in doubt, and most are right. */
        const double most = world.suspects.wrong_most;
        if (!(most > world.suspects.wrong_share + 0.02 && most > shares[i] - 0.01 && most < shares[i] + 0.15))
            fail_msg("%g: %g at most", shares[i], most);
        suspects_free(&world.suspects);
    }
}

/* Hard images alone are of one kind, however many. */
static void test_clean(void **state)
{
    (void)state;
    for (double hard = 0.1; hard < 0.6; hard += 0.2) {
        world_make(0.0, hard);
        judge(0.95);
        if (world.suspects.verdict != LABELS_ALIKE || world.suspects.count > 0)
            fail_msg("%g hard: %lld listed; %s", hard, (long long)world.suspects.count, world.suspects.labels_text);
        assert_true(isnan(world.suspects.wrong_share) && isnan(world.suspects.wrong_most));
        suspects_free(&world.suspects);
    }
}

static void expect(enum label_verdict verdict, double val_accuracy)
{
    judge(val_accuracy);
    if (world.suspects.verdict != verdict)
        fail_msg("not %d: %s", verdict, world.suspects.labels_text);
    assert_int_equal(world.suspects.count, 0);
    suspects_free(&world.suspects);
}

static void test_abstains(void **state)
{
    (void)state;
    world_make(0.2, 0.2);
    for (int i = 0; i < IMAGES; i++)
        world.table[i].seen = SUSPECT_LOOKS - 1;
    expect(LABELS_TOO_EARLY, 0.9);
    world_make(0.0, 0.001);
    expect(LABELS_TOO_FEW, 0.99);
    world_make(0.0, 1.0); /* right in half of the cases */
    judge(0.5);           /* what would help is said */
    assert_non_null(strstr(world.suspects.labels_text, "(70 % are needed)"));
    assert_non_null(strstr(world.suspects.labels_text, "train for more epochs or at a better rate"));
    suspects_free(&world.suspects);
    expect(LABELS_TOO_WEAK, 0.5);
    world_make(0.0, 1.0);
    for (int i = 0; i < IMAGES; i++) /* one answer for all: no other class is known, no margins are fitted */
        world.table[i].majority = world.table[i].prediction = 0;
    judge(0.1);
    assert_int_equal(world.suspects.verdict, LABELS_TOO_WEAK);
    assert_null(strstr(world.suspects.labels_text, "deviations apart"));
    suspects_free(&world.suspects);
    world_make(0.0, 0.001);
    expect(LABELS_BY_HEART, 0.7);
}

/* Four labels of a class, too few to be of a kind: not listed, and first among those that are contradicted. */
static void test_doubted(void **state)
{
    (void)state;
    world_make(0.0, 0.2);
    for (int i = 0; i < 4 * CLASSES; i += CLASSES) {
        world.wrong[i] = true;
        world.table[i].probability = 0.001F * LOOKS;
        world.table[i].majority = world.table[i].prediction = 5;
    }
    judge(0.95);
    assert_int_equal(world.suspects.verdict, LABELS_ALIKE);
    assert_int_equal(world.suspects.count, 0);
    assert_true(world.suspects.doubted_count > 100);
    for (int64_t i = 0; i < world.suspects.doubted_count; i++) {
        const struct suspect *suspect = &world.suspects.doubted[i];
        const struct sample_stats *sample = &world.table[suspect->sample];
        assert_int_equal(world.wrong[suspect->sample], i < 4);
        assert_int_equal(suspect->suggested, sample->majority);
        assert_true(fabs(suspect->score - (1.0 - (double)sample->probability / LOOKS)) < 1e-6);
        assert_true(i == 0 || suspect->score <= suspect[-1].score);
    }
    suspects_free(&world.suspects);
    for (int i = 0; i < IMAGES; i++)
        world.table[i].seen = SUSPECT_LOOKS - 1;
    judge(0.95);
    assert_int_equal(world.suspects.doubted_count, 0);
    suspects_free(&world.suspects);
    world_make(0.2, 0.15); /* what can be told is listed, and nothing else */
    judge(0.8);
    assert_true(world.suspects.count > 0 && world.suspects.doubted_count == 0);
    suspects_free(&world.suspects);
}

/* Labels wrong by a tail of one kind with the hard images: the margins tell nothing, validation does. */
static void one_kind(double noise)
{
    world_make(noise, 0.15);
    for (int i = 0; i < IMAGES; i++) {
        struct sample_stats *sample = &world.table[i];
        if (sample->majority != world.labels[i])
            sample->margin = (float)(LOOKS * (-3.0 + normal(i, 7)));
    }
}

static void test_validation_tells(void **state)
{
    (void)state;
    const struct val_looks clean = {0.95, 0.9, 1000.0, false}, as_wrong = {0.75, 0.7, 1000.0, false},
                           unlike = {0.95, 0.9, 1000.0, true}, few = {0.95, 0.9, 10.0, false},
                           weak = {0.69, 0.9, 1000.0, false};
    double precision, recall;
    one_kind(0.2);
    suspects_labels(&world.suspects, &world.data, world.table, &clean);
    if (world.suspects.verdict != LABELS_JUDGED)
        fail_msg("%s", world.suspects.labels_text);
    assert_non_null(strstr(world.suspects.labels_text, "which were not taught"));
    measure(&precision, &recall);
    if (precision < 0.9 || recall < 0.6)
        fail_msg("precision %g, recall %g", precision, recall);
    assert_true(world.suspects.wrong_share > 0.1 && world.suspects.wrong_share < 0.2);
    suspects_free(&world.suspects);
    const struct val_looks *const silent[] = {&as_wrong, &unlike, &few, &weak};
    for (int i = 0; i < COUNT_OF(silent); i++) {
        one_kind(0.2);
        suspects_labels(&world.suspects, &world.data, world.table, silent[i]);
        if (world.suspects.verdict != LABELS_ALIKE || world.suspects.count > 0)
            fail_msg("%d: %s", i, world.suspects.labels_text);
        suspects_free(&world.suspects);
    }
}

/* Two kinds, of a network that is right in hardly more than one answer of ten, are two kinds of confusion. */
static void test_of_a_network_that_guesses(void **state)
{
    (void)state;
    world_make(0.0, 0.1);
    for (int i = 0; i < IMAGES; i++)
        if (unit(i, 8) < 0.8) {
            struct sample_stats *sample = &world.table[i];
            sample->margin = (float)(LOOKS * ((unit(i, 9) < 0.5 ? -1.0 : -5.0) + 0.3 * normal(i, 7)));
            sample->majority = sample->prediction = (uint16_t)((world.labels[i] + 1) % CLASSES);
        }
    expect(LABELS_TOO_WEAK, 0.2);
}

/* A rare class that is never answered. */
static void test_class_that_is_not_known(void **state)
{
    (void)state;
    world_make(0.2, 0.15);
    for (int i = 0; i < IMAGES; i++) {
        struct sample_stats *sample = &world.table[i];
        if (sample->majority == 4)
            sample->majority = sample->prediction = 5;
        if (world.labels[i] == 4) {
            sample->margin = -8.0F * LOOKS;
            sample->probability = 0.001F * LOOKS;
        }
    }
    judge(0.8);
    assert_true(world.suspects.count > 100);
    for (int64_t i = 0; i < world.suspects.count; i++)
        assert_int_not_equal(world.labels[world.suspects.list[i].sample], 4);
    suspects_free(&world.suspects);
}

/* One class of ten is never answered, and labels of the others are wrong. Validation's misses are of all classes: next
 * to them all that is contradicted counts, and the texts and figures say so; the list is of the other classes. */
static void test_unknown_class_and_wrong_labels(void **state)
{
    (void)state;
    char said[128];
    int64_t known = 0, all = 0;
    one_kind(0.1);
    for (int i = 0; i < IMAGES; i++) {
        struct sample_stats *sample = &world.table[i];
        if (sample->majority == 4)
            sample->majority = sample->prediction = 5;
        all += sample->majority != world.labels[i];
        known += sample->majority != world.labels[i] && world.labels[i] != 4;
    }
    const double share = (double)all / IMAGES, missed = share - 0.08;
    assert_true((double)known / IMAGES < missed); /* these alone would hide the wrong labels */
    suspects_labels(&world.suspects, &world.data, world.table,
                    &(struct val_looks){1.0 - missed, 1.0 - missed, IMAGES, false});
    if (world.suspects.verdict != LABELS_JUDGED)
        fail_msg("%s", world.suspects.labels_text);
    assert_true(fabs(world.suspects.wrong_most - share) < 1e-9);
    assert_true(fabs(world.suspects.wrong_share - 0.08) < 1e-9);
    snprintf(said, sizeof said, "%.1f %% of the images are taken for another class", 100.0 * share);
    assert_non_null(strstr(world.suspects.labels_text, said));
    assert_true(world.suspects.count > 100);
    for (int64_t i = 0; i < world.suspects.count; i++)
        assert_int_not_equal(world.labels[world.suspects.list[i].sample], 4);
    suspects_free(&world.suspects);
    /* Two kinds, of which validation explains no more than those of all classes. */
    struct doubts doubts = {.count = 100, .contradicted = 200, .judged = 1000, .seen = 1000, .agrees = 0.8};
    doubts.mixture = (struct mixture){.separation = 2.2, .separation_error = 0.1};
    assert_int_equal(doubts_judge(&doubts, &(struct val_looks){0.86, NAN, 600, false}), LABELS_JUDGED);
}

/* Text and figures tell the same share, where validation tells of more than the margins do. */
static void test_text_as_figures(void **state)
{
    (void)state;
    char said[128];
    world_make(0.1, 0.3);
    suspects_labels(&world.suspects, &world.data, world.table, &(struct val_looks){0.98, 0.98, IMAGES, false});
    const struct suspects *suspects = &world.suspects;
    assert_non_null(strstr(suspects->labels_text, "of two kinds"));
    assert_true(suspects->wrong_share > 0.15); /* the tenth's margins alone tell of less */
    snprintf(said, sizeof said, "%.0f to %.0f %% of the labels are wrong", floor(100.0 * suspects->wrong_share),
             ceil(100.0 * suspects->wrong_most));
    if (strstr(suspects->labels_text, said) != suspects->labels_text)
        fail_msg("not %s: %s", said, suspects->labels_text);
    suspects_free(&world.suspects);
}

/* ---- images ---- */

enum { SIDE = 16, PIXELS = SIDE * SIDE, TRAIN = 120, VAL = 20 };

static struct pictures {
    uint8_t pixels[TRAIN + VAL][PIXELS];
    int32_t labels[TRAIN + VAL], samples[TRAIN + VAL];
    struct dataset data[2];
    struct subset subset[2];
    struct check_input input;
} pictures;

/* Patches of 4 x 4 pixels, each of its own grey, with a little noise. */
static void pictures_make(void)
{
    memset(&pictures, 0, sizeof pictures);
    for (int i = 0; i < TRAIN + VAL; i++) {
        pictures.labels[i] = i % 2;
        pictures.samples[i] = i;
        for (int k = 0; k < PIXELS; k++)
            pictures.pixels[i][k] =
                (uint8_t)(60.0 + 100.0 * unit(i, 10 + k % SIDE / 4 + k / SIDE / 4 * 4) + 4.0 * unit(i, 100 + k));
    }
    for (int part = 0; part < 2; part++) {
        const int first = part ? TRAIN : 0, count = part ? VAL : TRAIN;
        pictures.data[part] = (struct dataset){.image = {1, SIDE, SIDE, 1},
                                               .count = count,
                                               .class_count = 2,
                                               .class_names = names,
                                               .pixels = pictures.pixels[first],
                                               .labels = pictures.labels + first};
        pictures.subset[part] = (struct subset){&pictures.data[part], pictures.samples, count};
    }
    pictures.input = (struct check_input){.train = &pictures.subset[0], .val = &pictures.subset[1], .batch = 8};
}

static const struct odd_image *only_odd(struct odd_images *odd, enum oddity what, int32_t sample)
{
    assert_int_equal(check_odd_images(odd, &pictures.input), OK);
    const struct odd_image *found = NULL;
    for (int64_t i = 0; i < odd->count; i++) {
        if (odd->list[i].sample != sample)
            fail_msg("sample %d is odd (%d)", (int)odd->list[i].sample, odd->list[i].what);
        if (odd->list[i].what == what)
            found = &odd->list[i];
    }
    if (!found)
        fail_msg("sample %d: not found as %d", (int)sample, what);
    return found;
}

static void test_odd_images(void **state)
{
    (void)state;
    struct odd_images odd;
    pictures_make();
    assert_int_equal(check_odd_images(&odd, &pictures.input), OK);
    assert_int_equal(odd.count, 0);
    odd_images_free(&odd);

    memcpy(pictures.pixels[9], pictures.pixels[4], PIXELS);
    const struct odd_image *found = only_odd(&odd, ODD_COPY, 9);
    assert_true(found->other == 4 && !found->other_in_val);
    odd_images_free(&odd);

    pictures_make();
    memcpy(pictures.pixels[TRAIN + 3], pictures.pixels[4], PIXELS);
    found = only_odd(&odd, ODD_COPY, 4);
    assert_true(found->other == 3 && found->other_in_val);
    odd_images_free(&odd);

    pictures_make();
    for (int k = 0; k < PIXELS; k++)
        pictures.pixels[7][k] /= 8;
    found = only_odd(&odd, ODD_LIGHT, 7);
    assert_true(found->distance > 6.0 && found->value < 0.2 * found->usual);
    odd_images_free(&odd);

    pictures_make();
    for (int k = 0; k < PIXELS; k++)
        pictures.pixels[8][k] = (uint8_t)(50.0 + 120.0 * unit(8, 500 + k));
    only_odd(&odd, ODD_TEXTURE, 8);
    odd_images_free(&odd);

    pictures_make(); /* filed under a class of small patches, but as smooth as the other class is: odd is its label
                        alone */
    for (int i = 0; i < TRAIN; i++)
        for (int k = 0; k < PIXELS; k++) {
            const bool smooth = i % 2 == 1 || i == 6;
            const double grey = smooth ? 7.0 * (k % SIDE) + 10.0 * unit(i, 900)
                                       : 100.0 * unit(i, 1000 + k % SIDE / 2 + k / SIDE / 2 * 8);
            pictures.pixels[i][k] = (uint8_t)(60.0 + grey + 4.0 * unit(i, 100 + k));
        }
    assert_int_equal(check_odd_images(&odd, &pictures.input), OK);
    for (int64_t i = 0; i < odd.count; i++)
        if (odd.list[i].what == ODD_TEXTURE)
            fail_msg("sample %d is odd", (int)odd.list[i].sample);
    odd_images_free(&odd);

    pictures_make();
    memset(pictures.pixels[5], 90, PIXELS);
    only_odd(&odd, ODD_FLAT, 5);
    odd_images_free(&odd);
}

/* ---- a run ---- */

/* The list of a whole run: every row is of an image that exists. */
static void test_run(void **state)
{
    (void)state;
    struct train_result result;
    struct config config = {0};
    struct session session = {0};
    struct suspects suspects = {0};
    char path[PATH_BYTES];
    tiny_train_ok(NULL, "train.epochs=4 train.threads=1", &result);
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(session_open_data(&session, &config, stderr), OK);
    if (suspects_find(&suspects, &session, result.path) < 0)
        fail_msg("%s", fail_text());
    assert_non_null(suspects.labels_text);
    assert_int_equal(path_join(path, result.path, "suspects.csv"), OK);
    assert_int_equal(suspects_write(&suspects, (struct suspect_images){&session.train_source.data, NULL}, path), OK);
    char *text = tiny_read_text(result.path, "suspects.csv");
    int64_t lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, suspects.count + 1);
    assert_ptr_equal(strstr(text, "file,sample,label,class,"), text);
    memory_give(text);
    suspects_free(&suspects);
    /* Both kinds together, and the one where the other cannot be. */
    const bool both[SUSPECT_KINDS] = {[SUSPECT_LABEL] = true, [SUSPECT_OUTLIER] = true};
    assert_int_equal(suspects_find_wanted(&suspects, &session, result.path, both), 2);
    assert_non_null(suspects.labels_text);
    suspects_free(&suspects);
    assert_int_equal(suspects_find_wanted(&suspects, &session, "no-such-run", both), 1);
    assert_null(suspects.labels_text);
    suspects_free(&suspects);
    session_close(&session);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_errors),
        cmocka_unit_test(test_clean),

        cmocka_unit_test(test_abstains),
        cmocka_unit_test(test_doubted),
        cmocka_unit_test(test_validation_tells),
        cmocka_unit_test(test_of_a_network_that_guesses),
        cmocka_unit_test(test_class_that_is_not_known),
        cmocka_unit_test(test_unknown_class_and_wrong_labels),
        cmocka_unit_test(test_text_as_figures),
        cmocka_unit_test(test_odd_images),
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}
