/* bench_decode: images per second and core: PNG and JPEG as they are read here, beside what their libraries do at most
 * and what Pillow does on the same files; all cores at once; how long a training waits for a packed data set.
 * Usage: bench_decode [FOLDER]   class folders of PNG files; without: drawn tiles. A packed copy beside the folder is
 * timed too. Pillow is left out where /usr/bin/python3 has none. Each figure is the best of several short rounds in
 * turn. */
#include "data.h"
#include "file.h"
#include "parallel.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef WITH_JPEG
#include <jpeglib.h>
#endif

enum {
    FILES = 512,
    ROUNDS = 7,
    SIDE = 64,
    LARGE = 256,
    LARGE_FILES = 64,
    QUALITY = 90,
    PACKED = 100000,
    PACKED_SIDE = 32
};

struct file {
    void *bytes;
    size_t count;
};
struct set {
    const char *kind;
    struct file *files;
    int count;
    int64_t bytes, pixels;
};

static char folder[PATH_BYTES];

static void must(int status)
{
    if (status < 0) {
        fprintf(stderr, "bench_decode: %s\n", fail_text());
        exit(1);
    }
}

static void *take(size_t bytes)
{
    void *memory;
    must(memory_take(&memory, bytes, "bench"));
    return memory;
}

/* ---- the files ---- */

#ifdef WITH_JPEG
static void to_jpeg(const uint8_t *pixels, int height, int width, struct file *file)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long count = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &count);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)pixels + (size_t)jpeg.next_scanline * (size_t)width * 3;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    *file = (struct file){bytes, count};
}
#endif

static void add_file(struct set *set, struct file file, int height, int width)
{
    set->files[set->count++] = file;
    set->bytes += (int64_t)file.count;
    set->pixels += (int64_t)height * width;
}

/* PNG files of a folder, or tiles, and the same pictures as JPEG. */
static void make_sets(struct set *png, struct set *jpeg, const struct dataset *data, int side, int count)
{
    png->files = take((size_t)count * sizeof *png->files);
    jpeg->files = take((size_t)count * sizeof *jpeg->files);
    for (int i = 0; i < count; i++) {
        const int height = data ? data->image.h : side, width = data ? data->image.w : side;
        uint8_t *pixels = take((size_t)height * (size_t)width * 3), *bytes;
        struct file file;
        if (data)
            must(dataset_image(data, (int64_t)i * (data->count / count), pixels));
        else
            tiles_draw(pixels, side, i % TILES_CLASSES, TILES_TRAIN, 1, (uint32_t)i);
        must(png_encode(pixels, height, width, 3, &bytes, &file.count));
        file.bytes = bytes;
        add_file(png, file, height, width);
#ifdef WITH_JPEG
        to_jpeg(pixels, height, width, &file);
        add_file(jpeg, file, height, width);
#endif
        memory_give(pixels);
    }
}

/* ---- ways to decode ---- */

static void decode_here(const struct file *file, uint8_t *room)
{
    uint8_t *pixels;
    int height, width;
    (void)room;
    must(image_decode("a file", file->bytes, file->count, &pixels, &height, &width));
    memory_give(pixels);
}

/* libpng's simplified interface, the whole picture at once into memory that is there. */
static void decode_libpng(const struct file *file, uint8_t *room)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, file->bytes, file->count))
        exit(1);
    image.format = PNG_FORMAT_RGB;
    if (!png_image_finish_read(&image, NULL, room, 0, NULL))
        exit(1);
}

#ifdef WITH_JPEG
/* libjpeg into memory that is there, nothing checked. */
static void decode_libjpeg(const struct file *file, uint8_t *room)
{
    /* Not at a multiple of 32, as malloc's. */
    room += 16;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->bytes, file->count);
    jpeg_read_header(&jpeg, TRUE);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW rows[16];
        const JDIMENSION left = jpeg.output_height - jpeg.output_scanline, some = left < 16 ? left : 16;
        for (JDIMENSION i = 0; i < some; i++)
            rows[i] = room + (size_t)(jpeg.output_scanline + i) * jpeg.output_width * 3;
        jpeg_read_scanlines(&jpeg, rows, some);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}
/* Rows at multiples of 32 libjpeg-turbo stores past the cache, where whoever reads them next must fetch them from
 * memory. */
static void decode_libjpeg_aligned(const struct file *file, uint8_t *room)
{
    decode_libjpeg(file, room + 16);
}
#endif

static double round_of(const struct set *set, void (*decode)(const struct file *, uint8_t *), uint8_t *room)
{
    const double began = clock_seconds();
    for (int i = 0; i < set->count; i++)
        decode(&set->files[i], room);
    return clock_seconds() - began;
}

/* Seconds of Pillow's best round over the same files, which it too has in memory; negative: there is none. */
static double pillow(const struct set *set)
{
    char path[PATH_BYTES], command[2 * PATH_BYTES];
    must(path_join(path, folder, "files"));
    must(folder_remove(path));
    must(folder_make(path));
    for (int i = 0; i < set->count; i++) {
        char name[32], file[PATH_BYTES];
        snprintf(name, sizeof name, "%d", i);
        must(path_join(file, path, name));
        must(file_write(file, set->files[i].bytes, set->files[i].count));
    }
    snprintf(command, sizeof command,
             "/usr/bin/python3 -c 'import io,os,sys,time\nfrom PIL import Image\n"
             "d=\"%s\"\nb=[open(os.path.join(d,n),\"rb\").read() for n in os.listdir(d)]\nbest=1e9\n"
             "for r in range(%d):\n t=time.perf_counter()\n for x in b: Image.open(io.BytesIO(x)).convert(\"RGB\")\n"
             " best=min(best,time.perf_counter()-t)\nprint(best)' 2>/dev/null",
             path, ROUNDS);
    FILE *answer = popen(command, "r");
    double best = -1.0;
    if (!answer || fscanf(answer, "%lf", &best) != 1)
        best = -1.0;
    if (answer)
        pclose(answer);
    return best;
}

static void print_row(const struct set *set, const char *what, double seconds, double here)
{
    if (seconds > 0.0)
        printf("  %-36s %9.0f images/s %8.1f MB/s of pixels   %.2f of ours\n", what, set->count / seconds,
               (double)set->pixels * 3 / seconds / 1e6, here / seconds);
}

enum { WAYS = 3 };
struct way {
    const char *name; /* NULL: none */
    void (*decode)(const struct file *file, uint8_t *room);
};
static const struct way png_ways[WAYS] = {{"here", decode_here}, {"libpng, simplified interface", decode_libpng}};
#ifdef WITH_JPEG
static const struct way jpeg_ways[WAYS] = {{"here", decode_here},
                                           {"libjpeg-turbo, bare", decode_libjpeg},
                                           {"libjpeg-turbo, bare, aligned rows", decode_libjpeg_aligned}};
#endif

static void compare(const struct set *set, const struct way ways[WAYS])
{
    double best[WAYS] = {1e9, 1e9, 1e9};
    if (set->count == 0)
        return;
    uint8_t *room = take((size_t)(set->pixels / set->count) * 3 + 64);
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < WAYS && ways[k].name; k++) {
            const double seconds = round_of(set, ways[k].decode, room);
            best[k] = seconds < best[k] ? seconds : best[k];
        }
    printf("%s, %d files of %lld pixels, %.1f KB each, one core\n", set->kind, set->count,
           (long long)(set->pixels / set->count), (double)set->bytes / set->count / 1e3);
    for (int k = 0; k < WAYS && ways[k].name; k++)
        print_row(set, ways[k].name, best[k], best[0]);
    print_row(set, "Pillow", pillow(set), best[0]);
    memory_give(room);
}

/* ---- whole data sets ---- */

static double open_seconds(const char *path, int threads, const char *cache, int64_t *count)
{
    double best = 1e9;
    for (int r = 0; r < ROUNDS && (cache || r < 3); r++) {
        struct dataset data;
        const struct dataset_options options = {.threads = threads, .train_part = true, .cache = cache};
        const double began = clock_seconds();
        must(dataset_open(&data, path, &options));
        const double seconds = clock_seconds() - began;
        best = seconds < best ? seconds : best;
        *count = data.count;
        dataset_close(&data);
    }
    return best;
}

static void whole_set(const char *path)
{
    int64_t count;
    const double one = open_seconds(path, 1, NULL, &count), all = open_seconds(path, 0, NULL, &count);
    printf("%s: %lld files read, decoded and kept: %.0f images/s on one core, %.0f on %d\n", path, (long long)count,
           (double)count / one, (double)count / all, cpu_count());
}

/* From the packed copy beside it, whose source is looked at file by file. */
static void packed_copy(const char *path)
{
    char pack[PATH_BYTES];
    const struct dataset_options options = {.train_part = true, .cache = "auto"};
    int64_t count;
    must(cache_path(pack, path, &options));
    if (!file_exists(pack))
        return;
    const double seconds = open_seconds(path, 0, "auto", &count);
    printf("%s: %lld images ready after %.3f s, all checksums and all source files compared, on %d cores\n", pack,
           (long long)count, seconds, cpu_count());
}

/* A packed data set of noise. */
static void packed_set(void)
{
    char path[PATH_BYTES], **names = take(sizeof *names);
    struct dataset data = {
        .source = "noise", .format = "idx", .image = {1, PACKED_SIDE, PACKED_SIDE, 3}, .count = PACKED};
    const size_t bytes = (size_t)PACKED * PACKED_SIDE * PACKED_SIDE * 3;
    uint8_t *pixels = take(bytes);
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    names[0] = (char[]){"all"};
    data.pixels = pixels;
    data.labels = take(PACKED * sizeof *data.labels);
    data.class_count = 1;
    data.class_names = (const char **)names;
    must(path_join(path, folder, "noise.pack"));
    must(pack_write(&data, path, 0, 0));
    memory_give(pixels);
    memory_give(data.labels);
    memory_give(names);
    int64_t count;
    const double seconds = open_seconds(path, 0, NULL, &count);
    printf("packed: %lld images of %dx%d ready after %.3f s, all checksums compared, on %d cores\n", (long long)count,
           PACKED_SIDE, PACKED_SIDE, seconds, cpu_count());
}

int main(int argc, char **argv)
{
    const char *parent = getenv("TMPDIR"), *given = argc > 1 ? argv[1] : NULL;
    struct dataset data = {0};
    const struct dataset_options options = {.threads = 0};
    snprintf(folder, sizeof folder, "%s/evenkeel-bench-XXXXXX", parent && parent[0] ? parent : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    if (given)
        must(dataset_open(&data, given, &options));
    struct set small[2] = {{.kind = "PNG"}, {.kind = "JPEG"}}, large[2] = {{.kind = "PNG"}, {.kind = "JPEG"}};
    make_sets(&small[0], &small[1], given ? &data : NULL, SIDE, FILES);
    make_sets(&large[0], &large[1], NULL, LARGE, LARGE_FILES);
    struct set *const sets[2] = {small, large};
    for (int i = 0; i < 2; i++) {
        compare(&sets[i][0], png_ways);
#ifdef WITH_JPEG
        compare(&sets[i][1], jpeg_ways);
#endif
    }
    if (given)
        whole_set(given), packed_copy(given);
    packed_set();
    dataset_close(&data);
    must(folder_remove(folder));
    return 0;
}
