"""A simulated LLRP reader on TCP, with an encoder of its own."""
