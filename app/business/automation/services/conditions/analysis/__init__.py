"""What follows from conditions before any record is read: whether they can be met, and together with which others."""
