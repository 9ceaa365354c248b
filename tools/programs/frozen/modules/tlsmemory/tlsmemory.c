// The module `tlsmemory`: lets allocations of mbedtls fail, by their number. Nothing changes before its first call.

#include <stdio.h>
#include <stdlib.h>

#include "mbedtls/platform.h"
#include "py/runtime.h"

static mp_uint_t asked; // allocations since fail()
static mp_uint_t first, most; // the first that fails, and how many do

static FILE *trace;

static void *counting_calloc(size_t count, size_t size) {
    asked++;
    if (trace) {
        void *caller = __builtin_return_address(0); // mbedtls_calloc() has jumped here
        fwrite(&caller, sizeof caller, 1, trace);
    }
    return asked >= first && asked - first < most ? NULL : calloc(count, size);
}

// fail(first, most): from now on counted, allocation number first (1, 2 ...) fails, and those after it, most in all.
static mp_obj_t tlsmemory_fail(mp_obj_t first_in, mp_obj_t most_in) {
    asked = 0;
    first = mp_obj_get_int(first_in);
    most = mp_obj_get_int(most_in);
    mbedtls_platform_set_calloc_free(counting_calloc, free);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(tlsmemory_fail_obj, tlsmemory_fail);

// trace(path): from now on each allocation leaves the address of the code that asked for it, 4 bytes, in that file.
static mp_obj_t tlsmemory_trace(mp_obj_t path) {
    trace = fopen(mp_obj_str_get_str(path), "wb");
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tlsmemory_trace_obj, tlsmemory_trace);

// asked() -> int: allocations since fail().
static mp_obj_t tlsmemory_asked(void) {
    return mp_obj_new_int_from_uint(asked);
}
static MP_DEFINE_CONST_FUN_OBJ_0(tlsmemory_asked_obj, tlsmemory_asked);

static const mp_rom_map_elem_t tlsmemory_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_tlsmemory) },
    { MP_ROM_QSTR(MP_QSTR_fail), MP_ROM_PTR(&tlsmemory_fail_obj) },
    { MP_ROM_QSTR(MP_QSTR_trace), MP_ROM_PTR(&tlsmemory_trace_obj) },
    { MP_ROM_QSTR(MP_QSTR_asked), MP_ROM_PTR(&tlsmemory_asked_obj) },
};
static MP_DEFINE_CONST_DICT(tlsmemory_globals, tlsmemory_globals_table);

const mp_obj_module_t tlsmemory_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&tlsmemory_globals,
};
MP_REGISTER_MODULE(MP_QSTR_tlsmemory, tlsmemory_module);
