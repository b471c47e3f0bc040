/* small_disk: a file system of a few kilobytes for tests of full and read-only disks. */
#ifndef TESTS_SMALL_DISK_H
#define TESTS_SMALL_DISK_H
#include <stdbool.h>

/* Mounts a tmpfs of 64 KiB at the folder (made), in a mount namespace that ends with this process. false: not allowed
 * here; the test should skip. */
bool small_disk_mount(const char *folder);
void small_disk_fill(const char *folder); /* takes all that is left, in a file "filler" */
void small_disk_make_read_only(const char *folder);
void small_disk_unmount(const char *folder);
#endif
