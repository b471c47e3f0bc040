/* shard: the members of one tar file and where their content lies in it. Private to host/data. */
#ifndef SHARD_H
#define SHARD_H
#include "formats.h"

struct member {
    const char *archive; /* path of the tar file */
    const char *name;    /* neither absolute nor with ".." in it */
    int64_t offset, bytes;
    const void *content; /* as long as the call takes; NULL where bytes is 0 */
};

/* Calls take for every regular file, in order. What is no plain member (links, devices, names that lead out of the
 * archive, what is cut off) is added to problems and passed over. */
int shard_read(const char *path, int (*take)(void *context, const struct member *member), void *context,
               struct problems *problems);
#endif
