"""One pipeline for each kind of model, between them what both do alike."""
