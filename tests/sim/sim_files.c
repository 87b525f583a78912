/* The calls of an open file. */
#include "sim_internal.h"

struct handle *handle_find(struct sim *sim, int file)
{
    struct handle *handle = &sim->handles[file > 0 ? file % HANDLES : 0];

    return file > 0 && handle->number == file ? handle : NULL;
}

bool aligned(const struct handle *handle, const void *data, size_t length, uint64_t offset)
{
    if ((handle->flags & MP_ENV_DIRECT) == 0) return true;
    return (uintptr_t)data % SIM_PAGE == 0 && length % SIM_PAGE == 0 && offset % SIM_PAGE == 0;
}

/* Whether a file has a name or is open; one that hasn't gives its space back, although a power cut
 * may bring it back. */
static bool takes_space(const struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < sim->live.count; i++) {
        if (sim->live.entries[i].node == node) return true;
    }
    for (uint32_t i = 0; i < HANDLES; i++) {
        if (sim->handles[i].number != 0 && sim->handles[i].node == node) return true;
    }
    return false;
}

uint64_t sim_used(const struct sim *sim)
{
    uint64_t pages = 0;

    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct node *node = sim->nodes[i];

        if (node == NULL || node->cache.size == 0 || !takes_space(sim, i)) continue;
        pages += image_taken(&node->cache, node->cache.size, 0);
    }
    return pages * SIM_PAGE;
}

uint64_t room_for(const struct sim *sim, const struct node *node, uint64_t length, uint64_t offset)
{
    uint64_t used, left, end = offset + length;

    if (sim->settings.disk_bytes == UINT64_MAX) return length;
    used = sim_used(sim);
    left = used < sim->settings.disk_bytes ? sim->settings.disk_bytes - used : 0;
    for (uint64_t at = offset; at < end; at = (at / SIM_PAGE + 1) * SIM_PAGE) {
        if (image_taken(&node->cache, 1, at) > 0) continue;
        if (left < SIM_PAGE) return at - offset;
        left -= SIM_PAGE;
    }
    return length;
}

/* --- opening and closing --- */

/* Gives the lowest numbers last, so that an old number is not soon a new file. */
static int handle_make(struct sim *sim, uint32_t node, unsigned flags)
{
    for (unsigned i = 0; i < HANDLES; i++) {
        struct handle *handle = &sim->handles[++sim->last_file % HANDLES];

        if (handle->number != 0 || sim->last_file % HANDLES == 0) continue;
        *handle = (struct handle){.number = sim->last_file, .node = node, .flags = flags};
        return handle->number;
    }
    return -EMFILE;
}

static int open_there(struct sim *sim, const char *path, uint32_t node, unsigned flags)
{
    int result = fault_strike(sim, SIM_OPEN, path, 0, 0, NULL);

    if (result < 0) return result;
    if (sim->nodes[node]->directory) return (flags & MP_ENV_WRITE) != 0 ? -EISDIR : -EINVAL;
    return 0;
}

int sim_file_open(void *context, const char *path, unsigned flags)
{
    struct sim *sim = context;
    struct place place;
    uint32_t node = ROOT;
    int result = sim->dead ? -EIO : place_find(sim, path, &place);

    if (result < 0) return result;
    if (place.name[0] == '\0') return -EISDIR;
    if ((flags & MP_ENV_WRITE) != 0 && sim->settings.read_only) {
        return place.entry == NULL && (flags & MP_ENV_CREATE) == 0 ? -ENOENT : -EROFS;
    }
    if (place.entry == NULL) {
        if ((flags & MP_ENV_CREATE) == 0) return -ENOENT;
        result = guard(sim);
        if (result == 0) result = place_link(sim, &place, false, &node);
    } else {
        node = place.entry->node;
        result = open_there(sim, path, node, flags);
    }
    if (result < 0) return result;
    /* As Linux does, after the file is made. */
    if ((flags & MP_ENV_DIRECT) != 0 && sim->settings.no_direct) return -EINVAL;
    return handle_make(sim, node, flags);
}

int sim_file_close(void *context, int file)
{
    struct sim *sim = context;
    struct handle *handle = handle_find(sim, file);
    struct node *node;

    if (sim->dead) return -EIO;
    if (handle == NULL) return -EBADF;
    SIM_CHECK(!ring_uses(sim, file), "file %d is closed while a ring works on it", file);
    node = sim->nodes[handle->node];
    if (node->lock == file) node->lock = 0;
    handle->number = 0;
    nodes_collect(sim);
    return 0;
}

/* --- looking --- */

int64_t sim_file_size(void *context, int file)
{
    struct sim *sim = context;
    const struct handle *handle = handle_find(sim, file);

    if (sim->dead) return -EIO;
    return handle == NULL ? -EBADF : (int64_t)sim->nodes[handle->node]->cache.size;
}

int64_t sim_file_read(void *context, int file, void *buffer, size_t length, uint64_t offset)
{
    struct sim *sim = context;
    const struct handle *handle = handle_find(sim, file);
    char path[SIM_PATH_MAX];
    int result;

    if (sim->dead) return -EIO;
    if (handle == NULL) return -EBADF;
    if (!aligned(handle, buffer, length, offset)) return -EINVAL;
    node_path(sim, handle->node, path);
    result = fault_strike(sim, SIM_READ, path, offset, length, NULL);
    if (result < 0) return result;
    return (int64_t)image_read(&sim->nodes[handle->node]->cache, buffer, length, offset);
}

/* --- changing --- */

/* A file open for writing, in a world that can be written. */
static int writable(struct sim *sim, int file, const struct handle **handle)
{
    *handle = handle_find(sim, file);
    if (sim->dead) return -EIO;
    if (*handle == NULL || ((*handle)->flags & MP_ENV_WRITE) == 0) return -EBADF;
    return guard(sim);
}

int sim_file_allocate(void *context, int file, uint64_t offset, uint64_t length)
{
    struct sim *sim = context;
    const struct handle *handle;
    int result = writable(sim, file, &handle);

    if (result < 0) return result;
    if (length == 0) return -EINVAL;
    if (room_for(sim, sim->nodes[handle->node], length, offset) < length) return -ENOSPC;
    return change_carry_out(
        sim, SIM_ALLOCATE, "allocate",
        (struct change){
            .kind = ALLOCATE, .node = handle->node, .offset = offset, .length = length});
}

/* A write under way here is over, or lost, when its process dies. */
int sim_file_settle(void *context, int file)
{
    struct sim *sim = context;
    const struct handle *handle;
    int result = writable(sim, file, &handle);

    return result < 0 ? result : 0;
}

int sim_file_resize(void *context, int file, uint64_t size)
{
    struct sim *sim = context;
    const struct handle *handle;
    struct change change = {.kind = RESIZE, .length = size};
    int result = writable(sim, file, &handle);

    if (result < 0) return result;
    change.node = handle->node;
    change.cuts = size < sim->nodes[handle->node]->cache.size;
    return change_carry_out(sim, SIM_RESIZE, "resize", change);
}

int sim_file_sync(void *context, int file)
{
    struct sim *sim = context;
    const struct handle *handle = handle_find(sim, file);
    enum sim_dropped dropped = SIM_KEPT;
    char path[SIM_PATH_MAX];
    int result;

    if (sim->dead) return -EIO;
    if (handle == NULL) return -EBADF;
    node_path(sim, handle->node, path);
    result = operation_begin(sim, SIM_SYNC, "sync", path, 0, 0, &dropped);
    if (result == 0) {
        file_settle(sim, handle->node);
    } else if (!sim->dead) {
        file_drop(sim, handle->node, dropped);
    }
    return result;
}

/* The second half of a durable write. */
static int make_durable(struct sim *sim, uint32_t node, uint64_t number)
{
    char path[SIM_PATH_MAX];
    enum sim_dropped dropped = SIM_KEPT;
    int result;

    node_path(sim, node, path);
    result = fault_strike(sim, SIM_SYNC, path, 0, 0, &dropped);
    if (result < 0) {
        file_drop(sim, node, dropped);
    } else if (sim->settings.durable_covers_all) {
        file_settle(sim, node);
    } else {
        change_settle(sim, number);
    }
    return result;
}

int64_t sim_file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                       uint64_t offset, bool durable)
{
    struct sim *sim = context;
    const struct handle *handle;
    struct change change = {.kind = WRITE, .offset = offset};
    uint64_t length = 0, room;
    int result = writable(sim, file, &handle);

    if (result < 0) return result;
    for (unsigned i = 0; i < count; i++) {
        if (!aligned(handle, pieces[i].data, pieces[i].length, offset)) return -EINVAL;
        length += pieces[i].length;
    }
    if (length == 0) return 0;
    room = room_for(sim, sim->nodes[handle->node], length, offset);
    if (room > 0) {
        change.node = handle->node;
        change.length = room;
        change.data = bytes_gather(pieces, count, room);
        result = change_carry_out(sim, SIM_WRITE, durable ? "write durably" : "write", change);
        if (result == 0 && durable && room == length) {
            result = make_durable(sim, handle->node, sim->last_change);
        }
        if (result < 0) return result;
    }
    return room < length ? -ENOSPC : (int64_t)length;
}

/* --- locks --- */

int sim_file_lock(void *context, int file)
{
    struct sim *sim = context;
    const struct handle *handle = handle_find(sim, file);
    struct node *node;

    if (sim->dead) return -EIO;
    if (handle == NULL || (handle->flags & MP_ENV_WRITE) == 0) return -EBADF;
    node = sim->nodes[handle->node];
    if (node->lock != 0 && node->lock != file) return -EAGAIN;
    node->lock = file;
    return 0;
}

int sim_file_locked(void *context, int file)
{
    struct sim *sim = context;
    const struct handle *handle = handle_find(sim, file);

    if (sim->dead) return -EIO;
    if (handle == NULL) return -EBADF;
    return sim->nodes[handle->node]->lock != 0 && sim->nodes[handle->node]->lock != file;
}
