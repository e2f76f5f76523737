"""What is kept of trials: exact mergeable sums, histogram, extremes; and those as bytes."""
