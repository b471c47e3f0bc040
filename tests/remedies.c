/* remedies: see remedies.h. */
#include "remedies.h"

#include "config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct config config;

void load(const char *overrides)
{
    char *said = NULL;
    config_free(&config);
    const int status = config_text_load(&config, "", 0, overrides, &said);
    if (status < 0)
        fail_msg("%s: %s%s", overrides ? overrides : "defaults", fail_text(), said);
    free(said);
}

/* A remedy's settings, separated by '|'. */
const char *words_of(const struct remedy *remedy, const struct remedy_case *asked)
{
    static char words[REMEDY_MOST * (EDIT_TEXT + 1)];
    char text[REMEDY_MOST][EDIT_TEXT];
    const int size = remedy_say(remedy, asked, text);
    *words = 0;
    for (int i = 0; i < size; i++)
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", i ? "|" : "", text[i]);
    return words;
}

/* The first of that name, of *cause or one after it. */
const struct cause_trial *trial_named(const char *name, enum cause *cause)
{
    for (; *cause < CAUSE_COUNT; (*cause)++)
        for (int i = 0; i < TRIALS_MOST; i++) {
            const struct cause_trial *trial = &cause_table[*cause].trials[i];
            if (trial->name && strcmp(trial->name, name) == 0)
                return trial;
        }
    fail_msg("there is no trial %s", name);
    return NULL;
}

int remove_all(void **state)
{
    config_free(&config);
    return config_folder_remove(state);
}
