/* small_disk: mounts and fills a tmpfs. See tests/small_disk.h. */
#include "small_disk.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

bool small_disk_mount(const char *folder)
{
    static bool unshared;
    assert_int_equal(folder_make(folder), OK);
    if (!unshared && unshare(CLONE_NEWNS) != 0)
        return false;
    unshared = true;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", 0, "size=64k") == 0;
}

void small_disk_fill(const char *folder)
{
    static const char zeros[4096];
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, folder, "filler"), OK);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    assert_true(descriptor >= 0);
    while (write(descriptor, zeros, sizeof zeros) > 0) {
    }
    assert_int_equal(errno, ENOSPC);
    close(descriptor);
}

void small_disk_make_read_only(const char *folder)
{
    assert_int_equal(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, "size=64k"), 0);
}

void small_disk_unmount(const char *folder)
{
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
}
