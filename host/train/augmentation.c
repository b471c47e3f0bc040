/* augmentation: the augment section of a config as the numbers that a device augments by. Knows no device. */
#include "trainer.h"

#include <assert.h>
#include <math.h>

void augmentation_numbers(double to[static 4], const double *given, int count, int channels)
{
    assert(count == 1 || count == channels);
    for (int c = 0; c < channels; c++)
        to[c] = given[count == 1 ? 0 : c];
}

static void take_range(float to[static 2], const double *from)
{
    to[0] = (float)from[0];
    to[1] = (float)from[1];
}

static void take_random(struct augment *augment, const struct config *config)
{
    augment->flip_share = (float)config->augment.hflip;
    augment->vflip_share = (float)config->augment.vflip;
    augment->rotate_degrees = (float)config->augment.rotate;
    augment->translate = (float)config->augment.translate;
    if (config->augment.scale_count > 0)
        take_range(augment->scale, config->augment.scale);
    augment->shear_degrees = (float)config->augment.shear;
    augment->pad = config->augment.crop_padding;
    augment->padding = config->augment.padding_mode;
    if (config->augment.crop_area_count > 0) {
        take_range(augment->crop_area, config->augment.crop_area);
        take_range(augment->crop_ratio, config->augment.crop_ratio);
    }
    augment->brightness = (float)config->augment.brightness;
    augment->contrast = (float)config->augment.contrast;
    augment->saturation = (float)config->augment.saturation;
    augment->hue = (float)config->augment.hue;
    augment->grayscale_share = (float)config->augment.grayscale;
    augment->erase_share = (float)config->augment.erase;
    take_range(augment->erase_area, config->augment.erase_area);
    take_range(augment->erase_ratio, config->augment.erase_ratio);
    augment->mixup = (float)config->augment.mixup;
    augment->cutmix = (float)config->augment.cutmix;
}

void augmentation_make(struct augment *augment, const struct config *config, const struct model_card *card, bool random)
{
    const int crop = config->augment.crop;
    double fill[4] = {0};
    *augment = (struct augment){
        .random = random,
        .out_h = crop ? crop : card->image.h,
        .out_w = crop ? crop : card->image.w,
        .interpolation = config->augment.interpolation,
        .by_image = card->by_image,
    };
    augmentation_numbers(fill, config->augment.fill, config->augment.fill_count, card->image.c);
    for (int c = 0; c < 4; c++) {
        augment->fill[c] = (uint8_t)lrint(fill[c] * 255.0);
        augment->mean[c] = (float)card->mean[c];
        augment->std[c] = (float)card->std[c];
    }
    if (random)
        take_random(augment, config);
}
