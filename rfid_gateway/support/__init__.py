"""The support bundle: what somebody who helps needs to see, without any secret."""
