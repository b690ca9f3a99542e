"""Commands from outside: what there is, how a payload becomes one, who may give it, and what is answered. Pure."""
