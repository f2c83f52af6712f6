/*
 * planted.h: how a program that has planted mistakes (src/base/plant.h) is told which one is in.
 */
#ifndef BPT_SIM_PLANTED_H
#define BPT_SIM_PLANTED_H

#define SIM_PLANT_VARIABLE "BATPAK_PLANT_NUMBER"

#endif
