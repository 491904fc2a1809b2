"""Small versions of published architectures, a file a family: each must come back exactly."""
