/* feed: the ring of slots through which images come that are not all held in memory. On the CPU the device reads what
 * the host wrote, and a batch that was queued is done. */
#include "cpu.h"

int cpu_feed_open(struct device *device, struct feed *feed, int slots, size_t slot_bytes)
{
    (void)device;
    *feed = (struct feed){.slots = slots, .slot_bytes = slot_bytes};
    TRY(memory_take(&feed->host, (size_t)slots * slot_bytes, "the ring of images"));
    feed->device = feed->host;
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
