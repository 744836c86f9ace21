"""WordPress sites over their REST interface: the test of a connection, and the posts of articles."""
