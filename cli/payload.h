/*
 * payload.h: payloads between their bytes and what people and JSON Lines show of them.
 *
 * The import rule: a `payload` is stored as its JSON text without white space between its parts; with payload_type
 * msgpack it is encoded, shortest forms, doubles as doubles. An export writes `payload` only when that rule gives the
 * very same bytes again, else `payload_base64`.
 */
#ifndef BATPAK_CLI_PAYLOAD_H
#define BATPAK_CLI_PAYLOAD_H

#include "text.h"

/* "raw", "json", "msgpack" or a number of 128..255. */
bool payload_type_parse(const char *text, size_t size, uint8_t *type_out);
void text_add_payload_type(struct text *text, uint8_t type);

/* JSON text into MessagePack, added to `out`. NULL, or why it cannot be. */
const char *payload_to_msgpack(const char *json, size_t size, struct text *out);

/* MessagePack as JSON text, added to `out`; false if it is none or too big to be shown. */
bool payload_from_msgpack(const void *data, size_t size, struct text *out);

/* The members `payload` or `payload_base64`; nothing if it is gone. */
void put_payload(struct text *text, const bp_event *event);

/* For a person: one line of at most `columns` columns (0: no bound), nothing that moves a terminal's cursor. */
void text_add_payload(struct text *text, const bp_event *event, size_t columns);

/* Any text in that way. */
void text_add_shown(struct text *text, const char *data, size_t size, size_t columns);

/* How an encrypted payload was handed out; why there is none: "(erased)", "(shredded)", "(locked)". */
const char *encryption_name(const bp_event *event);
const char *absence_name(const bp_event *event);

#endif
