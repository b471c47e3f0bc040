/* feed: the ring of slots through which images come that are not all held in memory. On the CPU the device reads what
 * the host wrote, and a batch that was queued is done. */
#include "cpu.h"

int cpu_feed_open(struct device *device, struct feed *feed, int slots, size_t slot_bytes)
{
    (void)device;
    void *memory;
    *feed = (struct feed){0};
    TRY(memory_take(&memory, (size_t)slots * slot_bytes, "the ring of images"));
    *feed = (struct feed){.slots = slots, .slot_bytes = slot_bytes, .host = memory, .device = memory};
    return OK;
}

void cpu_feed_close(struct device *device, struct feed *feed)
{
    (void)device;
    memory_give(feed->host);
    *feed = (struct feed){0};
}

int cpu_feed_ready(struct device *device, struct feed *feed, int slot)
{
    (void)device, (void)feed, (void)slot;
    return OK;
}
