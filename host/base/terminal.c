/* terminal: see include/terminal.h. Knows the environment, nothing of what is drawn. */
#include "terminal.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The program itself runs in a UTF-8 locale of its own, so the person's is read from where it was set. */
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static void set_size(int *size, const char *name, int known)
{
    enum { LARGEST = 1000 };
    const char *value = getenv(name);
    int64_t wanted;
    if (known > 0)
        *size = known;
    if (value && text_to_int64(value, &wanted) && wanted > 0 && wanted <= LARGEST)
        *size = (int)wanted;
}

void terminal_look(struct terminal *terminal, int descriptor)
{
    struct winsize size = {0};
    const char *kind = getenv("TERM");
    const bool dumb = kind && strcmp(kind, "dumb") == 0;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    *terminal = (struct terminal){.columns = 80, .lines = 24};
    set_size(&terminal->columns, "COLUMNS", size.ws_col);
    set_size(&terminal->lines, "LINES", size.ws_row);
    terminal->utf8 = locale_is_utf8() && !dumb;
    terminal->color = log_color(descriptor);
    terminal->screen = isatty(descriptor) && !dumb;
}
