"""What the standards say: pure, no I/O."""
