/* pictures: pixels of single images of a run, as small PNGs within the page. Knows where images may be found: at the
 * path that the data set says, below the folder that the run was started in, or by opening the data set. */
#include "pictures.h"
#include "json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- finding ---- */

void pictures_begin(struct pictures *pictures, const struct run_facts *facts)
{
    *pictures = (struct pictures){.facts = facts, .folder = ""};
    char path[PATH_BYTES];
    if (path_join(path, facts->path, "env.json") < 0)
        return;
    json_t *env = json_read(path);
    const char *folder = json_string_value(json_object_get(env, "folder"));
    if (folder)
        pictures->folder = arena_text(&pictures->arena, folder);
    json_decref(env);
}

void pictures_end(struct pictures *pictures)
{
    if (pictures->opened)
        session_close(&pictures->session);
    arena_free(&pictures->arena);
}

static const char *data_path(const struct pictures *pictures, bool train)
{
    const struct config *config = &pictures->facts->config;
    return train || !config->data.val[0] ? config->data.train : config->data.val;
}

/* The file of an image, if it is one by itself. A list's files lie below the list's own folder. */
static bool find_file(const struct pictures *pictures, bool train, const char *name, char path[static PATH_BYTES])
{
    char root[PATH_BYTES], folder[PATH_BYTES];
    const char *data = data_path(pictures, train);
    if (!*name)
        return false;
    if (*name == '/')
        return path_join(path, "", name) == OK && file_exists(path);
    for (int started = 0; started < 2; started++) {
        if (path_join(root, started && *data != '/' ? pictures->folder : "", data) < 0)
            continue;
        if (path_join(path, root, name) == OK && file_exists(path))
            return true;
        const size_t length = (size_t)(path_base(root) - root);
        memcpy(folder, root, length);
        folder[length] = 0;
        if (path_join(path, folder, name) == OK && file_exists(path))
            return true;
    }
    return false;
}

/* The whole data set, the first time that an image needs it. */
static const struct dataset *open_data(struct pictures *pictures, bool train)
{
    if (!pictures->tried) {
        pictures->tried = pictures->opened = true;
        pictures->usable = session_open_data(&pictures->session, &pictures->facts->config, NULL) == OK;
    }
    if (!pictures->usable)
        return NULL;
    const struct part *part = train ? &pictures->session.train : &pictures->session.val;
    return part->source ? part->subset.data : NULL;
}

struct picture {
    uint8_t *pixels; /* memory_give */
    int height, width, channels;
};

static bool from_data(struct pictures *pictures, bool train, const struct lost_image *image, struct picture *picture)
{
    const struct dataset *data = open_data(pictures, train);
    void *pixels;
    /* Another data set may be there by now. */
    if (!data || image->sample >= data->count || data->labels[image->sample] != image->label)
        return false;
    if (memory_take(&pixels, (size_t)shape_count(data->image), "a picture") < 0)
        return false;
    *picture = (struct picture){pixels, data->image.h, data->image.w, data->image.c};
    return dataset_image(data, image->sample, picture->pixels) == OK;
}

/* ---- making small ---- */

/* So that its longer side has at most so many pixels. */
static bool shrink(struct picture *picture)
{
    enum { LONGEST = 84 };
    const int longer = picture->height > picture->width ? picture->height : picture->width;
    if (longer <= LONGEST)
        return true;
    const double factor = (double)LONGEST / longer;
    const int height = (int)fmax(1.0, round(factor * picture->height));
    const int width = (int)fmax(1.0, round(factor * picture->width));
    uint8_t *small;
    if (image_resize(picture->pixels, picture->height, picture->width, picture->channels, height, width, &small) < 0)
        return false;
    memory_give(picture->pixels);
    picture->pixels = small;
    picture->height = height;
    picture->width = width;
    return true;
}

static void put_base64(FILE *page, const uint8_t *bytes, size_t count)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const unsigned three =
            (unsigned)(bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0));
        fputc(letters[three >> 18], page);
        fputc(letters[three >> 12 & 63], page);
        fputc(left > 1 ? letters[three >> 6 & 63] : '=', page);
        fputc(left > 2 ? letters[three & 63] : '=', page);
    }
}

bool pictures_put(struct pictures *pictures, FILE *page, bool train, const struct lost_image *image)
{
    char path[PATH_BYTES];
    struct picture picture = {.channels = 3};
    bool there = find_file(pictures, train, image->file, path) &&
                 image_read(path, &picture.pixels, &picture.height, &picture.width) == OK;
    there = there || from_data(pictures, train, image, &picture);
    uint8_t *bytes = NULL;
    size_t count = 0;
    there = there && shrink(&picture) &&
            png_encode(picture.pixels, picture.height, picture.width, picture.channels, &bytes, &count) == OK;
    if (there) {
        fprintf(page, "<img class=\"%s\" alt=\"\" src=\"data:image/png;base64,", picture.height < 64 ? "tiny" : "");
        put_base64(page, bytes, count);
        fputs("\"/>", page);
    }
    memory_give(bytes);
    memory_give(picture.pixels);
    return there;
}
