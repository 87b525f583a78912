/* A world's life, its clocks and chance, its faults, and the table of its calls. */
#include "sim_internal.h"

#include <fnmatch.h>
#include <stdarg.h>

enum { IDLE_MAX = 1000000 }; /* sleeps in a dead world until whoever sleeps is taken for a loop */

_Noreturn void sim_broken(const char *format, ...)
{
    char message[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fprintf(stderr, "sim: %s\n", message);
    abort();
}

void *sim_memory(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);

    SIM_CHECK(memory != NULL, "no memory");
    return memory;
}

/* Arrays grow by powers of two, so that their length alone tells when. */
void *sim_more(void *memory, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) return memory;
    memory = realloc(memory, (count == 0 ? 1 : 2 * count) * size);
    SIM_CHECK(memory != NULL, "no memory");
    return memory;
}

/* --- chance --- */

static uint64_t random_next(uint64_t *state) /* splitmix64 */
{
    uint64_t value = *state += 0x9e3779b97f4a7c15ull;

    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
    SIM_CHECK(limit > 0, "a random number below 0 is wanted");
    return random_next(state) % limit;
}

void sim_seed(struct sim *sim, uint64_t seed)
{
    sim->chance = random_next(&seed);
    sim->bytes = random_next(&seed);
    sim->order = random_next(&seed);
}

uint64_t sim_random(struct sim *sim, uint64_t limit) { return random_below(&sim->chance, limit); }

static int sim_random_bytes(void *context, void *buffer, size_t length)
{
    struct sim *sim = context;

    if (sim->dead) return -EIO;
    for (size_t i = 0; i < length; i++) ((uint8_t *)buffer)[i] = (uint8_t)random_next(&sim->bytes);
    return 0;
}

/* --- clocks, sleep, threads --- */

void sim_pass(struct sim *sim, uint64_t ns)
{
    sim->settings.real_ns += ns;
    sim->settings.boot_ns += ns;
}

static uint64_t sim_real_ns(void *context)
{
    struct sim *sim = context;

    sim_pass(sim, sim->settings.step_ns);
    return sim->settings.real_ns;
}

static uint64_t sim_boot_ns(void *context)
{
    struct sim *sim = context;

    sim_pass(sim, sim->settings.step_ns);
    return sim->settings.boot_ns;
}

static uint64_t sim_process(void *context)
{
    return ((const struct sim *)context)->settings.process;
}

static void sim_wait(void *context, const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    struct sim *sim = context;

    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) return;
    if (sim->dead) {
        SIM_CHECK(++sim->idle < IDLE_MAX,
                  "somebody waits in a loop for what a dead world won't do");
        return;
    }
    SIM_CHECK(timeout_ns != UINT64_MAX, "a wait would last for ever: nobody else runs");
    sim_pass(sim, timeout_ns);
}

static void sim_wake(void *context, const uint32_t *word, uint32_t count)
{
    (void)context;
    (void)word;
    (void)count;
}

static struct event *event_find(struct sim *sim, int number)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        if (sim->events[i].number == number) return &sim->events[i];
    }
    return NULL;
}

static int sim_event_open(void *context)
{
    struct sim *sim = context;
    struct event *event = event_find(sim, 0);
    int error;

    if (sim->dead) return -EIO;
    error = fault_strike(sim, SIM_EVENT, "", 0, 0, NULL);
    if (error < 0) return error;
    if (event == NULL) return -EMFILE;
    *event = (struct event){.number = ++sim->last_file};
    return event->number;
}

static void sim_event_signal(void *context, int number)
{
    struct sim *sim = context;
    struct event *event = event_find(sim, number);

    SIM_CHECK(event != NULL || sim->dead, "event %d is signalled and isn't there", number);
    if (event != NULL && !sim->dead) event->signals++;
}

static void sim_event_close(void *context, int number)
{
    struct sim *sim = context;
    struct event *event = event_find(sim, number);

    SIM_CHECK(event != NULL, "event %d is closed and isn't there", number);
    *event = (struct event){0};
}

uint64_t sim_event_read(struct sim *sim, int number)
{
    struct event *event = event_find(sim, number);
    uint64_t signals;

    SIM_CHECK(event != NULL, "event %d is read and isn't there", number);
    signals = event->signals;
    event->signals = 0;
    return signals;
}

unsigned sim_events(const struct sim *sim)
{
    unsigned count = 0;

    for (unsigned i = 0; i < EVENTS; i++) count += sim->events[i].number != 0;
    return count;
}

static int sim_thread_start(void *context, void (*run)(void *argument), void *argument,
                            const char *name, uint64_t *thread)
{
    (void)context;
    (void)run;
    (void)argument;
    (void)name;
    (void)thread;
    return -ENOSYS;
}

static void sim_thread_join(void *context, uint64_t thread)
{
    (void)context;
    sim_broken("thread %llu was never started", (unsigned long long)thread);
}

/* --- operations --- */

int guard(const struct sim *sim)
{
    if (sim->dead) return -EIO;
    return sim->settings.read_only ? -EROFS : 0;
}

static void describe(struct sim *sim, const char *what, const char *path, uint64_t offset,
                     uint64_t length)
{
    int used = snprintf(sim->operation, sizeof sim->operation, "%s %s", what, path);

    if (length > 0 && used > 0 && (size_t)used < sizeof sim->operation) {
        snprintf(sim->operation + used, sizeof sim->operation - (size_t)used, " %llu+%llu",
                 (unsigned long long)offset, (unsigned long long)length);
    }
    if (sim->settings.trace != NULL) {
        fprintf(sim->settings.trace, "%6llu  %s%s\n", (unsigned long long)sim->operations,
                sim->operation, sim->crash_at == 1 ? "  CRASH" : "");
    }
}

int operation_begin(struct sim *sim, unsigned bit, const char *what, const char *path,
                    uint64_t offset, uint64_t length, enum sim_dropped *dropped)
{
    if (sim->dead) return -EIO;
    sim->operations++;
    describe(sim, what, path, offset, length);
    if (sim->crash_at > 0 && --sim->crash_at == 0) {
        sim->dead = true;
        return -EIO;
    }
    if (sim->hook != NULL) sim->hook(sim->hook_context, sim);
    return fault_strike(sim, bit, path, offset, length, dropped);
}

uint64_t sim_operations(const struct sim *sim) { return sim->operations; }
const char *sim_operation(const struct sim *sim) { return sim->operation; }
void sim_crash_at(struct sim *sim, uint64_t n) { sim->crash_at = n; }
bool sim_crashed(const struct sim *sim) { return sim->dead; }

void sim_hook(struct sim *sim, void (*hook)(void *context, struct sim *sim), void *context)
{
    sim->hook = hook;
    sim->hook_context = context;
}

/* --- faults --- */

static bool matches(const struct sim_fault *fault, unsigned bit, const char *path, uint64_t offset,
                    uint64_t length)
{
    if ((fault->operations & bit) == 0) return false;
    if (fault->path != NULL && fnmatch(fault->path, path, 0) != 0) return false;
    if (fault->length == 0) return true;
    return offset < fault->offset + fault->length && offset + length > fault->offset;
}

int fault_strike(struct sim *sim, unsigned bit, const char *path, uint64_t offset, uint64_t length,
                 enum sim_dropped *dropped)
{
    for (uint32_t i = 0; i < sim->fault_count; i++) {
        struct sim_fault *fault = &sim->faults[i];

        if (fault->times == 0 || !matches(fault, bit, path, offset, length)) continue;
        if (fault->after > 0) {
            fault->after--;
            continue;
        }
        if (fault->times != UINT64_MAX) fault->times--;
        if (dropped != NULL) *dropped = fault->dropped;
        sim->struck++;
        return fault->error;
    }
    return 0;
}

static void fault_add(struct sim *sim, const struct sim_fault *fault)
{
    struct sim_fault copy = *fault;

    if (copy.path != NULL) {
        copy.path = strdup(copy.path);
        SIM_CHECK(copy.path != NULL, "no memory");
    }
    sim->faults = sim_more(sim->faults, sim->fault_count, sizeof *sim->faults);
    sim->faults[sim->fault_count++] = copy;
}

void sim_fault(struct sim *sim, const struct sim_fault *fault)
{
    struct sim_fault copy = *fault;

    SIM_CHECK(copy.error < 0 && copy.operations != 0,
              "a fault needs operations and a negative error");
    if (copy.times == 0) copy.times = UINT64_MAX;
    fault_add(sim, &copy);
}

void sim_no_faults(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->fault_count; i++) free((char *)(uintptr_t)sim->faults[i].path);
    free(sim->faults);
    sim->faults = NULL;
    sim->fault_count = 0;
}

uint64_t sim_faults_struck(const struct sim *sim) { return sim->struck; }

/* --- life --- */

static const mp_env calls = {
    .real_ns = sim_real_ns,
    .boot_ns = sim_boot_ns,
    .random = sim_random_bytes,
    .process = sim_process,
    .wait = sim_wait,
    .wake = sim_wake,
    .event_open = sim_event_open,
    .event_signal = sim_event_signal,
    .event_close = sim_event_close,
    .thread_start = sim_thread_start,
    .thread_join = sim_thread_join,
    .dir_make = sim_dir_make,
    .dir_list = sim_dir_list,
    .dir_sync = sim_dir_sync,
    .filesystem = sim_filesystem,
    .rename = sim_rename_call,
    .remove = sim_remove_call,
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_size = sim_file_size,
    .file_allocate = sim_file_allocate,
    .file_settle = sim_file_settle,
    .file_read = sim_file_read,
    .file_write = sim_file_write,
    .file_sync = sim_file_sync,
    .file_resize = sim_file_resize,
    .file_lock = sim_file_lock,
    .file_locked = sim_file_locked,
    .ring_open = sim_ring_open,
    .ring_close = sim_ring_close,
    .ring_write = sim_ring_write,
    .ring_read = sim_ring_read,
    .ring_reap = sim_ring_reap,
    .ring_wake = sim_ring_wake,
};

struct sim *sim_make(uint64_t seed)
{
    struct sim *sim = sim_memory(sizeof *sim);

    sim->env = calls;
    sim->env.context = sim;
    sim->settings = (struct sim_settings){
        .real_ns = 1800000000ull * 1000000000, /* January 2027 */
        .boot_ns = 1000000000,
        .step_ns = 1000,
        .process = 4711,
        .disk_bytes = UINT64_MAX,
        .filesystem = MP_ENV_FS_LOCAL,
        .ring_delay_max = 3,
    };
    sim_seed(sim, seed);
    node_make(sim, true); /* the root */
    return sim;
}

struct sim *sim_clone(const struct sim *sim)
{
    struct sim *copy = sim_memory(sizeof *copy);

    *copy = *sim;
    copy->env.context = copy;
    copy->rings = NULL;
    copy->hook = NULL;
    copy->crash_at = 0;
    memset(copy->handles, 0, sizeof copy->handles);
    memset(copy->events, 0, sizeof copy->events);
    copy->live = copy->durable = (struct names){0};
    names_copy(&copy->live, &sim->live);
    names_copy(&copy->durable, &sim->durable);
    copy->nodes = NULL;
    for (copy->node_count = 0; copy->node_count < sim->node_count; copy->node_count++) {
        const struct node *node = sim->nodes[copy->node_count];

        copy->nodes = sim_more(copy->nodes, copy->node_count, sizeof(void *));
        copy->nodes[copy->node_count] = NULL;
        if (node == NULL) continue;
        copy->nodes[copy->node_count] = sim_memory(sizeof *node);
        copy->nodes[copy->node_count]->directory = node->directory;
        image_copy(&copy->nodes[copy->node_count]->cache, &node->cache);
        image_copy(&copy->nodes[copy->node_count]->durable, &node->durable);
    }
    copy->changes = NULL;
    for (copy->change_count = 0; copy->change_count < sim->change_count; copy->change_count++) {
        copy->changes = sim_more(copy->changes, copy->change_count, sizeof *copy->changes);
        copy->changes[copy->change_count] = change_copy(&sim->changes[copy->change_count]);
    }
    copy->faults = NULL;
    copy->fault_count = 0;
    for (uint32_t i = 0; i < sim->fault_count; i++) fault_add(copy, &sim->faults[i]);
    return copy;
}

void sim_free(struct sim *sim)
{
    if (sim == NULL) return;
    for (uint32_t i = 0; i < sim->change_count; i++) change_free(&sim->changes[i]);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i] == NULL) continue;
        image_free(&sim->nodes[i]->cache);
        image_free(&sim->nodes[i]->durable);
        free(sim->nodes[i]);
    }
    while (sim->rings != NULL) {
        mp_env_ring *next = sim->rings->next;

        free(sim->rings);
        sim->rings = next;
    }
    sim_no_faults(sim);
    free(sim->changes);
    free(sim->nodes);
    free(sim->live.entries);
    free(sim->durable.entries);
    free(sim);
}

const mp_env *sim_env(struct sim *sim) { return &sim->env; }
struct sim_settings *sim_settings(struct sim *sim) { return &sim->settings; }
