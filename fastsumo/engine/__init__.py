"""Running trials: one interface, opened by the name of a device; kernels and threads in a folder for each device."""
