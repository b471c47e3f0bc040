/* event_file: the format of TensorBoard's event files. Private to host/observe. */
#ifndef EVENT_FILE_H
#define EVENT_FILE_H
#include "file.h"

struct event_scalar {
    const char *tag;
    double value;
    const char *description; /* or NULL: it was given with an earlier value of this tag */
};
/* Makes <folder>/events.out.tfevents.<seconds>.<host>.<process>.0, which sorts behind the event files that are there,
 * and writes its first record. */
int event_file_create(struct append_file *file, const char *folder);
/* Readers leave out what earlier files hold of this step and later ones. */
int event_file_restart(struct append_file *file, int64_t step);
/* One record, one write. At most EVENT_FILE_RECORD bytes, which is enough for 16 scalars with their descriptions. */
enum { EVENT_FILE_RECORD = 4096 };
int event_file_scalars(struct append_file *file, int64_t step, const struct event_scalar *scalars, int count);
#endif
