/* The ledger's folders at an opening for writing: what is missing is made, what a death left
 * unfinished goes. Files that the library didn't make are let be. */
#include "wal_internal.h"

#include <errno.h>
#include <stdlib.h>

struct folder {
    const char *name;
    const char *leftover; /* how the names of unfinished files look: # = digits */
};

static const struct folder folders[] = {
    {"wal", "#.wal.tmp"},
    {"checkpoint", "#.ckpt.tmp"},
    {"index", "#.ids.tmp"},
    {"orphaned", "e#-p#-#.wal.tmp"},
};

static bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

static bool looks_like(const char *name, const char *pattern)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern) return false;
            continue;
        }
        if (!is_digit(*name)) return false;
        while (is_digit(*name)) name++;
    }
    return *name == '\0';
}

static mp_status remove_leftovers(const mp_env *env, const char *directory, const char *pattern)
{
    char path[PATH_MAX_BYTES];
    char *names;
    mp_status status = wal_list(env, directory, &names);

    if (status != MP_OK) return status;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        if (strlen(name) > 100 || !looks_like(name, pattern)) continue;
        wal_path(directory, path, "%s", name);
        env->remove(env->context, path);
    }
    free(names);
    return MP_OK;
}

static mp_status tidy(struct wal *wal, const struct folder *folder)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    mp_status status;
    int result;

    wal_path(wal->directory, path, "%s", folder->name);
    result = env->dir_make(env->context, path); /* somebody may have thrown away what is derived */
    if (result < 0 && result != -EEXIST) return wal_failed_file(path, "made", result);
    status = remove_leftovers(env, path, folder->leftover);
    if (status != MP_OK) return status;
    result = env->dir_sync(env->context, path);
    return result < 0 ? wal_failed_file(path, "synced", result) : MP_OK;
}

mp_status wal_tidy(struct wal *wal)
{
    int result;

    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        mp_status status = tidy(wal, &folders[i]);

        if (status != MP_OK) return status;
    }
    result = wal->env->dir_sync(wal->env->context, wal->directory);
    return result < 0 ? wal_failed_file(wal->directory, "synced", result) : MP_OK;
}
