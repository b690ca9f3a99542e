"""LLRP readers (GS1 LLRP 1.0.1 and 1.1)."""
