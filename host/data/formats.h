/* formats: what the readers of the single formats promise to dataset.c. Private to host/data. */
#ifndef FORMATS_H
#define FORMATS_H
#include "data.h"

enum { IMAGE_BYTES_MAX = 1 << 30 }; /* of an image file */

/* The names in a folder, sorted by byte value (as Python sorts str), "." and ".." left out. */
struct listing {
    const char **names;
    int count;
};
int listing_read(struct listing *listing, struct arena *arena, const char *folder);
bool name_ends_with(const char *name, const char *ending); /* ASCII letter case ignored */

/* Readers fill everything in *dataset but source; what they took is freed by dataset_close, after failure too. */
int folder_load(struct dataset *dataset, const char *path, const struct dataset_options *options);

/* Whether some file of the folder is of the format, by content or by a name that says so. */
int idx_recognise(const char *path, const struct listing *listing, bool *found);
int idx_load(struct dataset *dataset, const char *path, const struct listing *listing, bool train_part);
int cifar_recognise(const char *path, const struct listing *listing, bool *found);
int cifar_load(struct dataset *dataset, const char *path, const struct listing *listing, bool train_part);

/* Takes dataset->pixels and labels for count images of dataset->image. */
int dataset_take(struct dataset *dataset, int64_t count);
/* Class names "0", "1", …; sets class_count. */
void dataset_number_classes(struct dataset *dataset, int count);

/* torchvision's Resize(size), then CenterCrop. Both write [out_h][out_w][channels] to out. */
int image_fit(const uint8_t *pixels, int height, int width, int channels, int size, int out_h, int out_w, uint8_t *out);
#endif
