"""The compiler of FHIRPath: from the syntax tree, typed against the definitions, to Python source. Verb: ``Builder.build``."""
