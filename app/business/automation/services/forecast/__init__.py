"""The account's credits ahead: each rule's pace, when credits run out, and what a change would do."""
