/* planted.c: which mistake is in: the one whose number stands in the environment when the program begins. */
#include "sim/planted.h"

#include <stdlib.h>

#include "base/plant.h"

bpi_plant bpi_plant_active;

__attribute__((constructor)) static void take_plant(void)
{
    const char *number = getenv(SIM_PLANT_VARIABLE);
    bpi_plant_active = number == NULL ? BPI_PLANT_NONE : (bpi_plant)atoi(number);
}
