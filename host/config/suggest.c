/* suggest: "did you mean" for names of keys, sections and values. Must not know where they were written. */
#include "schema.h"
#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* " did you mean a, b or c?" */
static void print_choice(const char *const *words, int count, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < count && used < bytes; i++) {
        const char *before = i == 0 ? " did you mean " : i == count - 1 ? " or " : ", ";
        used += (size_t)snprintf(text + used, bytes - used, "%s%s%s", before, words[i], i == count - 1 ? "?" : "");
    }
}

void suggest_words(const char *word, const char *const *words, int count, char *text, size_t bytes)
{
    const char *found[TEXT_SUGGESTIONS] = {0};
    print_choice(found, text_suggest(word, words, count, found), text, bytes);
}

enum { NAME_BYTES = 32, WORDS_MAX = 2 * SCHEMA_KEYS_MAX };

/* Words that lead to a key: its name and its aliases. */
struct leads {
    const char *word[WORDS_MAX];
    int key[WORDS_MAX];
    char text[WORDS_MAX][NAME_BYTES];
    int count;
};

static void add_lead(struct leads *leads, int key, const char *word, size_t length)
{
    assert(leads->count < WORDS_MAX && length < NAME_BYTES);
    memcpy(leads->text[leads->count], word, length);
    leads->text[leads->count][length] = 0;
    leads->word[leads->count] = leads->text[leads->count];
    leads->key[leads->count++] = key;
}

static void collect_leads(struct leads *leads, const char *section)
{
    leads->count = 0;
    for (int i = 0; i < schema_key_count; i++) {
        const struct key *key = &schema_keys[i];
        if (section && strcmp(key->section, section) != 0)
            continue;
        add_lead(leads, i, key->name, strlen(key->name));
        for (const char *at = key->aliases; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            add_lead(leads, i, at, length);
            at += length;
        }
    }
}

static int add_key(int *keys, int count, int key)
{
    for (int i = 0; i < count; i++)
        if (keys[i] == key)
            return count;
    if (count < TEXT_SUGGESTIONS)
        keys[count++] = key;
    return count;
}

/* Up to three keys whose names are near. */
static int nearest_keys(const char *section, const char *name, int keys[static TEXT_SUGGESTIONS])
{
    static _Thread_local struct leads leads;
    const char *found[TEXT_SUGGESTIONS] = {0};
    collect_leads(&leads, section);
    int count = 0, found_count = text_suggest(name, leads.word, leads.count, found);
    for (int i = 0; i < found_count; i++)
        for (int j = 0; j < leads.count; j++)
            if (leads.word[j] == found[i])
                count = add_key(keys, count, leads.key[j]);
    return count;
}

/* Words of other programs for which no key stands, or whose values are others. */
static const struct {
    const char *word, *hint;
} foreign[] = {
    {"data", " data.train names the training images, data.val those for validation"},
    {"data_dir", " data.train names the training images, data.val those for validation"},
    {"root", " data.train names the training images, data.val those for validation"},
    {"imgsz", " data.resize brings images to one size"},
    {"img_size", " data.resize brings images to one size"},
    {"image_size", " data.resize brings images to one size"},
    {"input_size", " data.resize brings images to one size"},
    {"cos_lr", " schedule.name = cosine lets the rate fall by a cosine"},
    {"T_max", " schedule.name = cosine ends with train.epochs"},
    {"t_max", " schedule.name = cosine ends with train.epochs"},
};

void schema_suggest(const char *section, const char *name, char *text, size_t bytes)
{
    int keys[SECTIONS_MAX];
    for (int i = 0; i < COUNT_OF(foreign); i++)
        if (strcmp(name, foreign[i].word) == 0) {
            snprintf(text, bytes, "%s", foreign[i].hint);
            return;
        }
    /* The right name in the wrong section first, then the wrong name in the right section, then all. */
    int count = schema_find_bare(name, keys);
    if (count == 0 && section)
        count = nearest_keys(section, name, keys);
    if (count == 0)
        count = nearest_keys(NULL, name, keys);
    char full[TEXT_SUGGESTIONS][2 * NAME_BYTES];
    const char *words[TEXT_SUGGESTIONS] = {0};
    if (count > TEXT_SUGGESTIONS)
        count = TEXT_SUGGESTIONS;
    for (int i = 0; i < count; i++) {
        snprintf(full[i], sizeof full[i], "%s.%s", schema_keys[keys[i]].section, schema_keys[keys[i]].name);
        words[i] = full[i];
    }
    print_choice(words, count, text, bytes);
    if (count == 0)
        snprintf(text, bytes, " `evenkeel config --defaults` lists all keys");
}
