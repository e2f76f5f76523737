"""Running trials: one interface, opened by the name of a device. Kernels and threads are in a folder for each device."""
