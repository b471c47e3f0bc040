/* pairs: images that are equal or nearly so, in time that grows as sorting does. Equal ones meet by the hash of their
 * pixels. Nearly equal ones share a 16-bit part of their difference hash or lie beside each other when the hashes are
 * sorted from that part on: each is compared with the next few, and a pair counts only if the pixels agree. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 8, MOST_BITS = 6, PARTS = 4, MOST_COMPARED = 200000 };
/* Correlation of the luminance of what counts as nearly equal, and the contrast below which it says nothing. */
#define LEAST_CORRELATION 0.99
#define LEAST_SPREAD      0.03f
/* What a pixel further is the same correlates so far as it lies: neighbouring pixels do. */
#define ALIKE 0.5

struct key {
    uint64_t key;
    int32_t image;
};

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    return a->key != b->key ? (a->key < b->key ? -1 : 1) : (a->image > b->image) - (a->image < b->image);
}

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    return a->a != b->a ? (a->a > b->a) - (a->a < b->a) : (a->b > b->b) - (a->b < b->b);
}

static int pairs_add(struct pairs *pairs, int32_t a, int32_t b)
{
    if (pairs->count == pairs->room) {
        const int64_t room = pairs->room ? 2 * pairs->room : 256;
        struct pair *larger = realloc(pairs->list, (size_t)room * sizeof *larger);
        if (!larger)
            return FAIL(ERR_MEMORY, "out of memory for pairs of images");
        pairs->list = larger;
        pairs->room = room;
    }
    pairs->list[pairs->count++] = (struct pair){a < b ? a : b, a < b ? b : a};
    return OK;
}

struct search {
    struct facts *facts;
    struct key *keys;
    uint8_t *buffer[2];
    int64_t compared, shifted; /* pairs as they lie; looks a pixel further: MOST_COMPARED of either */
};

static int both_pixels(const struct search *search, int32_t a, int32_t b, const uint8_t *pixels[2])
{
    TRY(facts_pixels(search->facts, a, search->buffer[0], &pixels[0]));
    return facts_pixels(search->facts, b, search->buffer[1], &pixels[1]);
}

static int find_same(const struct search *search)
{
    struct facts *facts = search->facts;
    const size_t bytes = (size_t)shape_count(facts->input->train->data->image);
    for (int64_t i = 0; i < facts->count; i++)
        search->keys[i] = (struct key){facts->images[i].content, (int32_t)i};
    qsort(search->keys, (size_t)facts->count, sizeof *search->keys, compare_keys);
    for (int64_t i = 1, first = 0; i < facts->count; i++) {
        if (search->keys[i].key != search->keys[first].key) {
            first = i;
            continue;
        }
        if (image_is_flat(facts, search->keys[i].image)) /* they are a finding of their own */
            continue;
        const uint8_t *pixels[2];
        TRY(both_pixels(search, search->keys[first].image, search->keys[i].image, pixels));
        if (memcmp(pixels[0], pixels[1], bytes) == 0)
            TRY(pairs_add(&facts->same, search->keys[first].image, search->keys[i].image));
    }
    return OK;
}

/* Of the values that both have, channel by channel together, where b lies so many pixels lower and further right. */
static double correlation(const uint8_t *a, const uint8_t *b, struct shape image, int down, int right)
{
    double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0, n = 0;
    for (int y = down > 0 ? down : 0; y < image.h && y - down < image.h; y++)
        for (int x = right > 0 ? right : 0; x < image.w && x - right < image.w; x++)
            for (int c = 0; c < image.c; c++, n++) {
                const int va = a[(y * image.w + x) * image.c + c];
                const int vb = b[((y - down) * image.w + x - right) * image.c + c];
                sum_a += va, sum_b += vb;
                aa += va * va, bb += vb * vb, ab += va * vb;
            }
    const double spread = (aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n);
    return spread > 0.0 ? (ab - sum_a * sum_b / n) / sqrt(spread) : 0.0;
}

/* Or by a pixel in either direction, as the next frame or another cut of a scene is: where they are alike at all. */
static bool is_near(struct search *search, const uint8_t *a, const uint8_t *b)
{
    const struct shape image = search->facts->input->train->data->image;
    const double as_they_lie = correlation(a, b, image, 0, 0);
    bool near = as_they_lie >= LEAST_CORRELATION;
    for (int down = -1; down <= 1 && !near && as_they_lie > ALIKE && image.h > 2 && image.w > 2; down++)
        for (int right = -1; right <= 1 && !near; right++)
            near = (down || right) && ++search->shifted <= MOST_COMPARED &&
                   correlation(a, b, image, down, right) >= LEAST_CORRELATION;
    return near;
}

static int consider(struct search *search, int32_t a, int32_t b)
{
    struct facts *facts = search->facts;
    const struct image_facts *one = &facts->images[a], *other = &facts->images[b];
    if (one->content == other->content || __builtin_popcountll(one->look ^ other->look) > MOST_BITS ||
        one->spread < LEAST_SPREAD || other->spread < LEAST_SPREAD || image_is_flat(facts, a) ||
        image_is_flat(facts, b) || ++search->compared > MOST_COMPARED)
        return OK;
    const uint8_t *pixels[2];
    TRY(both_pixels(search, a, b, pixels));
    if (!is_near(search, pixels[0], pixels[1]))
        return OK;
    return pairs_add(&facts->near, a, b);
}

static int find_near(struct search *search)
{
    struct facts *facts = search->facts;
    for (int part = 0; part < PARTS; part++) {
        const int turn = part * 16;
        for (int64_t i = 0; i < facts->count; i++) {
            const uint64_t look = facts->images[i].look;
            search->keys[i] = (struct key){turn ? look << turn | look >> (64 - turn) : look, (int32_t)i};
        }
        qsort(search->keys, (size_t)facts->count, sizeof *search->keys, compare_keys);
        for (int64_t i = 0; i < facts->count; i++)
            for (int64_t k = i + 1; k < facts->count && k <= i + WINDOW; k++)
                TRY(consider(search, search->keys[i].image, search->keys[k].image));
    }
    /* A pair may have met in several parts. */
    struct pairs *near = &facts->near;
    if (near->count == 0)
        return OK;
    qsort(near->list, (size_t)near->count, sizeof *near->list, compare_pairs);
    int64_t kept = 1;
    for (int64_t i = 1; i < near->count; i++)
        if (compare_pairs(&near->list[i], &near->list[kept - 1]) != 0)
            near->list[kept++] = near->list[i];
    near->count = kept;
    return OK;
}

int facts_pair(struct facts *facts)
{
    const size_t bytes = (size_t)shape_count(facts->input->train->data->image);
    struct search search = {.facts = facts, .keys = malloc(((size_t)facts->count + 1) * sizeof(struct key))};
    search.buffer[0] = malloc(bytes);
    search.buffer[1] = malloc(bytes);
    int status = search.keys && search.buffer[0] && search.buffer[1]
                     ? find_same(&search)
                     : FAIL(ERR_MEMORY, "out of memory for comparing images");
    if (status == OK)
        status = find_near(&search);
    free(search.keys);
    free(search.buffer[0]);
    free(search.buffer[1]);
    return status;
}
