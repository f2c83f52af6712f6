/*
 * denial.c: why a gate refused.
 */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "policy/gate.h"

static void print(char *to, size_t size, const char *format, ...) BPI_PRINTF(3, 4);

static void print(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bpi_format_cut(to, size, format, arguments);
    va_end(arguments);
}

/* A gate's own hand may have left a text without an end. */
static void end_text(char *text, size_t size)
{
    if (memchr(text, '\0', size) == NULL) {
        text[size - 1] = '\0';
        bpi_drop_partial_character(text, size - 1);
    }
}

void bpi_denial_reset(bp_denial *denial)
{
    denial->gate[0] = '\0';
    denial->code[0] = '\0';
    denial->message[0] = '\0';
    denial->pair_count = 0;
}

void bpi_denial_repair(bp_denial *denial)
{
    end_text(denial->gate, sizeof denial->gate);
    end_text(denial->code, sizeof denial->code);
    end_text(denial->message, sizeof denial->message);
    if (denial->pair_count > BP_DENIAL_PAIRS_MAX) {
        denial->pair_count = BP_DENIAL_PAIRS_MAX;
    }
    for (size_t i = 0; i < denial->pair_count; i++) {
        end_text(denial->pairs[i].key, sizeof denial->pairs[i].key);
        end_text(denial->pairs[i].value, sizeof denial->pairs[i].value);
    }
}

bp_verdict bp_denial_say(bp_denial *denial, const char *code, const char *format, ...)
{
    if (denial != NULL) {
        va_list arguments;
        bpi_denial_reset(denial);
        print(denial->code, sizeof denial->code, "%s", code != NULL ? code : "");
        va_start(arguments, format);
        bpi_format_cut(denial->message, sizeof denial->message, format, arguments);
        va_end(arguments);
    }
    return BP_VERDICT_DENY;
}

void bp_denial_add(bp_denial *denial, const char *key, const char *format, ...)
{
    if (denial == NULL || denial->pair_count >= BP_DENIAL_PAIRS_MAX) {
        return;
    }
    bp_denial_pair *pair = &denial->pairs[denial->pair_count++];
    va_list arguments;
    print(pair->key, sizeof pair->key, "%s", key != NULL ? key : "");
    va_start(arguments, format);
    bpi_format_cut(pair->value, sizeof pair->value, format, arguments);
    va_end(arguments);
}

const char *bp_denial_find(const bp_denial *denial, const char *key)
{
    for (size_t i = 0; denial != NULL && key != NULL && i < denial->pair_count && i < BP_DENIAL_PAIRS_MAX; i++) {
        if (strcmp(denial->pairs[i].key, key) == 0) {
            return denial->pairs[i].value;
        }
    }
    return NULL;
}

size_t bp_denial_format(const bp_denial *denial, char *buffer, size_t size)
{
    if (denial == NULL) {
        if (size > 0) {
            buffer[0] = '\0';
        }
        return 0;
    }
    int length = snprintf(buffer, size, "[%.*s] %.*s", (int)sizeof denial->gate, denial->gate,
                          (int)sizeof denial->message, denial->message);
    if (length > 0 && size > 0 && (size_t)length >= size) {
        bpi_drop_partial_character(buffer, size - 1);
    }
    return length < 0 ? 0 : (size_t)length;
}
