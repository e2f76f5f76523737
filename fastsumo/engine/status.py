"""What a kernel answers with: how the trials that it was given ended."""

OK = 0
RAISED = 1  # the model raised; the report names the trial
BAD_WEIGHT = 2  # a log weight was NaN or +inf; the report names the trial
STOPPED = 3  # somebody asked the run to stop
BAD_VALUE = 5  # the value of a trial is no number or too large for its square to be one; the report names the trial
NO_CENTER = 6  # a row's pilot has no weight, so Taylor's series no centre; the report names the row's first trial
EXTENDED = 4  # a weight is too large or small for the linear range: the trial is for the kernels of the extended range
