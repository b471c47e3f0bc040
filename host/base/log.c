/* log: what the person sees, on stderr. See include/log.h.
 * Knows colours and the terminal, nothing of training. */
#include "log.h"
#include "text.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows */
static enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } mode;
static enum { COLOR_UNKNOWN, COLOR_ON, COLOR_OFF } color; /* on stderr */
static bool quiet, progress_shown;
static double progress_time;

static bool variable_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

static bool variable_forces(const char *name)
{
    return variable_set(name) && strcmp(getenv(name), "0") != 0;
}

static bool terminal_dumb(void)
{
    const char *term = getenv("TERM");
    return term && strcmp(term, "dumb") == 0;
}

/* The order of https://no-color.org and https://bixense.com/clicolors. */
static bool color_wanted(int descriptor)
{
    if (mode != COLOR_AUTO)
        return mode == COLOR_ALWAYS;
    if (variable_set("NO_COLOR"))
        return false;
    if (variable_forces("CLICOLOR_FORCE") || variable_forces("FORCE_COLOR"))
        return true;
    return !terminal_dumb() && isatty(descriptor);
}

bool log_color(int descriptor)
{
    pthread_mutex_lock(&mutex);
    const bool on = color_wanted(descriptor);
    pthread_mutex_unlock(&mutex);
    return on;
}

bool log_set_color(const char *name)
{
    const bool always = strcmp(name, "always") == 0, never = strcmp(name, "never") == 0;
    if (!always && !never && strcmp(name, "auto") != 0)
        return false;
    pthread_mutex_lock(&mutex);
    mode = always ? COLOR_ALWAYS : never ? COLOR_NEVER : COLOR_AUTO;
    color = COLOR_UNKNOWN;
    pthread_mutex_unlock(&mutex);
    return true;
}

void log_set_quiet(bool on)
{
    pthread_mutex_lock(&mutex);
    quiet = on;
    pthread_mutex_unlock(&mutex);
}

bool log_is_terminal(void)
{
    return isatty(STDERR_FILENO) && !terminal_dumb();
}

int log_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* The caller holds the mutex. */
static const char *style_text(enum log_style style)
{
    static const char *const sequences[] = {
        [LOG_PLAIN] = "\033[0m",  [LOG_BOLD] = "\033[1m",    [LOG_DIM] = "\033[2m",   [LOG_RED] = "\033[31m",
        [LOG_GREEN] = "\033[32m", [LOG_YELLOW] = "\033[33m", [LOG_CYAN] = "\033[36m",
    };
    if (color == COLOR_UNKNOWN)
        color = color_wanted(STDERR_FILENO) ? COLOR_ON : COLOR_OFF;
    return color == COLOR_ON ? sequences[style] : "";
}

const char *log_style(enum log_style style)
{
    pthread_mutex_lock(&mutex);
    const char *text = style_text(style);
    pthread_mutex_unlock(&mutex);
    return text;
}

/* One write for the whole line, so that lines of several processes do not mix. The caller holds the mutex. What cannot
 * be written to stderr has nowhere to be reported. */
static void put(const char *before, const char *text, const char *after)
{
    char line[4096];
    const int used = snprintf(line, sizeof line, "%s%s%.*s%s", progress_shown ? "\r\033[K" : "", before,
                              (int)(sizeof line - strlen(before) - strlen(after) - 8), text, after);
    progress_shown = false;
    fwrite(line, 1, (size_t)used, stderr);
    fflush(stderr);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&mutex);
    if (!quiet) {
        char text[4080];
        vsnprintf(text, sizeof text, format, args);
        put("", text, "\n");
    }
    pthread_mutex_unlock(&mutex);
    va_end(args);
}

/* Into words that fit a terminal's lines, where there is one. */
static void wrap(char *to, size_t bytes, int indent, const char *text)
{
    text_wrap(to, bytes, text, indent, log_is_terminal() ? log_width() : INT_MAX);
}

void log_labelled(const char *label, int columns, const char *format, ...)
{
    char text[3500], wrapped[3800], before[64];
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&mutex);
    if (!quiet) {
        vsnprintf(text, sizeof text, format, args);
        wrap(wrapped, sizeof wrapped, columns + 1, text);
        snprintf(before, sizeof before, "%s%-*s%s ", style_text(LOG_DIM), columns, label, style_text(LOG_PLAIN));
        put(before, wrapped, "\n");
    }
    pthread_mutex_unlock(&mutex);
    va_end(args);
}

static void put_marked(enum log_style style, const char *word, const char *format, va_list args)
{
    char text[3500], wrapped[3800], before[64];
    pthread_mutex_lock(&mutex);
    vsnprintf(text, sizeof text, format, args);
    wrap(wrapped, sizeof wrapped, (int)strlen(word) + 2, text_one_line(text));
    snprintf(before, sizeof before, "%s%s%s: %s", style_text(LOG_BOLD), style_text(style), word, style_text(LOG_PLAIN));
    put(before, wrapped, "\n");
    pthread_mutex_unlock(&mutex);
}

void log_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_marked(LOG_YELLOW, "warning", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_marked(LOG_RED, "error", format, args);
    va_end(args);
}

/* Cuts text to so many columns, counting a UTF-8 sequence as one column and an escape sequence as none. */
static void cut_columns(char *text, int columns)
{
    int used = 0;
    for (char *at = text; *at; at++) {
        if (*at == '\033') {
            at += strcspn(at, "m");
            if (!*at)
                return;
        } else if (((unsigned char)*at & 0xC0) != 0x80 && ++used > columns) {
            *at = 0;
            return;
        }
    }
}

void log_progress(const char *format, ...)
{
    enum { PER_SECOND = 10 };
    char text[1024];
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&mutex);
    double now = clock_seconds();
    bool due = !progress_shown || now - progress_time >= 1.0 / PER_SECOND;
    if (!quiet && due && log_is_terminal()) {
        vsnprintf(text, sizeof text, format, args);
        cut_columns(text, log_width() - 1);
        fprintf(stderr, "\r\033[K%s%s", text, style_text(LOG_PLAIN));
        fflush(stderr);
        progress_shown = true;
        progress_time = now;
    }
    pthread_mutex_unlock(&mutex);
    va_end(args);
}

void log_progress_end(void)
{
    pthread_mutex_lock(&mutex);
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
    fflush(stderr);
    pthread_mutex_unlock(&mutex);
}
