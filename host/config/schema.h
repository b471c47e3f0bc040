/* schema: the private contract between the files of host/config: what a key is, where the tables are, and what is kept
 * while a config is being loaded. */
#ifndef SCHEMA_H
#define SCHEMA_H
#include "config.h"
#include "mistakes.h"

enum key_type { KEY_INT, KEY_INT64, KEY_REAL, KEY_FLOAT, KEY_BOOL, KEY_TEXT, KEY_ENUM, KEY_LIST };

/* One key: where its value lies in its struct (config or config_layer), what it may be, and what to tell people. */
struct key {
    const char *section, *name;
    const char *aliases; /* other names it answers to, separated by spaces */
    enum key_type type;
    size_t offset, bytes;
    size_t mark_offset;       /* KEY_LIST: its count (int); a layer's KEY_BOOL: whether it was given (bool); else 0 */
    const char *const *words; /* KEY_ENUM, or the only texts allowed; ends with NULL */
    double low, high;
    bool above, below; /* the end itself is not allowed */
    const char *only_key,
        *only_words;    /* the key has no effect unless that other key is one of these words; NULL: always has */
    const char *types;  /* layer keys: layer types that take it, separated by spaces; NULL: all */
    const char *needed; /* layer keys: layer types that must have it */
    const char *fallback;
    const char *help;
};

extern const struct key schema_keys[];
extern const int schema_key_count;
extern const struct key layer_keys[];
extern const int layer_key_count;
enum { SCHEMA_KEYS_MAX = 128, LAYER_KEYS_MAX = 16, SECTIONS_MAX = 16 };

/* Sections of schema_keys in order; layer is not one of them. */
int schema_sections(const char *names[static SECTIONS_MAX]);
/* Index of the key of that section with that name or alias; -1: none. */
int schema_find(const char *section, const char *name);
/* Likewise by "section.name". */
int schema_find_full(const char *full);
/* Keys of all sections with that name, or the one that has it for an alias. Returns how many were put in found. */
int schema_find_bare(const char *name, int found[static SECTIONS_MAX]);
/* " did you mean a.b, c.d or e.f?" for a name that is unknown, preferring keys of the section (NULL: none); or where
 * the list of all keys is. */
void schema_suggest(const char *section, const char *name, char *text, size_t bytes);
/* The same for any list of words. text becomes "" when nothing is near. */
void suggest_words(const char *word, const char *const *words, int count, char *text, size_t bytes);
/* Whether word is one of those in a list separated by spaces. */
bool word_in(const char *list, const char *word);

/* ---- values ---- */

enum { VALUE_BYTES = 8192, PROBLEM_BYTES = 1024 };
enum token_kind { TOKEN_BARE, TOKEN_QUOTED, TOKEN_LIST };
/* What stands right of the equals sign, without quotes, brackets and comment. */
struct token {
    enum token_kind kind;
    char text[VALUE_BYTES];
};
/* false: problem says what is wrong. comments: "#" and ";" after white space begin one. */
bool value_scan(const char *raw, bool comments, struct token *token, char problem[static PROBLEM_BYTES]);
/* Stores the value at its place in base. false: problem says what was found and what is expected. */
bool value_parse(const struct key *key, void *base, const struct token *token, char problem[static PROBLEM_BYTES]);
/* The value as it is written in a file. Returns the length; text is always terminated. */
size_t value_print(const struct key *key, const void *base, char *text, size_t bytes);
/* "a number above 0, up to 1". */
void value_expected(const struct key *key, char *text, size_t bytes);
const char *value_type_name(const struct key *key);

/* ---- loading ---- */

struct loader {
    struct config *config;
    struct mistakes mistakes;
    int origin[SCHEMA_KEYS_MAX];
    bool bad[SCHEMA_KEYS_MAX]; /* a value was given and refused: what depends on it is not judged */
    /* the file being read */
    const char *at, *end; /* what is left of its text */
    int line;
    bool begun; /* something was said before */
    int section_line[SECTIONS_MAX];
    enum { SECTION_NONE, SECTION_UNKNOWN, SECTION_KEYS, SECTION_LAYER } place;
    char value[VALUE_BYTES]; /* right of the equals sign, of the line handed to libinih */
    int layer_key_line[LAYER_KEYS_MAX];
    int lone_layer; /* line of a layer that began with single brackets, until there is another; 0: none */
    bool layer_bad; /* a key of the current layer was refused */
    bool layers_bad;
};

/* Parses raw into schema_keys[key]. */
void loader_set(struct loader *loader, int key, int origin, const char *raw);

void file_parse(struct loader *loader, const char *text, size_t bytes);
void override_apply(struct loader *loader, const char *text);
void check_all(struct loader *loader);
/* Gives the keys that augment.policy stands for and that were not set their values. */
void policy_apply(struct loader *loader);

void layer_begin(struct loader *loader);
void layer_set(struct loader *loader, const char *name);
void layer_end(struct loader *loader); /* checks the layer just read, if any */
void layers_end(struct loader *loader);
/* Whether the key has a value in the layer that differs from leaving it out. */
bool layer_has(const struct config_layer *layer, const struct key *key);
#endif
