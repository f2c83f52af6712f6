/*
 * region.c: building regions, and asking one about one event.
 *
 * Holds: a field counts only when its bit is set; what a region says here it says in the index too.
 */
#include <batpak/region.h>

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "store/read.h"

enum { FIELDS_KNOWN = (BP_REGION_TOMBSTONED << 1) - 1 };

void bp_region_default(bp_region *region, size_t size)
{
    bp_region defaults = {
        .size = size,
        .clock_max = UINT64_MAX,
        .sequence_max = UINT64_MAX,
        .time_min_us = INT64_MIN,
        .time_max_us = INT64_MAX,
        .committed_max = UINT64_MAX,
    };
    if (region != NULL && size >= sizeof(size_t)) {
        memset(region, 0, size);
        memcpy(region, &defaults, size < sizeof defaults ? size : sizeof defaults);
    }
}

bp_region bp_region_stream(const char *entity)
{
    bp_region region = bp_region_all();
    bp_region_set_entity(&region, bp_text_of(entity));
    if (bp_text_equal(region.entity, bp_text_of(BP_SYSTEM_ENTITY))) {
        bp_region_set_system(&region, true);
    }
    return region;
}

bp_region bp_region_by_scope(const char *scope)
{
    bp_region region = bp_region_all();
    bp_region_set_scope(&region, bp_text_of(scope));
    return region;
}

bp_region bp_region_by_kind(bp_kind_code kind)
{
    bp_region region = bp_region_all();
    bp_region_set_kind(&region, kind);
    return region;
}

bp_region bp_region_by_correlation(const bp_id *correlation)
{
    bp_region region = bp_region_all();
    bp_region_set_correlation(&region, correlation);
    return region;
}

bp_region bp_region_effects_of(const bp_id *cause)
{
    bp_region region = bp_region_all();
    bp_region_set_cause(&region, cause);
    return region;
}

void bp_region_set_entity(bp_region *region, bp_text entity)
{
    if (region == NULL) {
        return;
    }
    region->fields = (region->fields | BP_REGION_ENTITY) & ~(uint32_t)BP_REGION_PREFIX;
    region->entity = entity;
}

void bp_region_set_prefix(bp_region *region, bp_text prefix)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_ENTITY | BP_REGION_PREFIX;
    region->entity = prefix;
}

void bp_region_set_scope(bp_region *region, bp_text scope)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_SCOPE;
    region->scope = scope;
}

void bp_region_set_kind(bp_region *region, bp_kind_code kind)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_KIND;
    region->kind = kind;
}

void bp_region_set_category(bp_region *region, unsigned category)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_CATEGORY;
    region->category = (uint8_t)(category & 0xfu);
}

void bp_region_set_lane(bp_region *region, uint32_t lane)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_LANE;
    region->lane = lane;
}

void bp_region_set_clock(bp_region *region, uint64_t least, uint64_t greatest)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_CLOCK;
    region->clock_min = least;
    region->clock_max = greatest;
}

void bp_region_set_sequence(bp_region *region, uint64_t least, uint64_t greatest)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_SEQUENCE;
    region->sequence_min = least;
    region->sequence_max = greatest;
}

void bp_region_set_time_us(bp_region *region, int64_t least, int64_t greatest)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_TIME;
    region->time_min_us = least;
    region->time_max_us = greatest;
}

void bp_region_set_committed(bp_region *region, bp_hlc least, bp_hlc greatest)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_COMMITTED;
    region->committed_min = least;
    region->committed_max = greatest;
}

void bp_region_set_correlation(bp_region *region, const bp_id *correlation)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_CORRELATION;
    region->correlation = correlation != NULL ? *correlation : (bp_id){{0}};
}

void bp_region_set_cause(bp_region *region, const bp_id *cause)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_CAUSE;
    region->cause = cause != NULL ? *cause : (bp_id){{0}};
}

void bp_region_set_system(bp_region *region, bool included)
{
    if (region == NULL) {
        return;
    }
    if (included) {
        region->fields |= BP_REGION_SYSTEM;
    } else {
        region->fields &= ~(uint32_t)BP_REGION_SYSTEM;
    }
}

void bp_region_set_tombstoned(bp_region *region, bool tombstoned)
{
    if (region == NULL) {
        return;
    }
    region->fields |= BP_REGION_TOMBSTONED;
    region->tombstoned = tombstoned;
}

bp_status bpi_region_take(const bp_region *region, bp_region *region_out, bp_error *error)
{
    *region_out = bp_region_all();
    bp_status status =
        bpi_options_take(region, offsetof(bp_region, tombstoned), region_out, sizeof *region_out, "bp_region", error);
    if (status != BP_OK) {
        return status;
    }
    uint32_t fields = region_out->fields;
    if ((fields & ~(uint32_t)FIELDS_KNOWN) != 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_region: unknown fields 0x%x",
                             (unsigned)(fields & ~(uint32_t)FIELDS_KNOWN));
    }
    if ((fields & BP_REGION_PREFIX) && !(fields & BP_REGION_ENTITY)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_region: a prefix without an entity");
    }
    if ((fields & BP_REGION_PREFIX) && region_out->entity.size == 0) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_region: a prefix without a letter");
    }
    if (((fields & BP_REGION_ENTITY) && region_out->entity.data == NULL && region_out->entity.size != 0) ||
        ((fields & BP_REGION_SCOPE) && region_out->scope.data == NULL && region_out->scope.size != 0)) {
        return bpi_error_set(error, BP_ERR_ARGUMENT, "bp_region: a name is a null pointer with a size");
    }
    return BP_OK;
}

/* ---- one event ---- */

static bool matches_entity(const bp_region *region, bp_text name)
{
    bp_text wanted = region->entity;
    if ((region->fields & BP_REGION_PREFIX) == 0) {
        return bp_text_equal(wanted, name);
    }
    return name.size >= wanted.size && bp_text_equal((bp_text){name.data, wanted.size}, wanted) &&
           (name.size == wanted.size || name.data[wanted.size] == ':');
}

static bool matches_names(const bp_region *region, const bp_event *event)
{
    uint32_t fields = region->fields;
    return !((fields & BP_REGION_ENTITY) && !matches_entity(region, event->entity)) &&
           !((fields & BP_REGION_SCOPE) && !bp_text_equal(region->scope, event->scope)) &&
           !((fields & BP_REGION_KIND) && region->kind != event->kind) &&
           !((fields & BP_REGION_CATEGORY) && region->category != bp_kind_category(event->kind)) &&
           !((fields & BP_REGION_LANE) && region->lane != event->lane);
}

static bool matches_ranges(const bp_region *region, const bp_event *event)
{
    uint32_t fields = region->fields;
    if ((fields & BP_REGION_CLOCK) && (event->clock < region->clock_min || event->clock > region->clock_max)) {
        return false;
    }
    if ((fields & BP_REGION_SEQUENCE) &&
        (event->sequence < region->sequence_min || event->sequence > region->sequence_max)) {
        return false;
    }
    if ((fields & BP_REGION_TIME) && (event->time_us < region->time_min_us || event->time_us > region->time_max_us)) {
        return false;
    }
    return !((fields & BP_REGION_COMMITTED) &&
             (event->hlc < region->committed_min || event->hlc > region->committed_max));
}

bool bp_region_matches(const bp_region *region, const bp_event *event)
{
    bp_region taken;
    if (event == NULL || bpi_region_take(region, &taken, NULL) != BP_OK) {
        return false;
    }
    if (!(taken.fields & BP_REGION_SYSTEM) && bp_text_equal(event->entity, bp_text_of(BP_SYSTEM_ENTITY))) {
        return false;
    }
    if ((taken.fields & BP_REGION_TOMBSTONED) && taken.tombstoned != event->tombstoned) {
        return false;
    }
    if ((taken.fields & BP_REGION_CORRELATION) && !bp_id_equal(&taken.correlation, &event->correlation)) {
        return false;
    }
    if ((taken.fields & BP_REGION_CAUSE) && !bp_event_is_caused_by(event, &taken.cause)) {
        return false;
    }
    return matches_names(&taken, event) && matches_ranges(&taken, event);
}
