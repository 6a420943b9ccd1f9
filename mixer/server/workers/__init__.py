"""Several processes as one server: a front that takes connections, and workers that serve them."""
