"""What a user calls, one file for each, and `Result`, what a run found."""
