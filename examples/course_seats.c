/*
 * course_seats.c: eight clerks enrol students at once; a course has so many seats, a student takes so many courses.
 *
 *   course_seats DIR          prints what came of it, and exits with 1 if a rule was broken
 *
 * An enrolment is an event of the entity "student:N" in the scope "course:M". Whether one more is allowed depends on two
 * regions at once: the scope, and the entity. So the clerk queries both, decides, and appends with both as guards: if
 * anything has come into either since, the append is a conflict, and the clerk decides anew.
 */
#include <batpak/batpak.h>
#include <pthread.h>
#include <stdio.h>

enum { CLERKS = 8, COURSES = 4, STUDENTS = 40, SEATS = 12, LOAD = 2, ENROLLED = 0xf001 };

static bp_store *store;
static _Atomic unsigned conflicts;

/* How many enrolments the region has, and the position that was looked at. */
static bp_status count(const bp_region *region, uint64_t *count_out, bp_position *position_out, bp_error *error)
{
    bp_iterator *iterator = NULL;
    uint64_t sequence;
    bp_status status = bp_query(store, region, NULL, &iterator, error);

    if (status != BP_OK) {
        return status;
    }
    *count_out = 0;
    while ((status = bp_next_sequence(iterator, &sequence, error)) == BP_OK) {
        (*count_out)++;
    }
    if (status == BP_END) {
        status = bp_iterator_position(iterator, position_out, error);
    }
    bp_iterator_close(iterator);
    return status;
}

/* Query, decide, append; again when something came between. BP_ERR_DENIED: the rules say no. */
static bp_status enrol(unsigned student, unsigned course, bp_error *error)
{
    char entity[32], scope[32];
    bp_region of_student, of_course;
    bp_guard guards[2];
    bp_append_options options;
    uint64_t taken, courses;
    bp_status status;

    snprintf(entity, sizeof entity, "student:%u", student);
    snprintf(scope, sizeof scope, "course:%u", course);
    of_student = bp_region_stream(entity);
    of_course = bp_region_by_scope(scope);
    guards[0].region = &of_course;
    guards[1].region = &of_student;
    bp_append_options_init(&options);
    options.durability = BP_BUFFERED;
    options.guards = guards;
    options.guard_count = 2;
    do {
        if ((status = count(&of_course, &taken, &guards[0].after, error)) != BP_OK ||
            (status = count(&of_student, &courses, &guards[1].after, error)) != BP_OK) {
            return status;
        }
        if (taken >= SEATS || courses >= LOAD) {
            return BP_ERR_DENIED;
        }
        status = bp_append(store, bp_at(entity, scope), ENROLLED, bp_json("{}"), &options, NULL, error);
        conflicts += status == BP_ERR_CONFLICT;
    } while (status == BP_ERR_CONFLICT);
    return status;
}

/* Every clerk tries every student in every course, each from another end. */
static void *clerk(void *argument)
{
    unsigned number = *(unsigned *)argument;
    bp_error error = {0};

    for (unsigned i = 0; i < STUDENTS * COURSES; i++) {
        unsigned at = (i + number * STUDENTS / 2) % (STUDENTS * COURSES);
        bp_status status = enrol(at / COURSES, at % COURSES, &error);

        if (status != BP_OK && status != BP_ERR_DENIED) {
            bp_print_error(stderr, &error);
            return argument;
        }
    }
    return NULL;
}

/* What the log says in the end: no course and no student beyond the rules. */
static int audit(bp_error *error)
{
    int broken = 0;

    for (unsigned i = 0; i < COURSES + STUDENTS; i++) {
        char name[32];
        bp_position position;
        uint64_t taken = 0;
        int course = i < COURSES;

        snprintf(name, sizeof name, course ? "course:%u" : "student:%u", course ? i : i - COURSES);
        bp_region region = course ? bp_region_by_scope(name) : bp_region_stream(name);
        if (count(&region, &taken, &position, error) != BP_OK) {
            return bp_print_error(stderr, error);
        }
        broken += taken > (course ? SEATS : LOAD);
        if (course) {
            printf("%s: %llu of %d seats\n", name, (unsigned long long)taken, SEATS);
        }
    }
    printf("%d rules broken\n", broken);
    fprintf(stderr, "%u times something came between\n", conflicts);
    return broken != 0;
}

int main(int count_of_arguments, char **arguments)
{
    pthread_t threads[CLERKS];
    unsigned numbers[CLERKS];
    bp_error error = {0};
    int failed = 0;

    if (count_of_arguments != 2) {
        fprintf(stderr, "usage: course_seats DIR\n");
        return 2;
    }
    if (bp_open(arguments[1], NULL, &store, &error) != BP_OK) {
        return bp_print_error(stderr, &error);
    }
    for (unsigned i = 0; i < CLERKS; i++) {
        numbers[i] = i;
        failed |= pthread_create(&threads[i], NULL, clerk, &numbers[i]) != 0;
    }
    for (unsigned i = 0; i < CLERKS && !failed; i++) {
        void *trouble = NULL;
        failed |= pthread_join(threads[i], &trouble) != 0 || trouble != NULL;
    }
    failed |= audit(&error);
    return bp_close(store, &error) == BP_OK ? failed : bp_print_error(stderr, &error);
}
