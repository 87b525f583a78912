/* What is left of changes that weren't durable, or in flight, when the power goes or the process
 * dies. */
#include "sim_internal.h"

/* --- by chance --- */

/* Which sectors of a torn write are there: a coin for each; or all up to one, from one on, all but
 * one, only one. */
static void tear(struct sim *sim, struct change *change)
{
    uint64_t count = change_sectors(change);
    uint64_t at = random_below(&sim->chance, count), way = random_below(&sim->chance, 8);
    uint8_t *sectors = change_mask(change);

    for (uint64_t i = 0; i < count; i++) {
        bool there;

        switch (way) {
        case 0: there = i < at; break;
        case 1: there = i >= at; break;
        case 2: there = i != at; break;
        case 3: there = i == at; break;
        default: there = random_below(&sim->chance, 2) != 0; break;
        }
        if (!there) sectors[i] = 0;
    }
}

static bool any_sector(const struct change *change)
{
    if (change->sectors == NULL) return true;
    return memchr(change->sectors, 1, change_sectors(change)) != NULL;
}

bool change_decide(struct sim *sim, struct change *change)
{
    uint64_t way = random_below(&sim->chance, change->kind == WRITE ? 3 : 2);

    if (way == SIM_TORN) tear(sim, change);
    return way != SIM_ABSENT && (change->kind != WRITE || any_sector(change));
}

/* --- page by page --- */

/* The sectors of a write that lie in its n-th page, by index: from *first to before *end. */
static void unit_sectors(const struct change *change, uint32_t unit, uint64_t *first, uint64_t *end)
{
    const uint64_t in_page = SIM_PAGE / SIM_SECTOR;
    uint64_t base = change->offset / SIM_SECTOR;
    uint64_t page = change->offset / SIM_PAGE + unit;

    *first = page * in_page > base ? page * in_page - base : 0;
    *end = (page + 1) * in_page - base;
    if (*end > change_sectors(change)) *end = change_sectors(change);
}

static uint32_t change_units(const struct change *change)
{
    if (change->kind != WRITE) return 1;
    return (uint32_t)((change->offset + change->length - 1) / SIM_PAGE - change->offset / SIM_PAGE +
                      1);
}

static uint64_t unit_alive(const struct change *change, uint32_t unit)
{
    uint64_t first, end, alive = 0;

    unit_sectors(change, unit, &first, &end);
    for (uint64_t i = first; i < end; i++) alive += change->sectors == NULL || change->sectors[i];
    return alive;
}

/* Whether nothing but zeros go over zeros: no other change of the file is pending there. */
static bool unit_is_void(const struct sim *sim, const struct change *change, uint32_t unit)
{
    const struct image *durable = &sim->nodes[change->node]->durable;
    uint64_t page = change->offset / SIM_PAGE + unit;

    if (change->data != NULL || (page + 1) * SIM_PAGE > durable->size) return false;
    for (uint32_t i = 0; i < sim->change_count; i++) {
        const struct change *other = &sim->changes[i];

        if (other == change || change_is_of_names(other) || other->node != change->node) continue;
        if (other->kind != WRITE) return false;
        if (other->data != NULL && other->offset < (page + 1) * SIM_PAGE &&
            other->offset + other->length > page * SIM_PAGE)
            return false;
    }
    return image_page_is_zero(durable, page);
}

/* How many states a unit has. */
static unsigned unit_states(const struct sim *sim, const struct change *change, uint32_t unit)
{
    if (change->kind != WRITE) return SIM_PRESENT + 1;
    if (unit_is_void(sim, change, unit)) return SIM_ABSENT + 1;
    switch (unit_alive(change, unit)) {
    case 0: return SIM_ABSENT + 1;
    case 1: return SIM_PRESENT + 1;
    default: return SIM_TORN + 1;
    }
}

/* Some of the unit's sectors are lost, and some aren't. */
static void unit_tear(struct change *change, uint32_t unit)
{
    uint64_t first, end, alive = unit_alive(change, unit), seen = 0;
    uint64_t hash = (change->number * 0x9e3779b97f4a7c15ull) ^ (unit * 0xc2b2ae3d27d4eb4full);
    bool ends =
        (hash >> 40 & 1) != 0; /* what becomes of the first one, which decides on the last */
    uint8_t *sectors = change_mask(change);

    unit_sectors(change, unit, &first, &end);
    for (uint64_t i = first; i < end; i++) {
        if (!sectors[i]) continue;
        seen++;
        if (seen == 1) {
            sectors[i] = ends;
        } else if (seen == alive) {
            sectors[i] = !ends;
        } else {
            sectors[i] = hash >> (i - first) & 1;
        }
    }
}

static bool change_as(struct change *change, const uint8_t *states)
{
    if (change->kind != WRITE) return states[0] != SIM_ABSENT;
    for (uint32_t unit = 0; unit < change_units(change); unit++) {
        uint64_t first, end;

        if (states[unit] == SIM_TORN) unit_tear(change, unit);
        if (states[unit] != SIM_ABSENT) continue;
        unit_sectors(change, unit, &first, &end);
        memset(change_mask(change) + first, 0, end - first);
    }
    return any_sector(change);
}

uint32_t sim_cut_units(const struct sim *sim)
{
    uint32_t units = 0;

    for (uint32_t i = 0; i < sim->change_count; i++) units += change_units(&sim->changes[i]);
    return units;
}

bool sim_cut_next(const struct sim *sim, uint8_t *states)
{
    for (uint32_t i = 0; i < sim->change_count; i++) {
        const struct change *change = &sim->changes[i];

        for (uint32_t unit = 0; unit < change_units(change); unit++, states++) {
            if (++*states < unit_states(sim, change, unit)) return true;
            *states = 0;
        }
    }
    return false;
}

/* --- the power goes --- */

static void restart(struct sim *sim)
{
    memset(sim->handles, 0, sizeof sim->handles);
    memset(sim->events, 0, sizeof sim->events);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i] != NULL) sim->nodes[i]->lock = 0;
    }
    sim->dead = false;
    sim->crash_at = 0;
    sim->idle = 0;
    sim->life++;
}

/* Brings a change to the disk if it is there, and its predecessors are. */
static void resolve(struct sim *sim, const struct change *change, bool there)
{
    struct node *node = sim->nodes[change->node];
    struct node *from = sim->nodes[change->from], *to = sim->nodes[change->to];

    if (change_is_of_names(change)) {
        if (change->kind == LINK) from = to;
        if (change->kind == UNLINK) to = from;
        there = there && !from->lost && !to->lost;
        if (there) {
            names_apply(&sim->durable, change);
        } else {
            from->lost = to->lost = true;
        }
        return;
    }
    if (node->lost) return;
    if (there) {
        image_change(&node->durable, change);
    } else if (change->cuts) {
        node->lost = true;
    }
}

static void machine_restart(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->change_count; i++) change_free(&sim->changes[i]);
    sim->change_count = 0;
    names_copy(&sim->live, &sim->durable);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i] == NULL) continue;
        image_copy(&sim->nodes[i]->cache, &sim->nodes[i]->durable);
        sim->nodes[i]->lost = false;
    }
    restart(sim);
    nodes_collect(sim);
}

/* The i-th change at a random cut; `until` = from where on nothing is there, if the disk kept to
 * the order. */
static bool random_cut(struct sim *sim, uint32_t i, uint64_t until)
{
    if (until == UINT64_MAX || i == until) return change_decide(sim, &sim->changes[i]);
    return i < until;
}

void sim_power_cut(struct sim *sim, enum sim_cut cut)
{
    uint64_t until = UINT64_MAX;

    /* Else all and nothing, which most bugs ask for, would be rare among many changes. */
    if (cut == SIM_CUT_RANDOM && random_below(&sim->chance, 4) == 0) {
        until = random_below(&sim->chance, sim->change_count + 1);
    }
    for (uint32_t i = 0; i < sim->change_count; i++) {
        bool there = cut == SIM_CUT_RANDOM ? random_cut(sim, i, until) : cut == SIM_CUT_PRESENT;

        resolve(sim, &sim->changes[i], there);
    }
    machine_restart(sim);
}

void sim_power_cut_as(struct sim *sim, const uint8_t *states)
{
    for (uint32_t i = 0; i < sim->change_count; i++) {
        struct change *change = &sim->changes[i];
        uint32_t units = change_units(change);

        resolve(sim, change, change_as(change, states));
        states += units;
    }
    machine_restart(sim);
}

void sim_kill(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->change_count;) {
        struct change *change = &sim->changes[i];

        if (!change->flying) {
            i++;
        } else if (change_decide(sim, change)) {
            change_land(sim, change->number);
            i++;
        } else {
            change_forget(sim, i);
        }
    }
    restart(sim);
    nodes_collect(sim);
}
