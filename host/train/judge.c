/* judge: whether what a config asks for can be had with these images: classes, numbers, sizes, network. All that cannot
 * is told together, with the lines it was set in, as soon as it is known what images there are, before they are read.
 * Knows no device. */
#include "graph.h"
#include "train.h"

#include <stdlib.h>

/* ---- the images beside each other ---- */

static void judge_classes(const struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    const struct dataset *train = &session->train_source.data, *val = &session->val_source.data;
    if (train->class_count == 1)
        mistakes_add_key(mistakes, config, "data.train",
                         "%s: has one class only, '%s'; there must be two or more to tell apart, a folder for each",
                         train->source, train->class_names[0]);
    if (session->val.source != &session->val_source)
        return;
    if (dataset_match(train, val) < 0)
        mistakes_add_key(mistakes, config, "data.val", "%s", fail_text());
    if (train->image.h && val->image.h && card_match_shape(train->image, train->source, val) < 0)
        mistakes_add_key(mistakes, config, "data.resize data.val", "%s", fail_text());
}

static void judge_counts(const struct session *session, struct mistakes *mistakes)
{
    const struct config *config = session->config;
    const int64_t images = session->train.subset.count;
    const int64_t step_images = (int64_t)config->train.batch_size * config->train.accumulate;
    if (session->val.source && session->val.subset.count == 0)
        mistakes_add_key(mistakes, config, "data.val_fraction data.val",
                         "no image of %s is left for validation; name a folder in data.val or raise data.val_fraction",
                         config->data.train);
    if (images < step_images)
        mistakes_add_key(mistakes, config, "train.batch_size train.accumulate",
                         "a step takes %lld images (train.batch_size %d x train.accumulate %d), but the training set "
                         "has only %lld; lower train.batch_size",
                         (long long)step_images, config->train.batch_size, config->train.accumulate, (long long)images);
    if ((config->augment.mixup > 0.0 || config->augment.cutmix > 0.0) && images < 2)
        mistakes_add_key(mistakes, config, "augment.mixup augment.cutmix augment.policy",
                         "mixing needs two training images, there is one; set augment.mixup and augment.cutmix to 0");
}

/* ---- sizes and network ---- */

static void judge_numbers(const struct config *config, const char *key, int count, int channels,
                          struct mistakes *mistakes)
{
    if (count != 1 && count != channels)
        mistakes_add_key(mistakes, config, key,
                         "%d numbers, but the images have %d channel%s; give one, or one a channel", count, channels,
                         channels == 1 ? "" : "s");
}

static void judge_crop(const struct config *config, struct shape image, struct mistakes *mistakes)
{
    const int crop = config->augment.crop, pad = config->augment.crop_padding;
    if (crop > image.h + 2 * pad || crop > image.w + 2 * pad)
        mistakes_add_key(mistakes, config, "augment.crop data.resize augment.crop_padding",
                         "a crop of %d is larger than the images (%d x %d pixels, %d of padding each side)", crop,
                         image.w, image.h, pad);
}

void judge_network(const struct config *config, struct shape image, int class_count, struct mistakes *mistakes)
{
    const int crop = config->augment.crop;
    if (config->augment.normalize == NORMALIZE_GIVEN) {
        judge_numbers(config, "augment.mean", config->augment.mean_count, image.c, mistakes);
        judge_numbers(config, "augment.std", config->augment.std_count, image.c, mistakes);
    }
    judge_numbers(config, "augment.fill", config->augment.fill_count, image.c, mistakes);
    judge_crop(config, image, mistakes);
    const struct shape input = {1, crop ? crop : image.h, crop ? crop : image.w, image.c};
    const int before = mistakes->count;
    model_judge(config, input, class_count, mistakes);
    if (mistakes->count == before)
        start_judge(config, input, class_count, mistakes);
}

enum { LOOKS = 64 };

/* Images of another size than the first show when all are read. Where the run does not start anyway, some are looked
 * at, all over the set, so that this is not told only after the rest has been mended. */
static void judge_sizes(const struct session *session, const struct source *source, struct mistakes *mistakes)
{
    const struct dataset *data = &source->data;
    uint8_t *pixels = data->encoded.root && data->image.h && data->count > 0 && !session->config->data.resize
                          ? malloc((size_t)shape_count(data->image))
                          : NULL;
    int status = OK;
    for (int64_t i = 0; pixels && i < LOOKS && status != ERR_CONFIG; i++)
        status = dataset_image(data, i * (data->count - 1) / (LOOKS - 1), pixels);
    free(pixels);
    if (status == ERR_CONFIG)
        mistakes_add_failure(mistakes, session->config, "data.resize", ERR_CONFIG);
}

void judge_config(const struct session *session, struct mistakes *mistakes)
{
    const struct dataset *train = &session->train_source.data;
    judge_classes(session, mistakes);
    judge_counts(session, mistakes);
    /* Where no image could be decoded, that is told instead. */
    if (train->image.h)
        judge_network(session->config, train->image, train->class_count, mistakes);
    if (mistakes->count > 0)
        judge_sizes(session, &session->train_source, mistakes);
}
