/* Bulk transfers as they come over HTTP: the first byte chooses the form. Whatever is accepted
 * means what another reader of JSON (cJSON's tree, read member by member) says it means, and what
 * is refused has a fault to show. */
#include "input.h"
#include "ledger/ids.h"
#include "support/must.h"
#include "wire/batch.h"
#include "wire/json.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mp_transfer taken[MP_BATCH_MAX];

static mp_u128 wide_of(const cJSON *object, const char *name)
{
    const char *text = json_text(object, name);
    struct uuid uuid;
    mp_u128 value = 0;

    if (cJSON_GetObjectItemCaseSensitive(object, name) == NULL) return 0;
    MUST(text != NULL);
    if (uuid_read(text, &uuid)) return id_of_uuid(uuid);
    MUST(record_value(RECORD_LEDGER_ID, text, &value));
    return value;
}

static uint64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    uint64_t value = 0;

    if (item == NULL) return 0;
    if (cJSON_IsNumber(item))
        MUST(json_count(item, &value));
    else
        MUST(record_value(RECORD_BIG, cJSON_GetStringValue(item), &value));
    return value;
}

static uint64_t flags_of(const cJSON *object)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "flags"), *name;
    const char *text = cJSON_GetStringValue(item);
    uint64_t flags = 0;

    if (cJSON_IsArray(item)) {
        cJSON_ArrayForEach(name, item)
        {
            text = cJSON_GetStringValue(name);
            MUST(text != NULL && batch_flag(text, strlen(text)) != 0);
            flags |= batch_flag(text, strlen(text));
        }
        return flags;
    }
    if (text != NULL && batch_flag(text, strlen(text)) != 0) return batch_flag(text, strlen(text));
    MUST(text == NULL);
    return number_of(object, "flags");
}

static void compare(const char *text, size_t size, uint32_t count)
{
    struct error err = {0};
    cJSON *tree = json_parse(text, size, &err), *object;
    uint32_t i = 0;

    MUST(tree != NULL && cJSON_IsArray(tree));
    cJSON_ArrayForEach(object, tree)
    {
        const mp_transfer *t = &taken[i++];

        MUST(i <= count);
        MUST(t->id == wide_of(object, "id"));
        MUST(t->debit_account_id == wide_of(object, "debit_account_id"));
        MUST(t->credit_account_id == wide_of(object, "credit_account_id"));
        MUST(t->amount == wide_of(object, "amount"));
        MUST(t->pending_id == wide_of(object, "pending_id"));
        MUST(t->user_data_128 == wide_of(object, "user_data_128"));
        MUST(t->user_data_64 == number_of(object, "user_data_64"));
        MUST(t->user_data_32 == number_of(object, "user_data_32"));
        MUST(t->timeout == number_of(object, "timeout"));
        MUST(t->ledger == number_of(object, "ledger"));
        MUST(t->code == number_of(object, "code"));
        MUST(t->flags == flags_of(object));
        MUST(t->timestamp == number_of(object, "timestamp"));
    }
    MUST(i == count);
    cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    bool binary = input_u8(&input) % 2 == 1;
    struct error err = {0};
    uint32_t count = 0;
    enum outcome outcome =
        binary ? batch_read_binary(input.data, input.size, taken, &count, &err)
               : batch_read_json((const char *)input.data, input.size, taken, &count, &err);

    if (outcome != OUTCOME_DONE) {
        MUST(err.reason == REASON_INVALID_REQUEST && err.fault_count > 0);
        return 0;
    }
    MUST(count <= MP_BATCH_MAX && err.fault_count == 0);
    if (!binary) compare((const char *)input.data, input.size, count);
    if (binary) MUST(input.size == BATCH_HEAD + count * sizeof *taken);
    return 0;
}
