"""The only importer of paho: publisher, topics, directory feed."""
