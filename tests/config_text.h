/* config_text: loads configs that a test holds as text. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H
#include "config.h"
#include "file.h"

/* Below $TMPDIR; for cmocka's group setup and teardown. */
extern char config_folder[PATH_BYTES];
int config_folder_make(void **state);
int config_folder_remove(void **state);
char *config_path(const char *name); /* in the folder; four are kept */

/* Loads text as the file x.ini with overrides separated by '|' (NULL: none). said: what was printed, without the
 * folder; for the caller to free. */
int config_text_load(struct config *config, const char *text, size_t bytes, const char *overrides, char **said);
#endif
