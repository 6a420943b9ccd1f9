"""Built-in adapters, one file each, loaded through the plugin door like anybody's."""
