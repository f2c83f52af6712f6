/*
 * denial.c: why a gate refused.
 */
#include <stdarg.h>
#include <string.h>

#include "policy/gate.h"

void bpi_denial_reset(bp_denial *denial)
{
    denial->gate[0] = '\0';
    denial->code[0] = '\0';
    denial->message[0] = '\0';
    denial->pair_count = 0;
}

bp_verdict bp_denial_say(bp_denial *denial, const char *code, const char *format, ...)
{
    if (denial != NULL) {
        va_list arguments;
        bpi_denial_reset(denial);
        (void)snprintf(denial->code, sizeof denial->code, "%s", code != NULL ? code : "");
        va_start(arguments, format);
        (void)vsnprintf(denial->message, sizeof denial->message, format, arguments);
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
    (void)snprintf(pair->key, sizeof pair->key, "%s", key != NULL ? key : "");
    va_start(arguments, format);
    (void)vsnprintf(pair->value, sizeof pair->value, format, arguments);
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
    int length = snprintf(buffer, size, "[%s] %s", denial->gate, denial->message);
    return length < 0 ? 0 : (size_t)length;
}
