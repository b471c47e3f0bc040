/* log: what the person sees. Everything goes to stderr; stdout is for results.
 * Level 1. Knows colours and the terminal, nothing of training. */
#ifndef LOG_H
#define LOG_H
#include "base.h"

/* Colour: mode "auto", "always" or "never"; auto obeys NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM=dumb, then
 * whether stderr is a terminal. false: not a mode. */
bool log_set_color(const char *mode);
/* Whether what goes to this descriptor may be coloured; auto then asks whether that is a terminal. */
bool log_color(int descriptor);
void log_set_quiet(bool quiet); /* only warnings and errors */

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one plain line */
/* One line, its label dim and so many columns wide; on a terminal wrapped at words, as warnings and errors are. */
void log_labelled(const char *label, int columns, const char *format, ...) __attribute__((format(printf, 3, 4)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* "warning: …" */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2))); /* "error: …" */

/* One line that overwrites itself on a terminal, at most ten times a second and cut to its width; elsewhere nothing is
 * written. Any other log call clears it first. */
void log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_progress_end(void);
bool log_is_terminal(void);
int log_width(void); /* columns of the terminal, 80 if unknown */

/* Escape sequences, "" where colour is off. */
enum log_style { LOG_PLAIN, LOG_BOLD, LOG_DIM, LOG_RED, LOG_GREEN, LOG_YELLOW, LOG_CYAN };
const char *log_style(enum log_style style);
#endif
