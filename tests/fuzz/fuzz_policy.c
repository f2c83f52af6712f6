/*
 * fuzz_policy.c: policy files. What parses binds, and judges appends of several shapes; what does not says where. The judged
 * store is proven afterwards.
 */
#include "fuzz/fuzz.h"

#include "support/world.h"

static void judge(bp_store *store, bp_policy *policy)
{
    static const struct {
        const char *entity;
        bp_kind_code kind;
        const char *payload;
    } tried[] = {{"order:1", 0x1000, "{\"total\":5,\"number\":\"A1\",\"customer\":{\"email\":\"x\"}}"},
                 {"order:1", 0x1001, "{\"total\":5,\"number\":\"A1\"}"},
                 {"order:2", 0x1000, "{}"},
                 {"a", 0xf001, "[1,2]"},
                 {"a", 0xf001, "no json"}};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        bp_error error = {0};
        bp_batch_item item = {
            .at = bp_at(tried[i].entity, "eu"), .kind = tried[i].kind, .payload = bp_json(tried[i].payload)};
        bp_status status = bp_policy_append(policy, store, &item, 1, NULL, NULL, &error);
        CHECK(status == BP_OK || status == BP_ERR_DENIED || status == BP_ERR_CONFLICT || status == BP_ERR_FORMAT ||
                  status == BP_ERR_NAME || status == BP_ERR_TOO_LARGE || status == BP_ERR_ARGUMENT,
              "an append is answered %s: %s", bp_status_name(status), error.message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bp_error error = {0};
    bp_policy *policy = NULL;
    bpt_world world;
    bpt_world_memory(&world);
    world.options.allocator = fuzz_allocator(256 << 20);
    bp_store *store = bpt_open(&world);
    char *text = (char *)fuzz_copy(data, size);
    bp_status status = bp_policy_parse(store, text, size, &policy, &error);
    CHECK(status == BP_OK || error.message[0] != '\0', "a policy is answered %s without words", bp_status_name(status));
    free(text);
    if (status == BP_OK) {
        status = bp_policy_bind(policy, &error);
        CHECK(status == BP_OK || error.message[0] != '\0', "binding is answered %s without words",
              bp_status_name(status));
        judge(store, policy);
    }
    bp_policy_free(policy);
    bpt_close(store);
    world.options.allocator = NULL;
    (void)bpt_verify(&world);
    bpt_world_end(&world);
    fuzz_allocator_end();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    (void)seed;
    return LLVMFuzzerMutate(data, size, max);
}

void fuzz_seeds(fuzz_emit_fn emit, void *argument)
{
    static const char *const texts[] = {
        "record gates\nrecord denials 10 per second\n",
        "gate flow {\n on entity=order:*\n step start -> order.placed\n step order.placed -> order.paid\n}\n",
        "gate shape {\n on kind=0x1000\n field total number\n field a.b string\n field note string optional\n}\n",
        "gate number {\n on kind=0x1000\n unique number in ordernumber hashed\n}\n",
        "gate slow {\n rate 2 per 10 s by entity\n}\ngate small {\n size 1K\n}\n",
        "gate why {\n cause 0xF001 15:2\n}\ngate which {\n kinds order.placed 0x1001\n}\n",
        "# a word\ngate \"quoted\" {\n}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "text-%zu", i);
        emit(argument, name, texts[i], strlen(texts[i]));
    }
}
