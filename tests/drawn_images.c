/* drawn_images: see drawn_images.h. */
#include "drawn_images.h"

#include <math.h>

struct world world;
static const char *names[CLASSES] = {"a", "b", "c", "d"};

static void part_make(int part, int first, int count)
{
    struct dataset *data = &world.data[part];
    *data = (struct dataset){.image = {1, SIDE, SIDE, 3}, .count = count, .class_count = CLASSES, .class_names = names};
    data->pixels = world.pixels[first];
    data->labels = world.labels + first;
    world.subset[part] = (struct subset){data, world.samples, count};
}

void world_make(void)
{
    memset(&world, 0, sizeof world);
    for (int i = 0; i < COUNT; i++) {
        world.labels[i] = i % CLASSES;
        world.samples[i] = i;
        for (int k = 0; k < BYTES; k++)
            world.pixels[i][k] =
                (uint8_t)(64 + random_words(1, RANDOM_TILE, 0, (uint64_t)(i * BYTES + k), 0).word[0] % 128);
    }
    part_make(0, 0, TRAIN);
    part_make(1, TRAIN, VAL);
    world.input = (struct check_input){.train = &world.subset[0],
                                       .val = &world.subset[1],
                                       .mean = {0.5, 0.5, 0.5},
                                       .std = {0.15, 0.15, 0.15},
                                       .shuffle = true,
                                       .seed = 3,
                                       .batch = 16};
}

void world_check(void)
{
    assert_int_equal(check_images(&world.findings, &world.input), OK);
}

const struct finding *only(const char *name, enum severity severity)
{
    world_check();
    for (int i = 0; i < world.findings.count; i++)
        if (strcmp(world.findings.list[i].name, name) != 0)
            fail_msg("%s: also %s", name, world.findings.list[i].name);
    assert_int_equal(world.findings.count, 1);
    assert_int_equal(world.findings.list[0].severity, severity);
    assert_true(world.findings.list[0].text && world.findings.list[0].action);
    return &world.findings.list[0];
}

const struct finding *finding_of(const char *name)
{
    for (int i = 0; i < world.findings.count; i++)
        if (strcmp(world.findings.list[i].name, name) == 0)
            return &world.findings.list[i];
    return NULL;
}

bool has(const char *name)
{
    return finding_of(name) != NULL;
}

const struct finding *get(const char *name)
{
    const struct finding *finding = finding_of(name);
    if (!finding)
        fail_msg("%s: did not find anything", name);
    return finding;
}

void draw_waves(void)
{
    findings_free(&world.findings);
    world_make();
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < BYTES; k++) {
            const int x = k / 3 % SIDE, y = k / 3 / SIDE;
            const double phase = (double)(random_words(2, RANDOM_TILE, 0, (uint64_t)i, 0).word[0] % 628) / 100.0;
            world.pixels[i][k] = (uint8_t)(80 + world.pixels[i][k] / 8 + 40.0 * sin(phase + 0.4 * x + 0.3 * y));
        }
    world.input.shuffle = false;
}
