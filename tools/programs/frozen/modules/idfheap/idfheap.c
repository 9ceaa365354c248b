// The module `idfheap`: one heap of a fixed size serves MicroPython when its own is full, and mbedtls, as ESP-IDF's
// does on an ESP32. Before begin() mbedtls has the host's memory, and MicroPython's heap does not grow.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mbedtls/platform.h"
#include "model.h"
#include "py/gc.h"
#include "py/runtime.h"

// The port's hook: what the next area can have at most.
size_t gc_get_max_new_split(void) {
    return model_info().largest;
}

static void *calloc_for_tls(size_t count, size_t size) {
    void *memory = model_calloc(count, size);
    if (!memory) {
        fprintf(stderr, "idfheap: no %u bytes for TLS\n", (unsigned)(count * size));
    }
    return memory;
}

// begin(size): from now on there are so many bytes, for all.
static mp_obj_t idfheap_begin(mp_obj_t size) {
    model_make(mp_obj_get_int(size));
    mbedtls_platform_set_calloc_free(calloc_for_tls, model_give);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(idfheap_begin_obj, idfheap_begin);

// take(size) -> int: a driver's memory, its address. 0: it does not fit.
static mp_obj_t idfheap_take(mp_obj_t size) {
    return mp_obj_new_int_from_uint((uintptr_t)model_take(mp_obj_get_int(size)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(idfheap_take_obj, idfheap_take);

// give(address): back.
static mp_obj_t idfheap_give(mp_obj_t address) {
    model_give((void *)(uintptr_t)mp_obj_get_int_truncated(address));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(idfheap_give_obj, idfheap_give);

// info(capabilities) -> [(total, free, largest free block, least free)], as esp32.idf_heap_info(), of one region.
static mp_obj_t idfheap_info(mp_obj_t capabilities) {
    (void)capabilities;
    model_info_t info = model_info();
    mp_obj_t figures[] = {
        MP_OBJ_NEW_SMALL_INT(info.total), MP_OBJ_NEW_SMALL_INT(info.free),
        MP_OBJ_NEW_SMALL_INT(info.largest), MP_OBJ_NEW_SMALL_INT(info.least_free),
    };
    mp_obj_t region = mp_obj_new_tuple(MP_ARRAY_SIZE(figures), figures);
    return mp_obj_new_list(1, &region);
}
static MP_DEFINE_CONST_FUN_OBJ_1(idfheap_info_obj, idfheap_info);

// flash(path) -> bytearray: a file mapped into the memory as a board's flash is, outside of all heaps.
static mp_obj_t idfheap_flash(mp_obj_t path) {
    int file = open(mp_obj_str_get_str(path), O_RDONLY);
    struct stat status;
    void *memory = fstat(file, &status) ? MAP_FAILED : mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (memory == MAP_FAILED) {
        mp_raise_OSError(errno);
    }
    close(file);
    return mp_obj_new_bytearray_by_ref(status.st_size, memory);
}
static MP_DEFINE_CONST_FUN_OBJ_1(idfheap_flash_obj, idfheap_flash);

static const mp_rom_map_elem_t idfheap_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_idfheap) },
    { MP_ROM_QSTR(MP_QSTR_begin), MP_ROM_PTR(&idfheap_begin_obj) },
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&idfheap_take_obj) },
    { MP_ROM_QSTR(MP_QSTR_give), MP_ROM_PTR(&idfheap_give_obj) },
    { MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&idfheap_info_obj) },
    { MP_ROM_QSTR(MP_QSTR_flash), MP_ROM_PTR(&idfheap_flash_obj) },
};
static MP_DEFINE_CONST_DICT(idfheap_globals, idfheap_globals_table);

const mp_obj_module_t idfheap_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&idfheap_globals,
};
MP_REGISTER_MODULE(MP_QSTR_idfheap, idfheap_module);
