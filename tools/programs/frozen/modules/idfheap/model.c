// The blocks lie one behind the other, each with a head of 8 bytes, free neighbours always merged. As TLSF does,
// a request is rounded up to a class of sizes (16 from each power of two to the next), and the lowest class that has
// a free block serves it: so a request may fail although a block is just large enough. Within a class TLSF takes the
// block that was freed last, here it is the lowest.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define ALIGN 4
#define MIN_BLOCK 12 // bytes of a block
#define CLASSES 16 // as ESP-IDF has them in a region of 16 to 256 KiB

typedef struct _block_t {
    uint32_t size : 31; // bytes behind this head
    uint32_t used : 1;
    uint32_t before; // bytes from the head of the block below to this one; 0: this is the lowest
} block_t;

static block_t *first, *end; // end: where no block is any more
static size_t total, least_free;

static block_t *above(block_t *block) {
    return (block_t *)((char *)(block + 1) + block->size);
}

static size_t class_step(size_t size) {
    size_t power = ALIGN * CLASSES;
    while (size / 2 >= power) {
        power *= 2;
    }
    return power / CLASSES;
}

static size_t rounded_down(size_t size) {
    return size & ~(class_step(size) - 1);
}

static size_t rounded_up(size_t size) {
    return rounded_down(size + class_step(size) - 1);
}

void model_make(size_t size) {
    total = least_free = size & ~(size_t)(ALIGN - 1);
    first = malloc(total);
    end = (block_t *)((char *)first + total);
    *first = (block_t) { .size = total - sizeof(block_t) };
}

model_info_t model_info(void) {
    model_info_t info = { .total = total, .least_free = least_free };
    for (block_t *block = first; block < end; block = above(block)) {
        if (!block->used) {
            info.free += block->size;
            info.largest = block->size > info.largest ? block->size : info.largest;
        }
    }
    info.largest = rounded_down(info.largest);
    return info;
}

static block_t *best_for(size_t size) {
    block_t *best = NULL;
    size_t wanted = rounded_up(size);
    for (block_t *block = first; block < end; block = above(block)) {
        if (!block->used && block->size >= wanted
            && (!best || rounded_down(block->size) < rounded_down(best->size))) {
            best = block;
        }
    }
    return best;
}

// The distance of the block above, after this one has got another size.
static void tell_above(block_t *block) {
    if (above(block) < end) {
        above(block)->before = sizeof(block_t) + block->size;
    }
}

static void cut(block_t *block, size_t size) {
    if (block->size >= size + sizeof(block_t) + MIN_BLOCK) {
        size_t rest = block->size - size - sizeof(block_t);
        block->size = size;
        tell_above(block);
        above(block)->size = rest;
        above(block)->used = false;
        tell_above(above(block));
    }
}

void *model_take(size_t size) {
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size = size < MIN_BLOCK ? MIN_BLOCK : size;
    block_t *block = size < total ? best_for(size) : NULL;
    if (!block) {
        return NULL;
    }
    cut(block, size);
    block->used = true;
    size_t left = model_info().free;
    least_free = left < least_free ? left : least_free;
    return block + 1;
}

void *model_calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *memory = model_take(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static void merge_above(block_t *block) {
    if (above(block) < end && !above(block)->used) {
        block->size += sizeof(block_t) + above(block)->size;
        tell_above(block);
    }
}

void model_give(void *memory) {
    block_t *block = (block_t *)memory - 1;
    if (block < first || block >= end) { // taken before the model was made, or NULL
        free(memory);
        return;
    }
    block->used = false;
    merge_above(block);
    block_t *below = (block_t *)((char *)block - block->before);
    if (block->before && !below->used) {
        merge_above(below);
    }
}

void *model_take_area(size_t size) {
    fprintf(stderr, "idfheap: an area of %u bytes, %u are free\n", (unsigned)size, (unsigned)model_info().free);
    return model_take(size);
}
