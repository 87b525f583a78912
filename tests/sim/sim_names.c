/* Files and directories by name: what is live, what is durable, and the calls that change it. */
#include "sim_internal.h"

/* --- nodes --- */

uint32_t node_make(struct sim *sim, bool directory)
{
    uint32_t number = 0;

    while (number < sim->node_count && sim->nodes[number] != NULL) number++;
    if (number == sim->node_count) {
        sim->nodes = sim_more(sim->nodes, sim->node_count, sizeof(void *));
        sim->node_count++;
    }
    sim->nodes[number] = sim_memory(sizeof *sim->nodes[number]);
    sim->nodes[number]->directory = directory;
    return number;
}

static bool names_reach(struct sim *sim, const struct names *names)
{
    bool more = false;

    for (uint32_t i = 0; i < names->count; i++) {
        const struct entry *entry = &names->entries[i];

        if (!sim->nodes[entry->directory]->reachable || sim->nodes[entry->node]->reachable)
            continue;
        sim->nodes[entry->node]->reachable = true;
        more = true;
    }
    return more;
}

static void names_purge(const struct sim *sim, struct names *names)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < names->count; i++) {
        if (sim->nodes[names->entries[i].directory]->reachable) {
            names->entries[kept++] = names->entries[i];
        }
    }
    names->count = kept;
}

void nodes_collect(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i] != NULL) sim->nodes[i]->reachable = i == ROOT;
    }
    for (uint32_t i = 0; i < HANDLES; i++) {
        if (sim->handles[i].number != 0) sim->nodes[sim->handles[i].node]->reachable = true;
    }
    for (uint32_t i = 0; i < sim->change_count; i++) {
        sim->nodes[sim->changes[i].node]->reachable = true;
        sim->nodes[sim->changes[i].from]->reachable = true; /* the root where it means nothing */
        sim->nodes[sim->changes[i].to]->reachable = true;
    }
    for (bool more = true; more;) {
        more = names_reach(sim, &sim->live);
        more |= names_reach(sim, &sim->durable);
    }
    names_purge(sim, &sim->live);
    names_purge(sim, &sim->durable);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        struct node *node = sim->nodes[i];

        if (node == NULL || node->reachable) continue;
        image_free(&node->cache);
        image_free(&node->durable);
        free(node);
        sim->nodes[i] = NULL;
    }
}

/* --- names --- */

struct entry *names_find(const struct names *names, uint32_t directory, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        struct entry *entry = &names->entries[i];

        if (entry->directory == directory && strcmp(entry->name, name) == 0) return entry;
    }
    return NULL;
}

static void names_drop(struct names *names, uint32_t directory, const char *name)
{
    struct entry *entry = names_find(names, directory, name);

    if (entry != NULL) *entry = names->entries[--names->count];
}

static void names_set(struct names *names, uint32_t directory, const char *name, uint32_t node)
{
    struct entry *entry = names_find(names, directory, name);

    if (entry == NULL) {
        names->entries = sim_more(names->entries, names->count, sizeof *names->entries);
        entry = &names->entries[names->count++];
    }
    *entry = (struct entry){.directory = directory, .node = node};
    snprintf(entry->name, sizeof entry->name, "%s", name);
}

void names_apply(struct names *names, const struct change *change)
{
    if (change->kind != LINK) names_drop(names, change->from, change->from_name);
    if (change->kind != UNLINK) names_set(names, change->to, change->to_name, change->node);
}

void names_copy(struct names *to, const struct names *from)
{
    free(to->entries);
    *to = (struct names){0};
    for (uint32_t i = 0; i < from->count; i++) {
        to->entries = sim_more(to->entries, to->count, sizeof *to->entries);
        to->entries[to->count++] = from->entries[i];
    }
}

/* --- paths --- */

/* Takes the first name off a path; false when there is none left. */
static int next_name(const char **path, char name[NAME_MAX_BYTES])
{
    size_t length = 0;

    for (;;) {
        while (**path == '/') ++*path;
        if ((*path)[0] != '.' || ((*path)[1] != '/' && (*path)[1] != '\0')) break;
        ++*path;
    }
    while ((*path)[length] != '/' && (*path)[length] != '\0') length++;
    if (length >= NAME_MAX_BYTES) return -ENAMETOOLONG;
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length;
    return length > 0;
}

int place_find(const struct sim *sim, const char *path, struct place *out)
{
    char next[NAME_MAX_BYTES];
    int more;

    *out = (struct place){.directory = ROOT};
    if (strlen(path) >= SIM_PATH_MAX) return -ENAMETOOLONG;
    while ((more = next_name(&path, next)) > 0) {
        if (out->name[0] != '\0') {
            if (out->entry == NULL) return -ENOENT;
            if (!sim->nodes[out->entry->node]->directory) return -ENOTDIR;
            out->directory = out->entry->node;
        }
        memcpy(out->name, next, sizeof next);
        out->entry = names_find(&sim->live, out->directory, next);
    }
    return more;
}

int directory_find(const struct sim *sim, const char *path, uint32_t *out)
{
    struct place place;
    int result = place_find(sim, path, &place);

    if (result < 0) return result;
    *out = ROOT;
    if (place.name[0] == '\0') return 0;
    if (place.entry == NULL) return -ENOENT;
    *out = place.entry->node;
    return sim->nodes[*out]->directory ? 0 : -ENOTDIR;
}

void node_path(const struct sim *sim, uint32_t node, char path[SIM_PATH_MAX])
{
    char tail[SIM_PATH_MAX] = "";

    path[0] = '\0';
    while (node != ROOT) {
        const struct entry *entry = NULL;

        for (uint32_t i = 0; i < sim->live.count && entry == NULL; i++) {
            if (sim->live.entries[i].node == node) entry = &sim->live.entries[i];
        }
        if (entry == NULL) {
            snprintf(path, SIM_PATH_MAX, "(removed)%.*s", SIM_PATH_MAX - 16, tail);
            return;
        }
        snprintf(path, SIM_PATH_MAX, "%s%s%.*s", entry->name, tail[0] != '\0' ? "/" : "",
                 SIM_PATH_MAX - NAME_MAX_BYTES - 2, tail);
        memcpy(tail, path, sizeof tail);
        node = entry->directory;
    }
}

/* --- calls --- */

int place_link(struct sim *sim, const struct place *place, bool directory, uint32_t *node)
{
    struct change change = {.kind = LINK, .to = place->directory};

    memcpy(change.to_name, place->name, sizeof change.to_name);
    *node = change.node = node_make(sim, directory);
    return change_carry_out(sim, SIM_CREATE, directory ? "make directory" : "make", change);
}

int sim_dir_make(void *context, const char *path)
{
    struct sim *sim = context;
    struct place place = {.directory = ROOT};
    uint32_t node;
    int result = guard(sim);

    if (result == 0 || result == -EROFS) {
        int found = place_find(sim, path, &place);

        if (found < 0) return found;
        if (place.name[0] == '\0' || place.entry != NULL) return -EEXIST;
    }
    return result < 0 ? result : place_link(sim, &place, true, &node);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory; NULL when there are none. */
static const char **names_in(const struct sim *sim, uint32_t directory, unsigned *count)
{
    const char **names = NULL;

    *count = 0;
    for (uint32_t i = 0; i < sim->live.count; i++) {
        if (sim->live.entries[i].directory != directory) continue;
        names = sim_more(names, *count, sizeof *names);
        names[(*count)++] = sim->live.entries[i].name;
    }
    if (*count > 0) qsort(names, *count, sizeof *names, by_name);
    return names;
}

static int names_out(const char *const *list, unsigned count, char *names, size_t size)
{
    size_t used = 0;

    if (size < 2) return -ENOBUFS;
    for (unsigned i = 0; i < count; i++) {
        size_t length = strlen(list[i]) + 1;

        if (length >= size - used) return -ENOBUFS;
        memcpy(names + used, list[i], length);
        used += length;
    }
    names[used] = '\0';
    if (count == 0) names[1] = '\0';
    return (int)count;
}

int sim_list(const struct sim *sim, const char *path, char *names, size_t size)
{
    uint32_t directory;
    int result = directory_find(sim, path, &directory);
    const char **list;
    unsigned count;

    if (result < 0) return result;
    list = names_in(sim, directory, &count);
    result = names_out(list, count, names, size);
    free(list);
    return result;
}

int sim_dir_list(void *context, const char *path, char *names, size_t size)
{
    struct sim *sim = context;
    uint32_t directory;
    const char **list;
    unsigned count;
    int result = sim->dead ? -EIO : directory_find(sim, path, &directory);

    if (result == 0) result = fault_strike(sim, SIM_LIST, path, 0, 0, NULL);
    if (result < 0) return result;
    list = names_in(sim, directory, &count);
    for (unsigned i = count; i > 1; i--) { /* nobody may rely on an order */
        unsigned other = (unsigned)random_below(&sim->order, i);
        const char *name = list[i - 1];

        list[i - 1] = list[other];
        list[other] = name;
    }
    result = names_out(list, count, names, size);
    free(list);
    return result;
}

int sim_dir_sync(void *context, const char *path)
{
    struct sim *sim = context;
    uint32_t directory;
    int result = sim->dead ? -EIO : directory_find(sim, path, &directory);

    if (result == 0)
        result = operation_begin(sim, SIM_DIR_SYNC, "sync directory", path, 0, 0, NULL);
    if (result < 0) return result;
    directory_settle(sim, directory);
    nodes_collect(sim);
    return 0;
}

int sim_filesystem(void *context, const char *path)
{
    const struct sim *sim = context;
    struct place place;
    int result = sim->dead ? -EIO : place_find(sim, path, &place);

    if (result < 0) return result;
    return place.name[0] != '\0' && place.entry == NULL ? -ENOENT : sim->settings.filesystem;
}

int sim_rename_call(void *context, const char *from, const char *to)
{
    struct sim *sim = context;
    struct change change = {.kind = RENAME};
    struct place source = {.directory = ROOT}, target = {.directory = ROOT};
    int result = guard(sim);

    if (result == 0) result = place_find(sim, from, &source);
    if (result == 0) result = place_find(sim, to, &target);
    if (result < 0) return result;
    if (source.entry == NULL) return -ENOENT;
    if (target.name[0] == '\0') return -EBUSY;
    if (target.entry != NULL && sim->nodes[target.entry->node]->directory) return -EISDIR;
    change.node = source.entry->node;
    change.from = source.directory;
    change.to = target.directory;
    memcpy(change.from_name, source.name, sizeof source.name);
    memcpy(change.to_name, target.name, sizeof target.name);
    result = change_carry_out(sim, SIM_RENAME, "rename to", change);
    nodes_collect(sim);
    return result;
}

int sim_remove_call(void *context, const char *path)
{
    struct sim *sim = context;
    struct change change = {.kind = UNLINK};
    struct place place = {.directory = ROOT};
    int result = guard(sim);

    if (result == 0) result = place_find(sim, path, &place);
    if (result < 0) return result;
    if (place.name[0] == '\0') return -EISDIR;
    if (place.entry == NULL) return -ENOENT;
    if (sim->nodes[place.entry->node]->directory) return -EISDIR;
    change.node = place.entry->node;
    change.from = place.directory;
    memcpy(change.from_name, place.name, sizeof place.name);
    result = change_carry_out(sim, SIM_REMOVE, "remove", change);
    nodes_collect(sim);
    return result;
}
