"""EPC binary encodings to identifiers, by GS1 Tag Data Standard 2.3. Pure."""
