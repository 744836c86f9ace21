"""Real processes under real faults: killed, stopped, disconnected from their queue server, doubled, and redeployed."""
