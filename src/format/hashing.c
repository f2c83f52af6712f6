/*
 * hashing.c: hash inputs, and the Merkle root.
 */
#include "format/hashing.h"

#include "base/bytes.h"

size_t bpi_content_input_size(size_t private_size, size_t payload_size)
{
    return (size_t)bpi_round_up(BPI_CONTENT_HEADER + private_size + payload_size, BPI_HASH_BLOCK);
}

static void content_header(uint8_t header[BPI_CONTENT_HEADER], const uint8_t salt[16], size_t private_size,
                           size_t payload_size)
{
    bpi_put64(header, payload_size);
    bpi_put64(header + 8, private_size);
    memcpy(header + 16, salt, 16);
}

void bpi_content_input(uint8_t *buffer, const uint8_t salt[16], const uint8_t *private_extensions, size_t private_size,
                       const void *payload, size_t payload_size)
{
    content_header(buffer, salt, private_size, payload_size);
    uint8_t *at = buffer + BPI_CONTENT_HEADER;
    bpi_copy(at, private_extensions, private_size);
    at += private_size;
    bpi_copy(at, payload, payload_size);
    at += payload_size;
    size_t used = (size_t)(at - buffer);
    memset(at, 0, bpi_content_input_size(private_size, payload_size) - used);
}

size_t bpi_event_prefix_size(const bpi_record_input *input)
{
    return (size_t)bpi_round_up(BPI_EVENT_PREFIX_HEADER + (size_t)input->cause_count * sizeof(bp_id) +
                                    input->entity.size + input->scope.size + input->public_size,
                                BPI_HASH_BLOCK);
}

void bpi_event_prefix(uint8_t *buffer, const bpi_record_input *input, const bp_hash *content_hash)
{
    memcpy(buffer, input->id.bytes, sizeof input->id.bytes);
    bpi_put16(buffer + 16, input->kind);
    bpi_put16(buffer + 18, input->flags);
    buffer[20] = input->payload_type;
    buffer[21] = input->cause_count;
    bpi_put16(buffer + 22, input->payload_version);
    bpi_put16(buffer + 24, (uint16_t)input->entity.size);
    bpi_put16(buffer + 26, (uint16_t)input->scope.size);
    bpi_put16(buffer + 28, (uint16_t)input->public_size);
    bpi_put16(buffer + 30, 0);
    memcpy(buffer + BPI_EVENT_PREFIX_HASH, content_hash->bytes, sizeof content_hash->bytes);
    uint8_t *at = buffer + BPI_EVENT_PREFIX_HEADER;
    size_t causes_size = (size_t)input->cause_count * sizeof(bp_id);
    bpi_copy(at, input->causes, causes_size);
    at += causes_size;
    memcpy(at, input->entity.data, input->entity.size);
    at += input->entity.size;
    memcpy(at, input->scope.data, input->scope.size);
    at += input->scope.size;
    bpi_copy(at, input->public_extensions, input->public_size);
    at += input->public_size;
    size_t used = (size_t)(at - buffer);
    memset(at, 0, bpi_event_prefix_size(input) - used);
}

void bpi_event_last_block(uint8_t block[64], const bp_hash *previous, uint64_t sequence, uint64_t clock, bp_hlc hlc,
                          int64_t time_us)
{
    if (previous != NULL) {
        memcpy(block, previous->bytes, sizeof previous->bytes);
    } else {
        memset(block, 0, sizeof previous->bytes);
    }
    bpi_put64(block + 32, sequence);
    bpi_put64(block + 40, clock);
    bpi_put64(block + 48, hlc);
    bpi_put64(block + 56, (uint64_t)time_us);
}

void bpi_record_input_of(const bp_event *event, bpi_record_input *input_out)
{
    *input_out = (bpi_record_input){
        .id = event->id,
        .kind = event->kind,
        .flags = event->flags,
        .payload_type = event->payload_type,
        .state = (uint8_t)((event->payload_absent ? BPI_RECORD_STATE_STUB : 0) |
                           (event->tombstoned ? BPI_RECORD_STATE_TOMBSTONED : 0)),
        .payload_version = event->payload_version,
        .cause_count = (uint8_t)event->cause_count,
        .entity = event->entity,
        .scope = event->scope,
        .causes = event->causes,
        .public_extensions = event->extensions,
        .public_size = event->public_extensions_size,
        .private_extensions = event->extensions == NULL ? NULL : event->extensions + event->public_extensions_size,
        .private_size = event->private_extensions_size,
        .payload = event->payload,
        .payload_size = event->payload_size,
        .content_hash = event->content_hash,
    };
    memcpy(input_out->salt, event->salt, sizeof input_out->salt);
}

void bpi_content_hash(const uint8_t salt[16], const uint8_t *private_extensions, size_t private_size,
                      const void *payload, size_t payload_size, bp_hash *hash_out)
{
    uint8_t buffer[1024];
    size_t size = bpi_content_input_size(private_size, payload_size);
    if (size <= sizeof buffer) {
        bpi_content_input(buffer, salt, private_extensions, private_size, payload, payload_size);
        bpi_hash(BPI_HASH_CONTENT, buffer, size, hash_out);
        return;
    }
    uint8_t header[BPI_CONTENT_HEADER];
    static const uint8_t zeros[BPI_HASH_BLOCK];
    content_header(header, salt, private_size, payload_size);
    bpi_hash_stream stream;
    bpi_hash_stream_begin(&stream, BPI_HASH_CONTENT);
    bpi_hash_stream_add(&stream, header, sizeof header);
    bpi_hash_stream_add(&stream, private_extensions, private_size);
    bpi_hash_stream_add(&stream, payload, payload_size);
    bpi_hash_stream_add(&stream, zeros, size - BPI_CONTENT_HEADER - private_size - payload_size);
    bpi_hash_stream_end(&stream, hash_out);
}

static void node(const bp_hash *left, const bp_hash *right, bp_hash *node_out)
{
    uint8_t input[64];
    memcpy(input, left->bytes, 32);
    memcpy(input + 32, right->bytes, 32);
    bpi_hash(BPI_HASH_NODE, input, sizeof input, node_out);
}

void bpi_merkle_begin(bpi_merkle *merkle)
{
    merkle->count = 0;
}

/* Adds the root of a full subtree of 2^level leaves; count is a multiple of that. */
static void add_subtree(bpi_merkle *merkle, const bp_hash *root, unsigned level)
{
    bp_hash carry = *root;
    uint64_t leaves = (uint64_t)1 << level;
    while (merkle->count >> level & 1) {
        node(&merkle->nodes[level], &carry, &carry);
        level++;
    }
    merkle->nodes[level] = carry;
    merkle->count += leaves;
}

void bpi_merkle_add(bpi_merkle *merkle, const bp_hash *leaf)
{
    add_subtree(merkle, leaf, 0);
}

enum { SUBTREE_LEVEL = 8, SUBTREE_LEAVES = 1 << SUBTREE_LEVEL };

/* The root over 2^level leaves, level > 0: two hashes that lie side by side are a node's input as they are. */
static void subtree_root(const bp_hash *leaves, unsigned level, bp_hash *root_out)
{
    bp_hash levels[2][SUBTREE_LEAVES / 2];
    const uint8_t *inputs[SUBTREE_LEAVES / 2];
    size_t sizes[SUBTREE_LEAVES / 2];
    const bp_hash *below = leaves;
    for (; level > 0; level--) {
        bp_hash *above = levels[level & 1];
        size_t count = (size_t)1 << (level - 1);
        for (size_t i = 0; i < count; i++) {
            inputs[i] = below[2 * i].bytes;
            sizes[i] = 2 * sizeof(bp_hash);
        }
        bpi_hash_many(BPI_HASH_NODE, inputs, sizes, count, above);
        below = above;
    }
    *root_out = *below;
}

void bpi_merkle_add_many(bpi_merkle *merkle, const bp_hash *leaves, size_t count)
{
    while (count > 0) {
        unsigned level = SUBTREE_LEVEL;
        while (level > 0 && (merkle->count & (((uint64_t)1 << level) - 1) || count >> level == 0)) {
            level--;
        }
        bp_hash root;
        subtree_root(leaves, level, &root);
        add_subtree(merkle, &root, level);
        leaves += (size_t)1 << level;
        count -= (size_t)1 << level;
    }
}

void bpi_merkle_root(const bpi_merkle *merkle, bp_hash *root_out)
{
    bool any = false;
    *root_out = (bp_hash){{0}};
    for (unsigned level = 0; level < 64; level++) {
        if ((merkle->count >> level & 1) == 0) {
            continue;
        }
        if (any) {
            node(&merkle->nodes[level], root_out, root_out);
        } else {
            *root_out = merkle->nodes[level];
            any = true;
        }
    }
}
