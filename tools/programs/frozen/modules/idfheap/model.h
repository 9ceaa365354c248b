// A heap that behaves like ESP-IDF's: TLSF's good fit over one piece of memory. Included before every file of
// the build, because MicroPython takes the areas by which its own heap grows from here.

#ifndef IDFHEAP_MODEL_H
#define IDFHEAP_MODEL_H

#include <stddef.h>

typedef struct _model_info_t {
    size_t total, free; // bytes, heads of the blocks included in total only
    size_t largest; // what can be had in one piece
    size_t least_free; // the smallest `free` there ever was
} model_info_t;

void model_make(size_t size);
void *model_take(size_t size); // NULL: does not fit
void *model_calloc(size_t count, size_t size);
void model_give(void *memory);
model_info_t model_info(void);

void *model_take_area(size_t size); // says so on stderr
#define MP_PLAT_ALLOC_HEAP(size) model_take_area(size)
#define MP_PLAT_FREE_HEAP(memory) model_give(memory)

#endif
