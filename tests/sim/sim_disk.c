/* The disk as a test sees it: looks at it, damages it, brings files to it and takes them away. */
#include "sim_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- looking --- */

static struct node *file_at(const struct sim *sim, const char *path)
{
    struct place place;

    if (place_find(sim, path, &place) < 0 || place.entry == NULL) return NULL;
    return sim->nodes[place.entry->node]->directory ? NULL : sim->nodes[place.entry->node];
}

bool sim_exists(const struct sim *sim, const char *path)
{
    struct place place;

    return place_find(sim, path, &place) == 0 && (place.entry != NULL || place.name[0] == '\0');
}

int64_t sim_size(const struct sim *sim, const char *path)
{
    const struct node *node = file_at(sim, path);

    return node == NULL ? -ENOENT : (int64_t)node->cache.size;
}

int64_t sim_read_file(const struct sim *sim, const char *path, void *buffer, size_t length,
                      uint64_t offset)
{
    const struct node *node = file_at(sim, path);

    return node == NULL ? -ENOENT : (int64_t)image_read(&node->cache, buffer, length, offset);
}

/* --- changing --- */

static uint32_t number_of(const struct sim *sim, const struct node *node)
{
    uint32_t number = 0;

    while (sim->nodes[number] != node) number++;
    return number;
}

/* A name that is there at once, for good. */
static uint32_t put_name(struct sim *sim, uint32_t directory, const char *name, bool is_directory)
{
    struct change change = {.kind = LINK, .to = directory};

    directory_settle(sim, directory); /* else what is pending could come out in another order */
    snprintf(change.to_name, sizeof change.to_name, "%s", name);
    change.node = node_make(sim, is_directory);
    names_apply(&sim->live, &change);
    names_apply(&sim->durable, &change);
    return change.node;
}

static struct node *file_put(struct sim *sim, const char *path)
{
    char above[SIM_PATH_MAX];
    struct place place;
    size_t length = strlen(path);

    SIM_CHECK(length < SIM_PATH_MAX, "%s: too long", path);
    for (size_t i = 1; i < length; i++) { /* the directories above it */
        if (path[i] != '/') continue;
        memcpy(above, path, i);
        above[i] = '\0';
        SIM_CHECK(place_find(sim, above, &place) == 0, "%s: no place for a file", path);
        if (place.name[0] != '\0' && place.entry == NULL)
            put_name(sim, place.directory, place.name, true);
    }
    SIM_CHECK(place_find(sim, path, &place) == 0 && place.name[0] != '\0',
              "%s: no place for a file", path);
    if (place.entry == NULL) {
        uint32_t made = put_name(sim, place.directory, place.name, false);

        return sim->nodes[made];
    }
    SIM_CHECK(!sim->nodes[place.entry->node]->directory, "%s: a directory", path);
    directory_settle(sim, place.directory);
    return sim->nodes[place.entry->node];
}

void sim_write_file(struct sim *sim, const char *path, const void *data, size_t length,
                    uint64_t offset)
{
    struct node *node = file_put(sim, path);

    file_settle(sim, number_of(sim, node));
    if (length == 0) return;
    image_write(&node->cache, data, length, offset);
    image_write(&node->durable, data, length, offset);
}

int sim_cut_file(struct sim *sim, const char *path, uint64_t size)
{
    struct node *node = file_at(sim, path);

    if (node == NULL) return -ENOENT;
    file_settle(sim, number_of(sim, node));
    image_resize(&node->cache, size);
    image_resize(&node->durable, size);
    return 0;
}

static void image_flip(struct image *image, uint64_t offset, unsigned bit)
{
    uint8_t byte;

    if (image_read(image, &byte, 1, offset) == 0) return;
    byte = (uint8_t)(byte ^ 1u << bit % 8);
    image_write(image, &byte, 1, offset);
}

int sim_flip(struct sim *sim, const char *path, uint64_t offset, unsigned bit)
{
    struct node *node = file_at(sim, path);

    if (node == NULL || offset >= node->cache.size) return -ENOENT;
    image_flip(&node->cache, offset, bit);
    image_flip(&node->durable, offset, bit);
    return 0;
}

/* Names in a directory that is gone go with it. */
static void drop_children(struct names *names, uint32_t directory)
{
    for (uint32_t i = 0; i < names->count;) {
        struct entry entry = names->entries[i];

        if (entry.directory != directory) {
            i++;
            continue;
        }
        names->entries[i] = names->entries[--names->count];
        drop_children(names, entry.node);
        i = 0;
    }
}

int sim_remove(struct sim *sim, const char *path)
{
    struct change change = {.kind = UNLINK};
    struct place place;

    if (place_find(sim, path, &place) < 0 || place.entry == NULL) return -ENOENT;
    change.node = place.entry->node;
    change.from = place.directory;
    memcpy(change.from_name, place.name, sizeof place.name);
    directory_settle(sim, change.from);
    names_apply(&sim->live, &change);
    names_apply(&sim->durable, &change);
    drop_children(&sim->live, change.node);
    drop_children(&sim->durable, change.node);
    nodes_collect(sim);
    return 0;
}

uint64_t sim_digest(const struct sim *sim)
{
    uint64_t sum = 0; /* so that the order of names doesn't matter */

    for (uint32_t i = 0; i < sim->live.count; i++) {
        uint64_t digest = 1;
        char path[SIM_PATH_MAX];

        node_path(sim, sim->live.entries[i].node, path);
        for (const char *at = path; *at != '\0'; at++)
            digest = digest_mix(digest, (unsigned char)*at);
        sum += image_digest(&sim->nodes[sim->live.entries[i].node]->cache, digest);
    }
    return sum;
}

/* --- to the real disk --- */

static int export_file(const struct image *image, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    uint8_t bytes[SIM_PAGE];
    int result = 0;

    if (file < 0) return -errno;
    if (ftruncate(file, (off_t)image->size) != 0) result = -errno;
    for (uint64_t at = 0; result == 0 && at < image->size; at += sizeof bytes) {
        size_t length = image_read(image, bytes, sizeof bytes, at);

        if (pwrite(file, bytes, length, (off_t)at) != (ssize_t)length)
            result = errno != 0 ? -errno : -EIO;
    }
    close(file);
    return result;
}

int sim_export(const struct sim *sim, const char *directory)
{
    int result = mkdir(directory, 0750) == 0 || errno == EEXIST ? 0 : -errno;

    /* Directories first, the ones above before the ones below: their number of names tells. */
    for (unsigned depth = 1, found = 1; result == 0 && found > 0; depth++) {
        found = 0;
        for (uint32_t i = 0; result == 0 && i < sim->live.count; i++) {
            const struct node *node = sim->nodes[sim->live.entries[i].node];
            char inside[SIM_PATH_MAX], path[2 * SIM_PATH_MAX];
            unsigned names = 1;

            node_path(sim, sim->live.entries[i].node, inside);
            for (const char *at = inside; *at != '\0'; at++) names += *at == '/';
            if (names != depth) continue;
            found++;
            if (snprintf(path, sizeof path, "%s/%s", directory, inside) >= (int)sizeof path)
                return -ENAMETOOLONG;
            if (!node->directory) {
                result = export_file(&node->cache, path);
            } else if (mkdir(path, 0750) != 0 && errno != EEXIST) {
                result = -errno;
            }
        }
    }
    return result;
}
