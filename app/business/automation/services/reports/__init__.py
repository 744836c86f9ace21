"""What people get once a day: the morning line, and the daily mail of those who want one."""
