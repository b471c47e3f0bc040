/* test_checkpoint_disk: at every moment a complete checkpoint is on disk: crashes, kill -9, failed writes, full disks.
 */
#include "checkpoint.h"
#include "remembered.h"
#include "small_disk.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Every state a crash can leave behind: loading finds a complete one, saving goes on from there. */
static void test_crash_while_replacing(void **state)
{
    (void)state;
    struct network first, second, loaded;
    char made[sizeof folder + 8], former[sizeof folder + 8], path[PATH_BYTES];
    snprintf(made, sizeof made, "%s.new", folder);
    snprintf(former, sizeof former, "%s.old", folder);
    build_network(&first, (struct setting){.units = 3});
    build_network(&second, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&first, 1.0f);
    fill_network(&second, 2.0f);

    must(checkpoint_save(folder, &first.plan, 1, metadata, state_text));
    must(folder_make(made)); /* died while writing the second */
    must(path_join(path, made, "model.safetensors"));
    write_bytes(path, "half", 4);
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));

    must(checkpoint_save(made, &second.plan, 1, metadata, state_text));
    assert_int_equal(rename(folder, former), 0); /* died between the renames */
    must(checkpoint_find(path, folder));
    assert_string_equal(path, former);
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));

    must(checkpoint_save(folder, &second.plan, 1, metadata, state_text));
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&second, SLAB_PARAM, &loaded, SLAB_PARAM));
    assert_false(file_exists(made));
    assert_false(file_exists(former));

    must(folder_make(former)); /* died before the former was removed */
    must(checkpoint_save(folder, &first.plan, 1, metadata, state_text));
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, NULL));
    assert_true(same_slab(&first, SLAB_PARAM, &loaded, SLAB_PARAM));
    assert_false(file_exists(former));
    free_network(&first);
    free_network(&second);
    free_network(&loaded);
}

/* A folder that cannot be made: the former checkpoint stays and the error says so. */
static void test_failed_save_keeps_the_former(void **state)
{
    (void)state;
    struct network network;
    char blocked[sizeof folder + 16];
    build_network(&network, (struct setting){.units = 3});
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    snprintf(blocked, sizeof blocked, "%s.new", folder);
    write_bytes(blocked, "x", 1); /* removed like a half-written folder */
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    snprintf(blocked, sizeof blocked, "%s/state.json/last", folder); /* below a file */
    int status = checkpoint_save(blocked, &network.plan, 1, metadata, state_text);
    assert_true(status < 0);
    assert_null(strstr(fail_text(), "the former one is kept")); /* there is none */
    free_network(&network);
}

/* Saves version after version until it is killed; weights and counts tell which one a checkpoint is. */
static void save_without_end(struct network *network, int64_t version)
{
    for (;; version++) {
        fill_network(network, (float)version);
        if (checkpoint_save(folder, &network->plan, version, metadata, state_text) < 0)
            _exit(1);
    }
}

static void test_killed_at_any_moment(void **state)
{
    (void)state;
    enum { KILLS = 24 };
    struct network network, loaded;
    int64_t version = 0, found = 0;
    build_network(&network, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&network, 0.0f);
    double from = clock_seconds();
    must(checkpoint_save(folder, &network.plan, 0, metadata, state_text));
    double wait_seconds = clock_seconds() - from; /* kept near what one save takes, so that kills hit all its moments */
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            save_without_end(&network, version + 1);
        usleep((useconds_t)(1e6 * wait_seconds));
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, &found));
        assert_true(found >= version);
        wait_seconds *= found > version ? 0.7 : 1.3;
        version = found;
        fill_network(&network, (float)version);
        assert_true(same_slab(&network, SLAB_PARAM, &loaded, SLAB_PARAM));
        assert_true(same_slab(&network, SLAB_MOMENT1, &loaded, SLAB_MOMENT1));
    }
    assert_true(version > 0); /* some were saved before the kill came */
    free_network(&network);
    free_network(&loaded);
}

static void test_full_disk_keeps_the_former(void **state)
{
    (void)state;
    struct network network, loaded;
    char disk[sizeof top + 8], kept[sizeof folder];
    snprintf(disk, sizeof disk, "%s/small", top);
    if (!small_disk_mount(disk))
        skip();
    memcpy(kept, folder, sizeof kept);
    snprintf(folder, sizeof folder, "%s/last", disk);
    build_network(&network, (struct setting){.units = 3});
    build_network(&loaded, (struct setting){.units = 3});
    fill_network(&network, 1.0f);
    must(checkpoint_save(folder, &network.plan, 1, metadata, state_text));
    small_disk_fill(disk);
    int status = checkpoint_save(folder, &network.plan, 2, metadata, state_text);
    assert_int_equal(status, ERR_IO);
    if (!strstr(fail_text(), "model.safetensors") || !strstr(fail_text(), "the former one is kept"))
        fail_msg("%s", fail_text());
    int64_t batches = 0;
    must(checkpoint_load(folder, &loaded.plan, true, NULL, NULL, &batches));
    assert_true(batches == 1);
    assert_true(same_slab(&network, SLAB_PARAM, &loaded, SLAB_PARAM));
    char path[PATH_BYTES];
    must(path_join(path, disk, "filler"));
    assert_int_equal(unlink(path), 0);
    must(checkpoint_save(folder, &network.plan, 2, metadata, state_text)); /* with room again it goes on */
    free_network(&network);
    free_network(&loaded);
    memcpy(folder, kept, sizeof kept);
    small_disk_unmount(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_crash_while_replacing, empty_top),
        cmocka_unit_test_setup(test_failed_save_keeps_the_former, empty_top),
        cmocka_unit_test_setup(test_killed_at_any_moment, empty_top),
        cmocka_unit_test_setup(test_full_disk_keeps_the_former, empty_top),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
