/*
 * test_names.c: names by the ten thousand stay where they are while more come, one piece of memory after another; what is taken back
 * and forgotten leaves nothing.
 */
#include "index/names.h"
#include "index/world.h"

enum { NAMES = 30000, EVERY = 97 };

static bp_text name_of(uint32_t i, char room[300])
{
    int size = snprintf(room, 300, "entity:%u%s", (unsigned)i,
                        i % EVERY == 0 ? ":with a name that does not fit beside it, for it is rather long" : "");
    return (bp_text){room, (size_t)size};
}

static void fill(bpi_names *names, bpi_entity **entities)
{
    char room[300];
    for (uint32_t i = 0; i < NAMES; i++) {
        entities[i] = bpi_names_add(names, name_of(i, room), i + 1000);
        assert_non_null(entities[i]);
        bpi_names_settle(names, entities[i]);
    }
}

static void check(bpi_names *names, bpi_entity **entities, uint32_t count)
{
    char room[300];
    for (uint32_t i = 0; i < count; i++) {
        bp_text name = name_of(i, room);
        assert_ptr_equal(bpi_names_find(names, name), entities[i]);
        assert_ptr_equal(bpi_names_read(names, name), entities[i]);
        assert_ptr_equal(bpi_names_at(names, i), entities[i]);
        assert_true(bp_text_equal(entities[i]->name, name));
        assert_int_equal(atomic_load(&entities[i]->number), i + 1000);
    }
    assert_null(bpi_names_find(names, name_of(NAMES, room)));
}

static void names_stay_where_they_are(void **state)
{
    (void)state;
    static bpi_entity *entities[NAMES];
    bpi_names names;
    bpi_names_init(&names, bp_allocator_system(), 7);
    for (int round = 0; round < 2; round++) { /* forgotten, they come again */
        fill(&names, entities);
        check(&names, entities, NAMES);
        assert_true(bpi_names_bytes(&names) >= NAMES * sizeof(bpi_name));
        assert_true(bpi_names_bytes(&names) < NAMES * sizeof(bpi_name) * 2);
        bpi_names_clear(&names);
        assert_int_equal(bpi_names_bytes(&names), 0);
        assert_int_equal(bpi_names_stable(&names), 0);
    }
    bpi_names_fini(&names);
}

static void the_last_name_is_taken_back(void **state)
{
    (void)state;
    char room[300];
    bpi_names names;
    bpi_names_init(&names, bp_allocator_system(), 7);
    for (uint32_t i = 0; i < NAMES; i++) {
        bpi_entity *entity = bpi_names_add(&names, name_of(i, room), i);
        assert_non_null(entity);
        if (i % EVERY == 0) {
            bpi_names_remove_last(&names, entity);
            assert_null(bpi_names_find(&names, name_of(i, room)));
            entity = bpi_names_add(&names, name_of(i, room), i);
            assert_non_null(entity);
        }
        assert_int_equal(entity->place, i);
        bpi_names_settle(&names, entity);
    }
    assert_int_equal(bpi_names_stable(&names), NAMES);
    bpi_names_fini(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stay_where_they_are),
        cmocka_unit_test(the_last_name_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
