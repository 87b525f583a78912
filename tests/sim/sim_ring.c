/* Rings: what is queued is done when it is reaped, some calls later and in any order. */
#include "sim_internal.h"

enum { WAIT_STEP_NS = 20000, ENTRIES_MAX = 4096, RUBBISH = 0xa5 };

static bool lives(const struct sim *sim, const mp_env_ring *ring)
{
    return ring->life == sim->life;
}

bool ring_uses(const struct sim *sim, int file)
{
    for (const mp_env_ring *ring = sim->rings; ring != NULL; ring = ring->next) {
        for (unsigned i = 0; lives(sim, ring) && i < ring->count; i++) {
            if (ring->operations[i].file == file) return true;
        }
    }
    return false;
}

int sim_ring_open(void *context, unsigned entries, mp_env_ring **out)
{
    struct sim *sim = context;
    mp_env_ring *ring;

    if (sim->dead) return -EIO;
    if (sim->settings.no_ring) return -ENOSYS;
    if (entries == 0 || entries > ENTRIES_MAX) return -EINVAL;
    ring = sim_memory(sizeof *ring + entries * sizeof *ring->operations);
    ring->entries = entries;
    ring->life = sim->life;
    ring->next = sim->rings;
    sim->rings = ring;
    *out = ring;
    return 0;
}

/* --- queueing --- */

static int check(struct sim *sim, const mp_env_ring *ring, int file, const struct handle **handle)
{
    if (sim->dead) return -EIO;
    SIM_CHECK(lives(sim, ring), "a ring of a dead process is used");
    *handle = handle_find(sim, file);
    SIM_CHECK(*handle != NULL, "file %d isn't open, but a ring shall work on it", file);
    return ring->count == ring->entries ? -EBUSY : 0;
}

static void enqueue(struct sim *sim, mp_env_ring *ring, struct ring_operation operation)
{
    operation.delay = (unsigned)random_below(&sim->chance, sim->settings.ring_delay_max + 1ull);
    ring->operations[ring->count++] = operation;
}

int sim_ring_write(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                   unsigned count, uint64_t offset, uint64_t user)
{
    struct sim *sim = context;
    struct ring_operation operation = {
        .write = true, .user = user, .file = file, .count = count, .offset = offset};
    struct change change = {.kind = WRITE, .offset = offset};
    const struct handle *handle;
    char path[SIM_PATH_MAX];
    int result;

    if (count == 0 || count > RING_PIECES) return -EINVAL;
    result = check(sim, ring, file, &handle);
    if (result == 0) result = guard(sim);
    if (result < 0) return result;
    if ((handle->flags & MP_ENV_WRITE) == 0) return -EBADF;
    for (unsigned i = 0; i < count; i++) {
        if (!aligned(handle, pieces[i].data, pieces[i].length, offset)) return -EINVAL;
        operation.pieces[i] = pieces[i];
        operation.length += pieces[i].length;
    }
    SIM_CHECK(operation.length > 0, "a ring shall write nothing");
    change.node = operation.node = handle->node;
    change.length = operation.length;
    change.data = bytes_gather(pieces, count, change.length);
    operation.number = change_add(sim, change);
    node_path(sim, operation.node, path);
    result = operation_begin(sim, SIM_RING, "ring write", path, offset, operation.length, NULL);
    if (result < 0) {
        if (!sim->dead) change_fail(sim, operation.number, -EINVAL); /* it never began */
        return result;
    }
    enqueue(sim, ring, operation);
    return 0;
}

int sim_ring_read(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                  uint64_t offset, uint64_t user)
{
    struct sim *sim = context;
    const struct handle *handle;
    int result = check(sim, ring, file, &handle);

    if (result < 0) return result;
    if (!aligned(handle, buffer, length, offset)) return -EINVAL;
    memset(buffer, RUBBISH, length);
    enqueue(sim, ring,
            (struct ring_operation){.user = user,
                                    .file = file,
                                    .node = handle->node,
                                    .buffer = buffer,
                                    .length = length,
                                    .offset = offset});
    return 0;
}

/* --- doing --- */

/* The memory of a write belongs to the kernel until it is done. */
static void check_unchanged(const struct sim *sim, const struct ring_operation *operation)
{
    for (uint32_t i = 0; i < sim->change_count; i++) {
        const struct change *change = &sim->changes[i];
        struct bytes *now;

        if (change->number != operation->number) continue;
        now = bytes_gather(operation->pieces, operation->count, operation->length);
        SIM_CHECK(
            (now == NULL) == (change->data == NULL) &&
                (now == NULL || memcmp(now->bytes, change->data->bytes, operation->length) == 0),
            "memory was changed while a ring wrote it (offset %llu)",
            (unsigned long long)operation->offset);
        free(now);
    }
}

static int64_t do_write(struct sim *sim, const struct ring_operation *operation)
{
    const struct node *node = sim->nodes[operation->node];
    enum sim_dropped dropped = SIM_KEPT;
    char path[SIM_PATH_MAX];
    uint64_t room;
    int result;

    check_unchanged(sim, operation);
    node_path(sim, operation->node, path);
    result = fault_strike(sim, SIM_WRITE, path, operation->offset, operation->length, NULL);
    room = room_for(sim, node, operation->length, operation->offset);
    if (result == 0 && room == 0) result = -ENOSPC;
    if (result < 0) {
        change_fail(sim, operation->number, result);
        return result;
    }
    if (room < operation->length) change_shorten(sim, operation->number, room);
    change_land(sim, operation->number);
    if (room < operation->length) return -ENOSPC;
    result = fault_strike(sim, SIM_SYNC, path, 0, 0, &dropped);
    if (result < 0) {
        file_drop(sim, operation->node, dropped);
        return result;
    }
    file_settle(sim, operation->node);
    return (int64_t)operation->length;
}

static int64_t do_read(struct sim *sim, const struct ring_operation *operation)
{
    char path[SIM_PATH_MAX];
    int result;

    node_path(sim, operation->node, path);
    result = fault_strike(sim, SIM_READ, path, operation->offset, operation->length, NULL);
    if (result < 0) return result;
    return (int64_t)image_read(&sim->nodes[operation->node]->cache, operation->buffer,
                               operation->length, operation->offset);
}

static void finish(struct sim *sim, mp_env_ring *ring, unsigned index, mp_env_completion *out)
{
    const struct ring_operation operation = ring->operations[index];

    ring->operations[index] = ring->operations[--ring->count];
    out->user = operation.user;
    out->result = operation.write ? do_write(sim, &operation) : do_read(sim, &operation);
}

/* Finishes one of those that are ready, any of them; false when none is. */
static bool finish_any(struct sim *sim, mp_env_ring *ring, mp_env_completion *out)
{
    unsigned ready = 0;
    uint64_t chosen;

    for (unsigned i = 0; i < ring->count; i++) ready += ring->operations[i].delay == 0;
    if (ready == 0) return false;
    chosen = random_below(&sim->chance, ready);
    for (unsigned i = 0;; i++) {
        if (ring->operations[i].delay != 0) continue;
        if (chosen-- > 0) continue;
        finish(sim, ring, i, out);
        return true;
    }
}

static unsigned reap(struct sim *sim, mp_env_ring *ring, mp_env_completion *completions,
                     unsigned max)
{
    unsigned count = 0;

    while (count < max && finish_any(sim, ring, &completions[count])) count++;
    for (unsigned i = 0; i < ring->count; i++) {
        if (ring->operations[i].delay > 0) ring->operations[i].delay--;
    }
    return count;
}

int sim_ring_reap(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                  uint64_t timeout_ns)
{
    struct sim *sim = context;
    unsigned count;

    if (sim->dead) return -EIO;
    SIM_CHECK(lives(sim, ring), "a ring of a dead process is used");
    if (max == 0) return -EINVAL;
    for (;;) {
        uint64_t step = timeout_ns < WAIT_STEP_NS ? timeout_ns : WAIT_STEP_NS;

        count = reap(sim, ring, completions, max);
        if (count > 0 || timeout_ns == 0) return (int)count;
        if (ring->woken) {
            ring->woken = false;
            return 0;
        }
        if (ring->count == 0) {
            SIM_CHECK(timeout_ns != UINT64_MAX, "ring_reap would sleep for ever");
            step = timeout_ns;
        }
        sim_pass(sim, step);
        if (timeout_ns != UINT64_MAX) timeout_ns -= step;
    }
}

void sim_ring_wake(void *context, mp_env_ring *ring)
{
    (void)context;
    ring->woken = true;
}

void sim_ring_close(void *context, mp_env_ring *ring)
{
    struct sim *sim = context;
    mp_env_ring **place = &sim->rings;

    while (*place != ring) {
        SIM_CHECK(*place != NULL, "a ring is closed that isn't open");
        place = &(*place)->next;
    }
    while (!sim->dead && lives(sim, ring) && ring->count > 0) {
        mp_env_completion unused;

        finish(sim, ring, (unsigned)random_below(&sim->chance, ring->count), &unused);
    }
    *place = ring->next;
    free(ring);
}
