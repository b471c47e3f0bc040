/* shard: see shard.h. The file is mapped and given to libarchive as one piece, so that what it says of a member's
 * content points into the mapping: that is where the content lies in the file. */
#ifdef WITH_TAR
#include "shard.h"

#include "file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK = 512 }; /* of a tar file */

struct shard {
    const char *path;
    const char *mapping;
    size_t bytes;
    struct archive *archive;
    struct problems *problems;
};

/* ".." as a part of the path. */
static bool leads_out(const char *name)
{
    if (name[0] == '/')
        return true;
    for (const char *at = name; (at = strstr(at, "..")); at += 2)
        if ((at == name || at[-1] == '/') && (at[2] == '/' || at[2] == 0))
            return true;
    return false;
}

/* Why a member cannot be used; NULL: it can. */
static const char *fault_of(struct archive_entry *entry, const char *name)
{
    if (!name || !name[0])
        return "has no name, or one that is not UTF-8";
    if (strlen(name) >= PATH_BYTES / 2)
        return "has a name that is too long";
    if (leads_out(name))
        return "has a name that leads out of the archive";
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry))
        return "is a link";
    return archive_entry_filetype(entry) == AE_IFREG ? NULL : "is no regular file";
}

static void add_problem(struct shard *shard, const char *name, const char *fault)
{
    FAIL(ERR_DATA, "%s: member '%.300s' %s; write the shard anew without it", shard->path, name ? name : "", fault);
    problems_add_failure(shard->problems, ERR_DATA);
}

/* Finds the content. false: it is not there in one piece. */
static bool locate(struct shard *shard, struct member *member)
{
    const void *content;
    size_t count;
    la_int64_t at;
    if (member->bytes == 0)
        return true;
    if (archive_read_data_block(shard->archive, &content, &count, &at) != ARCHIVE_OK)
        return false;
    const char *from = content;
    if (at != 0 || (int64_t)count < member->bytes || from < shard->mapping ||
        from + member->bytes > shard->mapping + shard->bytes)
        return false;
    member->content = content;
    member->offset = from - shard->mapping;
    return true;
}

/* libarchive takes the end of the file for the end of the archive; a shard cut between two members then looks whole. */
static bool is_ended(const struct shard *shard)
{
    static const char empty[2 * BLOCK];
    const la_int64_t at = archive_read_header_position(shard->archive);
    return at >= 0 && (size_t)at <= shard->bytes && shard->bytes - (size_t)at >= sizeof empty &&
           memcmp(shard->mapping + at, empty, sizeof empty) == 0;
}

static int read_members(struct shard *shard, int (*take)(void *context, const struct member *member), void *context)
{
    struct archive_entry *entry;
    int result;
    while ((result = archive_read_next_header(shard->archive, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN) {
        if (archive_entry_filetype(entry) == AE_IFDIR)
            continue;
        const char *name = archive_entry_pathname(entry);
        struct member member = {.archive = shard->path, .name = name, .bytes = archive_entry_size(entry)};
        const char *fault = fault_of(entry, name);
        if (!fault && !locate(shard, &member))
            fault = "is cut off, or not stored in one piece";
        if (fault)
            add_problem(shard, name, fault);
        else
            TRY(take(context, &member));
    }
    if (result == ARCHIVE_EOF && is_ended(shard))
        return OK;
    const char *reason = archive_error_string(shard->archive);
    if (result == ARCHIVE_EOF)
        FAIL(ERR_DATA,
             "%s: the shard is cut short: it ends without the two empty blocks that end a tar archive; fetch it or "
             "write it again",
             shard->path);
    else
        FAIL(ERR_DATA, "%s: %s; the shard is damaged or cut off", shard->path, reason ? reason : "cannot be read");
    problems_add_failure(shard->problems, ERR_DATA);
    return OK;
}

static int read_mapping(struct shard *shard, int (*take)(void *context, const struct member *member), void *context)
{
    shard->archive = archive_read_new();
    if (!shard->archive)
        return FAIL(ERR_MEMORY, "%s: out of memory", shard->path);
    archive_read_support_format_tar(shard->archive);
    int status = OK;
    if (archive_read_open_memory(shard->archive, shard->mapping, shard->bytes) == ARCHIVE_OK)
        status = read_members(shard, take, context);
    else
        status = FAIL(ERR_DATA, "%s: is no tar file: %s", shard->path, archive_error_string(shard->archive));
    archive_read_free(shard->archive);
    return status;
}

static bool is_compressed(const struct shard *shard)
{
    static const struct {
        const char *start;
        size_t length;
    } kinds[] = {{"\x1f\x8b", 2},
                 {"\x28\xb5\x2f\xfd", 4},
                 {"\xfd"
                  "7zXZ",
                  5},
                 {"BZh", 3}};
    for (int i = 0; i < COUNT_OF(kinds); i++)
        if (shard->bytes >= kinds[i].length && memcmp(shard->mapping, kinds[i].start, kinds[i].length) == 0)
            return true;
    return false;
}

static int map(struct shard *shard, int descriptor)
{
    if (shard->bytes == 0)
        return FAIL(ERR_DATA, "%s: the shard is empty (0 bytes); fetch it again", shard->path);
    void *mapping = mmap(NULL, shard->bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapping == MAP_FAILED)
        return FAIL(ERR_IO, "%s: cannot be mapped: %s", shard->path, strerror(errno));
    shard->mapping = mapping;
    return OK;
}

int shard_read(const char *path, int (*take)(void *context, const struct member *member), void *context,
               struct problems *problems)
{
    struct shard shard = {.path = path, .problems = problems};
    int descriptor;
    TRY(file_open(path, &descriptor, &shard.bytes));
    int status = map(&shard, descriptor);
    close(descriptor);
    TRY(status);
    if (is_compressed(&shard))
        status = FAIL(ERR_DATA, "%s: is compressed, so that its images cannot be read one by one; unpack it to a .tar",
                      path);
    else
        status = read_mapping(&shard, take, context);
    munmap((void *)shard.mapping, shard.bytes);
    return status;
}
#else
typedef int shard_needs_libarchive; /* a file of C is not empty */
#endif
