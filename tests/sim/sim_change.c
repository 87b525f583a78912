/* Changes that aren't durable yet: how they land, how they become durable. sim_cut.c has what is
 * left of them when the power goes. */
#include "sim_internal.h"

/* --- their life --- */

struct bytes *bytes_gather(const mp_env_piece *pieces, unsigned count, uint64_t length)
{
    struct bytes *bytes = sim_memory(sizeof *bytes + length);
    uint64_t done = 0;

    bytes->references = 1;
    for (unsigned i = 0; i < count && done < length; i++) {
        uint64_t step = pieces[i].length < length - done ? pieces[i].length : length - done;

        if (step > 0) memcpy(bytes->bytes + done, pieces[i].data, step);
        done += step;
    }
    if (length > 0 && bytes->bytes[0] == 0 &&
        memcmp(bytes->bytes, bytes->bytes + 1, length - 1) == 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

void change_free(struct change *change)
{
    if (change->data != NULL && --change->data->references == 0) free(change->data);
    free(change->sectors);
    change->data = NULL;
    change->sectors = NULL;
}

struct change change_copy(const struct change *change)
{
    struct change copy = *change;

    if (copy.data != NULL) copy.data->references++;
    if (copy.sectors != NULL) {
        copy.sectors = sim_memory(change_sectors(change));
        memcpy(copy.sectors, change->sectors, change_sectors(change));
    }
    return copy;
}

uint64_t change_add(struct sim *sim, struct change change)
{
    change.flying = true;
    change.number = ++sim->last_change;
    sim->changes = sim_more(sim->changes, sim->change_count, sizeof *sim->changes);
    sim->changes[sim->change_count++] = change;
    return change.number;
}

static uint32_t change_index(const struct sim *sim, uint64_t number)
{
    uint32_t index = sim->change_count;

    while (index > 0 && sim->changes[index - 1].number != number) index--;
    SIM_CHECK(index > 0, "a change is not there");
    return index - 1;
}

void change_forget(struct sim *sim, uint32_t index)
{
    change_free(&sim->changes[index]);
    sim->change_count--;
    memmove(sim->changes + index, sim->changes + index + 1,
            (sim->change_count - index) * sizeof *sim->changes);
}

bool change_is_of_names(const struct change *change) { return change->kind >= LINK; }

/* --- sectors of a write --- */

uint64_t change_sectors(const struct change *change)
{
    if (change->kind != WRITE) return 0;
    return (change->offset + change->length - 1) / SIM_SECTOR - change->offset / SIM_SECTOR + 1;
}

/* The part of a sector that a write touches. */
static void sector_range(const struct change *change, uint64_t sector, uint64_t *begin,
                         uint64_t *end)
{
    *begin = (change->offset / SIM_SECTOR + sector) * SIM_SECTOR;
    *end = *begin + SIM_SECTOR;
    if (*begin < change->offset) *begin = change->offset;
    if (*end > change->offset + change->length) *end = change->offset + change->length;
}

uint8_t *change_mask(struct change *change)
{
    if (change->sectors == NULL) {
        change->sectors = sim_memory(change_sectors(change));
        memset(change->sectors, 1, change_sectors(change));
    }
    return change->sectors;
}

/* Calls back for each run of sectors that are there, with the bytes that it covers. */
static void each_run(const struct change *change,
                     void (*run)(void *context, const struct change *change, uint64_t begin,
                                 uint64_t end),
                     void *context)
{
    uint64_t count = change_sectors(change);

    if (change->sectors == NULL) {
        run(context, change, change->offset, change->offset + change->length);
        return;
    }
    for (uint64_t first = 0; first < count; first++) {
        uint64_t last = first, begin, end, unused;

        if (!change->sectors[first]) continue;
        while (last + 1 < count && change->sectors[last + 1]) last++;
        sector_range(change, first, &begin, &unused);
        sector_range(change, last, &unused, &end);
        run(context, change, begin, end);
        first = last;
    }
}

static void run_write(void *context, const struct change *change, uint64_t begin, uint64_t end)
{
    const uint8_t *data =
        change->data == NULL ? NULL : change->data->bytes + (begin - change->offset);

    image_write(context, data, end - begin, begin);
}

void image_change(struct image *image, const struct change *change)
{
    switch (change->kind) {
    case WRITE: each_run(change, run_write, image); break;
    case RESIZE:
        if (change->cuts || change->length > image->size) image_resize(image, change->length);
        break;
    case ALLOCATE: image_allocate(image, change->offset, change->length); break;
    default: sim_broken("a change of names isn't one of bytes");
    }
}

/* --- landing --- */

void change_land(struct sim *sim, uint64_t number)
{
    struct change *change = &sim->changes[change_index(sim, number)];

    if (!change->flying) return;
    change->flying = false;
    if (change_is_of_names(change)) {
        names_apply(&sim->live, change);
    } else {
        image_change(&sim->nodes[change->node]->cache, change);
    }
}

void change_fail(struct sim *sim, uint64_t number, int error)
{
    uint32_t index = change_index(sim, number);
    struct change *change = &sim->changes[index];

    if (error == -EIO && change->kind == WRITE && change_decide(sim, change)) {
        change_land(sim, number);
    } else {
        change_forget(sim, index);
    }
}

void change_shorten(struct sim *sim, uint64_t number, uint64_t length)
{
    struct change *change = &sim->changes[change_index(sim, number)];

    SIM_CHECK(change->kind == WRITE && length > 0 && length <= change->length &&
                  change->sectors == NULL,
              "only a whole write can be shortened");
    change->length = length;
}

int change_carry_out(struct sim *sim, unsigned bit, const char *what, struct change change)
{
    char path[SIM_PATH_MAX];
    uint64_t number = change_add(sim, change);
    int result;

    if (change_is_of_names(&change)) {
        uint32_t directory = change.kind == UNLINK ? change.from : change.to;
        char above[SIM_PATH_MAX];

        node_path(sim, directory, above);
        snprintf(path, sizeof path, "%.*s%s%s", SIM_PATH_MAX - NAME_MAX_BYTES - 2, above,
                 directory != ROOT ? "/" : "",
                 change.kind == UNLINK ? change.from_name : change.to_name);
    } else {
        node_path(sim, change.node, path);
    }
    result = operation_begin(sim, bit, what, path, change.offset, change.length, NULL);
    if (sim->dead) return -EIO;
    if (result < 0) {
        change_fail(sim, number, result);
        return result;
    }
    change_land(sim, number);
    return 0;
}

/* --- becoming durable --- */

static void run_take(void *context, const struct change *change, uint64_t begin, uint64_t end)
{
    struct node *node = context;

    (void)change;
    begin = begin / SIM_SECTOR * SIM_SECTOR;
    end = (end + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
    image_take(&node->durable, &node->cache, end - begin, begin);
}

/* What the page cache holds goes to the disk, so all that lies in the same sectors. */
static void change_to_disk(struct node *node, const struct change *change)
{
    if (change->kind == WRITE) {
        each_run(change, run_take, node);
    } else {
        image_change(&node->durable, change);
    }
}

void file_settle(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < sim->change_count;) {
        const struct change *change = &sim->changes[i];

        if (change->flying || change_is_of_names(change) || change->node != node) {
            i++;
            continue;
        }
        change_to_disk(sim->nodes[node], change);
        change_forget(sim, i);
    }
}

/* A cut that isn't durable takes what came before it along when something behind it becomes
 * durable. */
static void settle_cuts(struct sim *sim, uint32_t node, uint64_t number)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < sim->change_count; i++) {
        const struct change *change = &sim->changes[i];

        if (change->node == node && change->kind == RESIZE && change->cuts && !change->flying &&
            change->number < number) {
            last = change->number;
        }
    }
    for (uint32_t i = 0; i < sim->change_count && sim->changes[i].number <= last;) {
        const struct change *change = &sim->changes[i];

        if (change->flying || change_is_of_names(change) || change->node != node) {
            i++;
            continue;
        }
        image_change(&sim->nodes[node]->durable, change);
        change_forget(sim, i);
    }
}

/* Older writes no longer decide what the sectors hold. */
static void clip_older(struct sim *sim, uint32_t node, uint64_t begin, uint64_t end)
{
    for (uint32_t i = 0; i < sim->change_count; i++) {
        struct change *change = &sim->changes[i];
        uint64_t first = change->offset / SIM_SECTOR;

        if (change->flying || change->kind != WRITE || change->node != node) continue;
        if (change->offset >= end || change->offset + change->length <= begin) continue;
        for (uint64_t sector = 0; sector < change_sectors(change); sector++) {
            if ((first + sector) * SIM_SECTOR >= begin && (first + sector) * SIM_SECTOR < end) {
                change_mask(change)[sector] = 0;
            }
        }
    }
}

void change_settle(struct sim *sim, uint64_t number)
{
    uint32_t node = sim->changes[change_index(sim, number)].node;
    struct change change;
    uint64_t begin, end;

    settle_cuts(sim, node, number);
    change = change_copy(&sim->changes[change_index(sim, number)]);
    change_forget(sim, change_index(sim, number));
    SIM_CHECK(change.kind == WRITE && !change.flying,
              "only a landed write is made durable by itself");
    change_to_disk(sim->nodes[node], &change);
    begin = change.offset / SIM_SECTOR * SIM_SECTOR;
    end = (change.offset + change.length + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
    clip_older(sim, node, begin, end);
    change_free(&change);
}

void file_drop(struct sim *sim, uint32_t node, enum sim_dropped dropped)
{
    if (dropped == SIM_KEPT) return;
    for (uint32_t i = 0; i < sim->change_count;) {
        struct change *change = &sim->changes[i];

        if (change->flying || change->kind != WRITE || change->node != node) {
            i++;
            continue;
        }
        if (dropped == SIM_DROPPED_RANDOM && change_decide(sim, change)) {
            image_change(&sim->nodes[node]->durable, change);
        }
        change_forget(sim, i);
    }
}

static bool change_touches(const struct change *change, const uint8_t *directories)
{
    return change_is_of_names(change) && !change->flying &&
           ((change->kind != LINK && directories[change->from]) ||
            (change->kind != UNLINK && directories[change->to]));
}

void directory_settle(struct sim *sim, uint32_t directory)
{
    uint8_t *directories = sim_memory(sim->node_count);
    uint8_t *settled = sim_memory(sim->change_count + 1);
    uint32_t kept = 0;

    directories[directory] = 1;
    for (uint32_t i = sim->change_count; i > 0;
         i--) { /* a rename takes its other directory's past along */
        const struct change *change = &sim->changes[i - 1];

        settled[i - 1] = change_touches(change, directories);
        if (!settled[i - 1]) continue;
        if (change->kind != LINK) directories[change->from] = 1;
        if (change->kind != UNLINK) directories[change->to] = 1;
    }
    for (uint32_t i = 0; i < sim->change_count; i++) {
        if (settled[i]) {
            names_apply(&sim->durable, &sim->changes[i]);
            change_free(&sim->changes[i]);
        } else {
            sim->changes[kept++] = sim->changes[i];
        }
    }
    sim->change_count = kept;
    free(directories);
    free(settled);
}
