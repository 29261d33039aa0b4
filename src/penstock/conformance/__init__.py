"""The definitions in force beyond R4 itself: implementation-guide packages, and what the site stores."""
