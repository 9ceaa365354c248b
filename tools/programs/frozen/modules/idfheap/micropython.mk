SRC_USERMOD_C += $(USERMOD_DIR)/idfheap.c $(USERMOD_DIR)/model.c
