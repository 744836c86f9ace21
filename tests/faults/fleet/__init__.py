"""Real processes under real faults: killed, stopped, cut off from their queue server, doubled, and deployed anew."""
