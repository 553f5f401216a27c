"""Tasks, readers, your own files, and how texts become sub-words; the miniature's world."""
